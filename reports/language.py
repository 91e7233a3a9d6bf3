"""Rules about what a language model answered: by which model, in what pieces, to prompts that it read wholly."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np

from reports.answers import natural
from reports.evidence import Evidence
from reports.honesty import Level, finding
from reports.words import count, display
from runs import objectives
from runs.manifest import Finding

PIECES_SHARE = 0.01
AT_ONCE_SECONDS = 1e-4
"""Of a token; no server is known to make more than some thousand tokens a second for one answer."""
_AT_ONCE_SHARE, _TOKENS, _WAIT_SHARE, _WAIT_SECONDS = 0.5, 8, 0.8, 0.01
PROMPT_SHARE = 0.7


def tokens_known(evidence: Evidence) -> Iterator[Finding]:
    """See that all answers told their tokens, or none: rates of tokens are of those that did.

    (vLLM's and AIPerf's clients count the missing ones with a tokenizer, which need not be the server's.)
    """
    good = evidence.measured.requests.good
    told = ~np.isnan(good.tokens_out)
    without = int((~told).sum())
    if told.any() and without:
        text = f"{without:,} of {count(len(good), 'good answer')} told no tokens: token rates are those of the others"
        yield finding("tokens_known", "warning", text, without=without, answers=len(good))


def one_model(evidence: Evidence) -> Iterator[Finding]:
    """See that all answers came of one model, the one asked for, as far as the answers name it.

    A router that falls back to a smaller model is quick with it. Answers of several models are INVALID; another name
    than the one asked for, which may be an alias, is a warning. A name that begins with the one asked for is a release
    of it.
    """
    models: Counter[str] = Counter()
    asked: set[str] = set()
    for facts in _verified(evidence):
        told = facts.get("models")
        models.update(told if isinstance(told, dict) else ())
        if isinstance(facts.get("model_asked"), str):
            asked.add(facts["model_asked"])
    if len(models) > 1:
        names = ", ".join(f"{name} {number:,}" for name, number in models.most_common(4))
        text = f"the answers came of {count(len(models), 'model')}: {names}"
        yield finding("one_model", "invalid", text, models=dict(models))
    elif models and asked and not next(iter(models)).startswith(tuple(asked)):
        text = f"the answers name the model {next(iter(models))}, where {', '.join(sorted(asked))} was asked for"
        yield finding("one_model", "warning", text, models=dict(models), asked=sorted(asked))


def pieces_fit(evidence: Evidence) -> Iterator[Finding]:
    """See that streamed answers came in no more pieces than they have tokens: each piece holds one at least.

    More pieces in over 1 % of the answers: some were sent twice, or the server's `usage` tells too few tokens; token
    rates and gaps are then doubtful. A gateway that cuts text anew does so too, so that it is a warning. (AIPerf's
    count of chunks as tokens once gave a sevenfold slowdown: vLLM PR #45739.)
    """
    good = evidence.measured.requests.good
    known = ~np.isnan(good.tokens_out) & (good.gap_counts > 0)
    many = int((known & (good.gap_counts > good.tokens_out)).sum())
    if many > max(1.0, PIECES_SHARE * int(known.sum())):
        text = (
            f"{many:,} of {count(int(known.sum()), 'streamed answer')} came in more pieces than the tokens they tell: "
            "pieces were repeated, or the count is wrong"
        )
        yield finding("pieces_fit", "warning", text, answers=int(known.sum()), with_more_pieces=many)


def streamed(evidence: Evidence) -> Iterator[Finding]:
    """See that streamed answers came as they were made: a proxy that buffers hands them over whole.

    An answer of eight tokens or more came at once where they followed each other within 0.1 ms a token after at least
    80 % of its time, and 10 ms. Over half of the answers: the time to the first token is then that of the whole answer,
    and the gaps are the proxy's. A warning, and INVALID where an objective bounds those gaps, which it would meet.
    (nginx buffers by default; its `X-Accel-Buffering: no` is there for such streams.)
    """
    good = evidence.measured.requests.good
    waited, took = good.between("sent", "first_token"), good.between("sent", "done")
    long = (good.tokens_out >= _TOKENS) & ~np.isnan(waited)
    if not long.any():
        return
    fast = good.streaming <= AT_ONCE_SECONDS * (good.tokens_out - 1.0)
    share = float((fast & (waited >= _WAIT_SECONDS) & (waited >= _WAIT_SHARE * took))[long].mean())
    if share > _AT_ONCE_SHARE:
        bounds = {name: objectives.parse(name) for name in evidence.recipe.objectives}
        judged = [name for name, bound in bounds.items() if bound is not None and bound.figure in {"itl", "tpot"}]
        level: Level = "invalid" if judged else "warning"
        text = (
            f"{display(share, 'ratio')} of the streamed answers came at once, at their end: something between buffers "
            "them, and the times to the first token and between tokens are not the model's"
        )
        yield finding("streamed", level, text, answers=int(long.sum()), at_once_ratio=round(share, 4), judged=judged)


def prompts_whole(evidence: Evidence) -> Iterator[Finding]:
    """See that the server read the prompts wholly: a word is a token at least, for nearly all tokenizers.

    Fewer than 0.7 tokens for a word in the answers together: the server cut the prompts to its context without a word
    (Ollama's `num_ctx`, `truncate_prompt_tokens` of vLLM), and was quick with the rest; or its count is of something
    else. A warning, since tokenizers differ.
    """
    parts = _verified(evidence)
    words, read = (sum(natural(part, name) or 0 for part in parts) for name in ("prompt_words", "prompt_tokens"))
    if words and read < PROMPT_SHARE * words:
        text = (
            f"the server read {read:,} tokens of prompts that have {words:,} words: it cut them, or counts something "
            "else"
        )
        yield finding("prompts_whole", "warning", text, prompt_words=words, prompt_tokens=read)


def _verified(evidence: Evidence) -> list[dict[str, Any]]:
    """Return what the load's generator told after the last request, one part for each instance of the service."""
    verified = evidence.notes.get("verified")
    facts = verified if isinstance(verified, dict) else {}
    parts = facts.get("instances_after", [facts])
    return [part for part in parts if isinstance(part, dict)] if isinstance(parts, list) else []
