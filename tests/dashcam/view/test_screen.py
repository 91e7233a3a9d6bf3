"""A screen is a function of facts and size: golden texts, and what holds for every size."""

from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from dashcam.view import draw, sections
from dashcam.view.facts import Alert, Machine, Service, Targets
from dashcam.view.screen import screen
from tests.dashcam.view.states import SICK, STATES, STEADY

GOLDEN = Path(__file__).parent / "golden"


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
@pytest.mark.parametrize("name", sorted(STATES))
def test_screens_are_as_they_were_looked_at(golden, name, size):
    """Each state at 80x24 and 120x40, line by line."""
    lines = screen(STATES[name], *size).plain.split("\n")
    golden(GOLDEN / f"{name}-{size[0]}x{size[1]}.txt", "\n".join(line.rstrip() for line in lines) + "\n")


@pytest.mark.parametrize("name", sorted(STATES))
@pytest.mark.parametrize("size", [(20, 4), (40, 10), (79, 23), (80, 24), (111, 30), (112, 30), (200, 60), (400, 15)])
def test_every_size_is_filled_exactly(name, size):
    """There are as many lines as the window has, and none is wider: nothing scrolls and nothing is left behind."""
    lines = screen(STATES[name], *size).plain.split("\n")
    assert len(lines) == size[1]
    assert max(map(len, lines)) <= size[0]


def test_80x24_has_everything_of_a_healthy_run():
    """The smallest usual window shows each part in full."""
    text = screen(STEADY, 80, 24).plain
    for word in ("▸ steady", "asked", "done", "p50", "p99", "TTFT", "failed", "queue", "CPU", "4 of 4 up", "notes"):
        assert word in text
    assert "12 s left" in text


def test_what_is_wrong_stays_on_a_small_screen():
    """With more to tell than 24 lines hold, each part keeps its first lines, and says how many there are in all."""
    text = screen(SICK, 80, 24).plain
    for word in ("timeout 600", "services (3)", "nodes (4)", "10 of 12 up, 2 down", "QueueGrowing", "died: signal"):
        assert word in text


def test_many_alerts_are_counted():
    """A list that has no room for all says how many it has."""
    many = replace(STEADY, alerts=tuple(Alert(f"Alert{index}") for index in range(30)))
    text = screen(many, 80, 24).plain
    assert "alerts (30)" in text
    assert "Alert0" in text


def test_a_missing_target_is_bad_news():
    """A target that Prometheus does not even know of is not up."""
    line = sections.targets(replace(STEADY, targets=Targets(5, 4)), 80, 3)[0]
    assert "4 of 5 up" in line.plain
    assert any("d55e00" in str(span.style) for span in line.spans)


def test_ascii_only():
    """A terminal that writes no UTF-8 gets the same screen in ASCII."""
    assert screen(SICK, 100, 30, ascii_only=True).plain.isascii()


def test_meaning_never_hangs_on_colour():
    """Without colours the same text says what is bad: by a sign or a word."""
    console = Console(width=80, height=24, no_color=True, force_terminal=True, color_system="truecolor")
    with console.capture() as capture:
        console.print(screen(SICK, 80, 24))
    assert "38;2;" not in capture.get()
    assert "99 %!" in capture.get()


def test_gpus_have_their_own_table_where_rows_are_narrow():
    """Beside the nodes from 76 columns on, below them in half a window."""
    node = Machine("mel2345", gpus=(1.0, 0.0, 0.5, 1.0), gpu_memory=0.5, gpu_watts=1600.0)
    facts = replace(STEADY, machines=(node,))
    assert "█▁▅█" in sections.machines(facts, 80, 9)[1].plain
    assert sections.gpus(facts, 80, 9) == []
    assert "█▁▅█" not in sections.machines(facts, 58, 9)[1].plain
    assert "█▁▅█" in sections.gpus(facts, 58, 9)[1].plain


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "-"), (0, "0"), (512, "512"), (1023, "1.0K"), (1.3e6, "1.2M"), (9.99e8, "953M"), (3e12, "2.7T")],
)
def test_sizes_take_five_characters(value, text):
    """Bytes by 1024, with one unit."""
    assert draw.size(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(None, "-"), (0.0, "0 %"), (0.0004, "0.0 %"), (0.051, "5.1 %"), (0.5, "50 %"), (1.0, "100 %")]
)
def test_small_shares_are_not_nothing(value, text):
    """0 % is none at all."""
    assert draw.percent(value) == text


@pytest.mark.parametrize(("value", "text"), [(None, "?"), (0.4, "0 s"), (59.6, "1:00"), (3723, "1:02:03")])
def test_spans(value, text):
    """Times left, as clocks write them."""
    assert draw.span(value) == text


def test_sparkline_ends_now():
    """The newest value is at the right end; unknown ones are blanks; all lines of one scale compare."""
    assert draw.sparkline((1.0, None, 2.0), 5) == "  ▅ █"
    assert draw.sparkline((1.0, 2.0, 4.0), 2, top=8.0) == "▃▅"
    assert draw.sparkline((0.0, 0.0), 2) == "▁▁"
    assert draw.sparkline((), 3) == "   "


def test_columns_that_no_service_has_are_not_there():
    """llama.cpp tells of no requests: what it has is shown, and in half a window what is least needed is left out."""
    llama = replace(STEADY, services=(Service("llm", queue=0, running=1, tokens_in=1034.0, tokens_out=224.0),))
    head = sections.services(llama, 80, 9)[0].plain.split()
    assert head == ["services", "queue", "run", "tok", "in", "tok", "out"]
    assert "tok out" not in sections.services(STEADY, 58, 9)[0].plain
    assert "p99" in sections.services(STEADY, 58, 9)[0].plain
