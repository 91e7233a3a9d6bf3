"""Prompts: lengths of a distribution, shared prefixes, and files."""

import json
import random
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtests import prompts
from loadtests.lengths import Length, constant
from loadtests.outcome import SetupError


def texts(count=200, seed=0, length=None, **more):
    """Return the first prompts of a load."""
    source = prompts.synthetic("completions", seed, length or constant(20), **more)
    return [source.of(number).content["prompt"] for number in range(count)]


def drawn(count=20_000, **options):
    """Draw lengths."""
    numbers, length = random.Random(1), Length.model_validate(options)
    return [length.draw(numbers) for _ in range(count)]


def test_lengths_follow_their_distribution():
    """Lognormal: the mean is the mean and sigma that of the logarithm; uniform: both ends come; constant: one value."""
    lengths = drawn(mean=200, sigma=0.5)
    assert statistics.fmean(lengths) == pytest.approx(200, rel=0.02)
    ordered = sorted(lengths)
    assert ordered[16_826] / ordered[3_174] == pytest.approx(2.718, rel=0.05)  # +-1 sigma: e^(2 * 0.5)
    assert set(drawn(distribution="uniform", min=3, max=6)) == {3, 4, 5, 6}
    assert set(drawn(distribution="constant", mean=7)) == {7}


@given(st.floats(1, 5000), st.floats(0.01, 4), st.integers(1, 100), st.integers(0, 10_000))
def test_bounds_hold(mean, sigma, least, more):
    """No length is below min or above max."""
    most = least + more
    mean = min(max(mean, least), most)
    lengths = drawn(count=50, mean=mean, sigma=sigma, min=least, max=most)
    assert least <= min(lengths)
    assert max(lengths) <= most


@pytest.mark.parametrize("length", [1, 2, 50, 65_535, 65_536, 200_000])
def test_a_prompt_has_its_words(length):
    """Whatever the length, also beyond the text that prompts are cut from."""
    [text] = texts(1, length=constant(length))
    assert len(text.split()) == length
    assert text == text.strip()


def test_prompts_differ_from_their_first_word_on():
    """Without a shared prefix no two prompts begin alike, so that no prefix cache helps."""
    assert len({text.split()[0] for text in texts()}) == 200


def test_a_group_shares_its_prefix():
    """Prompts of a group begin with the same words, and differ right after them; groups differ in their first word."""
    found = texts(prefix=50, groups=3)
    prefixes = {" ".join(text.split(" ")[:50]) for text in found}
    assert len(prefixes) == 3
    assert len({prefix.split()[0] for prefix in prefixes}) == 3
    assert all(len(text.split()) == 70 for text in found)
    assert len({text.split()[50] for text in found}) == 200


def test_another_seed_is_another_load():
    """The same seed gives the same prompts, another seed others."""
    assert texts(20) == texts(20)
    assert not set(texts(20)) & set(texts(20, seed=1))


def a_file(path, *rows):
    """Write a file of prompts."""
    path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
    return path


def test_each_prompt_of_a_file_comes_before_any_again(tmp_path):
    """Every round holds every prompt once, in an order of its own by the seed."""
    path = a_file(tmp_path / "p", *({"prompt": str(n)} for n in range(20)))
    source = prompts.read(path, "completions", 3)
    rounds = [[source.of(lap * 20 + n).content["prompt"] for n in range(20)] for lap in range(3)]
    assert all(sorted(each, key=int) == [str(n) for n in range(20)] for each in rounds)
    assert rounds[0] != rounds[1]
    assert source.notes["prompts"] == 20
    again = prompts.read(path, "completions", 3)
    assert [again.of(n).content["prompt"] for n in range(20)] == rounds[0]


def test_a_prompt_becomes_what_the_endpoint_takes(tmp_path):
    """For chat a prompt is a user's message, and messages go as they are."""
    messages = [{"role": "system", "content": "short"}, {"role": "user", "content": "go"}]
    path = a_file(tmp_path / "p", {"prompt": "a"}, {"messages": messages, "max_tokens": 3})
    source = prompts.read(path, "chat", 0)
    found = sorted((source.of(n) for n in range(2)), key=lambda prompt: prompt.max_tokens or 0)
    assert found[0].content == {"messages": [{"role": "user", "content": "a"}]}
    assert (found[1].content, found[1].max_tokens) == ({"messages": messages}, 3)


def test_every_bad_line_is_named_at_once(tmp_path):
    """A file with mistakes is refused, each with its line and what is wrong."""
    bad = (
        *("no json", "[1]", {"prompt": ""}, {"prompt": 1}, {}, {"prompt": "a", "messages": []}, {"prompts": "a"}),
        *({"prompt": "a", "max_tokens": 0}, {"prompt": "a", "max_tokens": True}, {"messages": [{"role": "user"}]}),
    )
    path = a_file(tmp_path / "p", {"prompt": "good"}, *bad, {"prompt": "good"})
    with pytest.raises(SetupError) as refused:
        prompts.read(path, "chat", 0)
    assert f"{len(bad)} bad lines" in str(refused.value)
    assert all(f"line {number}: " in str(refused.value) for number in range(2, len(bad) + 2))
    assert "line 1:" not in str(refused.value)


def test_messages_need_chat(tmp_path):
    """Completions know no messages; the mend is named."""
    path = a_file(tmp_path / "p", {"messages": [{"role": "user", "content": "a"}]})
    with pytest.raises(SetupError, match="need `api: chat`"):
        prompts.read(path, "completions", 0)


@pytest.mark.parametrize("content", [None, "", "\n\n"])
def test_a_file_without_prompts(tmp_path, content):
    """No file, or an empty one, ends the set-up with its name."""
    path = tmp_path / "p"
    if content is not None:
        path.write_text(content)
    with pytest.raises(SetupError, match=str(path)):
        prompts.read(path, "completions", 0)


def test_many_bad_lines_do_not_flood(tmp_path):
    """Of very many the first are told, and how many more there are."""
    path = a_file(tmp_path / "p", *["x"] * 50)
    with pytest.raises(SetupError, match="and 30 more"):
        prompts.read(path, "completions", 0)
