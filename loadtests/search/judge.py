"""Whether a probe passed: the same formulas as the report's, on the requests that are still in memory.

latency = done - intended; service = done - sent; ttft = first_token - intended; itl = the gaps of all answers pooled;
tpot = sum of an answer's gaps / (its output tokens - 1). Percentiles are nearest-rank (`runs.samples`).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from loadtests.outcome import Outcome
from loadtests.search.result import Judged
from runs.objectives import Bounded, parse
from runs.samples import Floats, lower_bound, nearest_rank, needed, noise, open_at
from runs.search import judged

FAILED_SHARE = 0.01
"""More failures than that break a probe unless an objective `error_rate` allows them, as in the verdict."""
KEPT_UP_SHARE = 0.05
CPU_SHARE = 0.90
_LAG_SHARE, _LAG_SECONDS = 0.05, 0.001
_LAG_SHARE_P99, _LAG_SECONDS_P99 = 0.25, 0.010


@dataclass(frozen=True)
class Request:
    """A request that ended: when it was intended and done, in seconds of one clock, and what came of it."""

    intended: float
    done: float
    outcome: Outcome


@dataclass(frozen=True)
class Sample:
    """The requests intended in a probe of [begin, end), and the others that were open in it.

    `cpu`: the share of a core that the load took; `k`: how many neighbours a retrieval asks for.
    """

    begin: float
    end: float
    mine: Sequence[Request]
    others: Sequence[Request] = ()
    cpu: float = 0.0
    k: Any = None

    @cached_property
    def good(self) -> list[Request]:
        """The probe's requests that succeeded."""
        return [one for one in self.mine if one.outcome.ok]

    @property
    def seconds(self) -> float:
        """Length of the probe."""
        return self.end - self.begin

    @property
    def failed_share(self) -> float:
        """Failed of intended."""
        return 1.0 - len(self.good) / len(self.mine) if self.mine else 0.0

    @property
    def achieved(self) -> float:
        """Good answers that were whole inside the probe, a second."""
        every = (*self.others, *self.mine)
        return sum(self.begin <= one.done < self.end for one in every if one.outcome.ok) / self.seconds

    def times(self, name: str) -> Floats:
        """Return the samples of one time in seconds, those of good answers."""
        return np.array([value for one in self.good for value in times(name, one)], dtype=np.float64)

    @property
    def recall(self) -> float | None:
        """Mean recall of the good answers."""
        known = [one.outcome.recall for one in self.good if one.outcome.recall is not None]
        return math.fsum(known) / len(known) if known else None


def times(name: str, one: Request) -> list[float]:
    """Return the samples that one good answer gives of a time."""
    outcome = one.outcome
    if name == "latency":
        return [one.done - one.intended]
    if name == "service":
        return [] if outcome.sent is None else [one.done - outcome.sent]
    if name == "ttft":
        return [] if outcome.first_token is None else [outcome.first_token - one.intended]
    if name == "itl":
        return outcome.gaps
    tokens = outcome.tokens_out or 0
    return [sum(outcome.gaps) / (tokens - 1)] if outcome.gaps and tokens > 1 else []


def judge(sample: Sample, bounds: Mapping[str, float]) -> tuple[list[Judged], list[str]]:
    """Hold a probe against the objectives; returns each, and what broke (nothing: the probe passed)."""
    found = [_judge(sample, name, bounds[name]) for name in judged(bounds)]
    broke = [one.name for one in found if not one.met]
    if sample.failed_share > FAILED_SHARE and "error_rate" not in bounds:
        broke.append("errors")
    if not kept_up(sample):
        broke.append("keeping_up")
    if client_bound(sample):
        broke.append("client")
    return found, broke


def _judge(sample: Sample, name: str, bound: float) -> Judged:
    what = parse(name)
    if what is None:
        raise ValueError(f"no objective {name!r} is known")
    value, reason = _value(sample, what)
    met = value is not None and (value <= bound if what.upper else value >= bound)
    return Judged(name=name, bound=bound, value=value, unit=what.unit, upper=what.upper, met=met, reason=reason)


def _value(sample: Sample, what: Bounded) -> tuple[float | None, str]:
    if what.p is not None:
        samples, enough = sample.times(what.figure), needed(what.p)
        if len(samples) < enough:
            return None, f"{len(samples)} samples are too few, {enough} are needed"
        return nearest_rank(np.sort(samples), what.p), ""
    if what.figure == "error_rate":
        return (sample.failed_share, "") if sample.mine else (None, "no request was intended")
    if what.neighbours is not None and sample.k is not None and str(what.neighbours) != str(sample.k):
        return None, f"the load asked for {sample.k} neighbours"
    return sample.recall, "" if sample.recall is not None else "nothing was measured for it"


def kept_up(sample: Sample) -> bool:
    """See that answers come as fast as requests: the backlog does not grow, over the probe or its second half.

    It may grow by 5 % of what came in meanwhile (the rate achieved is then 95 % of that offered), and by its own noise,
    as in the verdict's rule.
    """
    every = (*sample.others, *sample.mine)
    starts, ends = np.array([one.intended for one in every]), np.array([one.done for one in every])
    intended = np.array([one.intended for one in sample.mine])
    after = open_at(starts, ends, sample.end)
    for since in (sample.begin, (sample.begin + sample.end) / 2):
        before, came = open_at(starts, ends, since), int((intended >= since).sum())
        if after - before > max(KEPT_UP_SHARE * came, noise(before + after)):
            return False
    return True


def client_bound(sample: Sample) -> bool:
    """Tell whether the load itself was too slow, by the bounds at which the verdict would call it INVALID."""
    if sample.cpu > CPU_SHARE:
        return True
    lag = np.array([one.outcome.sent - one.intended for one in sample.mine if one.outcome.sent is not None])
    tokens = sample.times("ttft")
    yardstick = tokens if len(tokens) else sample.times("latency")
    if not len(lag) or not len(yardstick):
        return False
    median = nearest_rank(np.sort(yardstick), 0.5)
    late = lower_bound(lag, 0.5) > max(_LAG_SHARE * median, _LAG_SECONDS)
    return late or lower_bound(lag, 0.99) > max(_LAG_SHARE_P99 * median, _LAG_SECONDS_P99)


def good_requests(sample: Sample, bounds: Mapping[str, float]) -> int:
    """Count the requests that by themselves meet every bound: the goodput, by the second.

    A time's bound is that of its highest percentile; the gaps of one answer must meet theirs at that percentile.
    """
    limits: dict[str, tuple[float, float]] = {}
    least = 0.0
    for name in judged(bounds):
        what = parse(name)
        if what is not None and what.p is not None:
            limits[what.figure] = max(limits.get(what.figure, (0.0, 0.0)), (what.p, bounds[name]))
        elif what is not None and what.figure == "recall":
            least = max(least, bounds[name])
    return sum(_good(one, limits, least) for one in sample.good)


def _good(one: Request, limits: Mapping[str, tuple[float, float]], least: float) -> bool:
    if one.outcome.recall is not None and one.outcome.recall < least:
        return False
    for name, (p, bound) in limits.items():
        samples = np.sort(np.array(times(name, one), dtype=np.float64))
        if len(samples) and nearest_rank(samples, p) > bound:
            return False
    return True
