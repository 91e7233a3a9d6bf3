"""The requests intended in some phases, and the figures that they give.

Formulas, with the moments of `runs.records`:
latency = done - intended; service = done - sent; lag = sent - intended; ttft = first_token - intended;
itl = each gap between two pieces of content of one answer, all answers pooled (vLLM's ITL, AIPerf's ICL);
tpot = sum of an answer's gaps / (its output tokens - 1), one figure an answer (the others' ITL or TPOT).
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from reports.requests import Requests
from reports.statistics import Flags, Floats, Quantile, mean_in_system, needed, quantile, quantiles
from runs.manifest import PhaseSpan

TIMES = {
    "latency": "latency",
    "service": "service time",
    "ttft": "time to first token",
    "itl": "inter-token gap",
    "tpot": "time per output token",
    "lag": "client lag",
}
"""The times that are told, with their words. Seconds."""
_SPANS = {
    "latency": ("intended", "done"),
    "service": ("sent", "done"),
    "ttft": ("intended", "first_token"),
    "lag": ("intended", "sent"),
}


@dataclass(frozen=True)
class Window:
    """Some phases: the requests intended in them, and all requests of the run for what depends on when they ended."""

    phases: tuple[PhaseSpan, ...]
    requests: Requests
    everything: Requests

    @cached_property
    def seconds(self) -> float:
        """Length of the phases together."""
        return sum(max(0.0, (phase.ended - phase.started).total_seconds()) for phase in self.phases)

    def times(self, name: str) -> Floats:
        """Return the samples of one of TIMES in seconds. All but lag are those of requests that succeeded."""
        return self._times[name]

    @cached_property
    def _times(self) -> dict[str, Floats]:
        found = {"itl": self.requests.good.gaps, "tpot": self._tpot()}
        for name, (first, last) in _SPANS.items():
            values = (self.requests if name == "lag" else self.requests.good).between(first, last)
            found[name] = values[~np.isnan(values)]
        return found

    def _tpot(self) -> Floats:
        answers = self.requests.good
        many = (answers.tokens_out > 1) & (answers.gap_counts > 0)
        return answers.streaming[many] / (answers.tokens_out[many] - 1.0)

    def quantile(self, name: str, p: float) -> Quantile | None:
        """Return a quantile of one of TIMES, or None where there are too few samples."""
        return quantile(self.times(name), p)

    def quantiles(self, name: str, ps: tuple[float, ...]) -> list[Quantile]:
        """Return the quantiles of one of TIMES that there are samples enough for."""
        return quantiles(self.times(name), ps)

    def lacking(self, name: str, p: float) -> int:
        """Return how many samples are missing for a quantile; 0: there are enough."""
        return max(0, needed(p) - len(self.times(name)))

    @property
    def count(self) -> int:
        """Requests intended."""
        return len(self.requests)

    @property
    def succeeded(self) -> int:
        """Requests answered well."""
        return int(self.requests.ok.sum())

    @property
    def failed(self) -> int:
        """Requests that failed, in whatever way."""
        return self.count - self.succeeded

    @property
    def error_ratio(self) -> float | None:
        """Failed of intended."""
        return self.failed / self.count if self.count else None

    def _inside(self, moment: str) -> Flags:
        """Tell which requests of the whole run had that moment inside the phases."""
        at = self.everything.at(moment)
        inside = np.zeros(len(at), dtype=np.bool_)
        for phase in self.phases:
            inside |= (at >= phase.started.timestamp()) & (at < phase.ended.timestamp())
        return inside

    @cached_property
    def completions(self) -> Requests:
        """The requests that succeeded inside the phases, whenever they were intended."""
        return self.everything.select(self._inside("done") & self.everything.ok)

    @property
    def offered_rate(self) -> float | None:
        """Requests intended a second."""
        return self.count / self.seconds if self.seconds else None

    @property
    def sent_rate(self) -> float | None:
        """Requests that left inside the phases, a second."""
        return float(self._inside("sent").sum()) / self.seconds if self.seconds else None

    @property
    def completed_rate(self) -> float | None:
        """Answers a second that were whole inside the phases: the drain after the end does not flatter it."""
        return len(self.completions) / self.seconds if self.seconds else None

    @property
    def in_system(self) -> float | None:
        """Mean number of requests in progress (Little's N), those of other phases included."""
        if not self.seconds:
            return None
        starts, ends = self.everything.at("intended"), self.everything.at("done")
        spans = [(phase.started.timestamp(), phase.ended.timestamp()) for phase in self.phases]
        total = sum(mean_in_system(starts, ends, begin, end) * (end - begin) for begin, end in spans if end > begin)
        return total / self.seconds

    def tokens_rate(self, direction: str) -> float | None:
        """Tokens a second of the answers that ended inside, `in` or `out`, as the server reports them."""
        return self._per_second(self.completions.tokens_out if direction == "out" else self.completions.tokens_in)

    @property
    def received_rate(self) -> float | None:
        """Bytes a second of answers that ended inside."""
        return self._per_second(self.completions.received)

    def _per_second(self, amounts: Floats) -> float | None:
        known = amounts[~np.isnan(amounts)]
        return float(known.sum()) / self.seconds if len(known) and self.seconds else None

    @property
    def recall(self) -> float | None:
        """Mean recall of the answers, 0 to 1."""
        known = self.requests.good.recall[~np.isnan(self.requests.good.recall)]
        return float(known.mean()) if len(known) else None

    @property
    def retries(self) -> int:
        """Requests sent again because the server had closed a kept connection."""
        return int(np.nansum(self.requests.retries))

    @property
    def errors(self) -> dict[str, int]:
        """Failures by kind, most frequent first."""
        return self.requests.error.select(~self.requests.ok).counts("unknown")
