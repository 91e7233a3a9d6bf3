"""What a rule group is made of, and the few shapes of PromQL that all groups are written in.

In an expression `$w` stands for the window of a rate, `$q` for that of a slope, `$k` for the labels that are kept, and
`$stale` for the seconds after which a value is old. What cannot be known must be absent: a quotient is guarded by
`> 0` on its divisor, and a quantile of no observation, which is NaN, is dropped by `>= 0`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

KEPT = "run_id, job, node"
"""Labels of each target that every recorded series keeps."""

QUANTILES = (0.5, 0.95, 0.99)

SET_UP = 'and on (run_id) (max by (run_id) (run_phase{phase!="setup"}) == 1)'
"""Once the load may begin: services start before there is a load at all, and what does not answer then is no fault."""

UNDER_LOAD = 'and on (run_id) (max by (run_id) (run_phase{phase!~"setup|drain|done"}) == 1)'


@dataclass(frozen=True)
class Record:
    """A recording rule."""

    name: str
    expr: str
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Alert:
    """An alerting rule: `hold` seconds true until it fires, `unit` as in `reports.words.display`.

    `summary` and `action` (what to do) are Prometheus's templates; of its functions only humanizing ones may be used.
    `worst` tells which values are the bad ones.
    """

    name: str
    expr: str
    hold: float
    severity: Literal["warning", "critical"]
    summary: str
    action: str
    unit: str = ""
    worst: Literal["highest", "lowest"] = "highest"


@dataclass(frozen=True)
class Group:
    """The rules of one source. `service`: its series are a service's, and `job` is to be the service's name.

    A service is not always scraped by itself. `named_by` are a label and what of its value is the service's name: a
    page that the sidecar `page` reads has its name as a label.
    """

    name: str
    records: tuple[Record, ...] = ()
    alerts: tuple[Alert, ...] = ()
    service: bool = False
    named_by: tuple[tuple[str, str], ...] = (("page", "(.+)"),)

    def write(self, expression: str, places: Mapping[str, str]) -> str:
        """Return an expression as Prometheus takes it, with `places` filled in."""
        kept = ", ".join([KEPT, *(label for label, _ in self.named_by if label not in KEPT)]) if self.service else KEPT
        for place, text in {"$k": kept, **places}.items():
            expression = expression.replace(place, text)
        if self.service:
            for label, name in self.named_by:
                expression = f'label_replace({expression}, "job", "$1", "{label}", "{name}")'
            expression = f"max by ({KEPT}) ({expression})"
        return expression


def rate(metric: str, where: str = "", *, by: str = "$k") -> str:
    """Return the sum of a counter's rates."""
    selector = f"{{{where}}}" if where else ""
    return f"sum by ({by}) (rate({metric}{selector}[$w]))"


def ratio(part: str, whole: str) -> str:
    """Return a share; absent where the whole is 0."""
    return f"({part}) / (({whole}) > 0)"


def first(*expressions: str) -> str:
    """Return the first of several names of the same thing that is there: never their sum, since some have two."""
    return " or ".join(f"({text})" for text in expressions) if len(expressions) > 1 else expressions[0]


def directed(name: str, **expressions: str) -> Iterator[Record]:
    """Yield records of one name, each with its `direction`."""
    for direction, expression in expressions.items():
        yield Record(name, expression, {"direction": direction.rstrip("_")})


def times(record: str, *histograms: str, where: str = "", per_second: str = "1", but: str = "") -> Iterator[Record]:
    """Yield the quantiles and the mean, in seconds, of a histogram that goes by one of several names.

    `per_second`: how many of its units make a second. `but` is PromQL that follows the whole.
    """
    scale = (f" / {per_second}" if per_second != "1" else "") + but
    for quantile in QUANTILES:
        each = (f"histogram_quantile({quantile}, {rate(f'{name}_bucket', where, by='$k, le')})" for name in histograms)
        yield Record(f"{record}:p{100 * quantile:g}", f"(({first(*each)}) >= 0){scale}")
    yield Record(f"{record}:mean", f"({mean(*histograms, where=where)}){scale}")


def mean(*histograms: str, where: str = "") -> str:
    """Return the mean of what a histogram observed within the window."""
    return first(*(ratio(rate(f"{each}_sum", where), rate(f"{each}_count", where)) for each in histograms))
