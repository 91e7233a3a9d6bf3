"""Queries of panels, in PromQL with three short words that stand for what every query repeats.

`{RUN}` selects the run that is chosen, `{NODE}` also its nodes (both take more matchers: `{NODE,mode="idle"}`);
`[RATE]` is Grafana's $__rate_interval, which is never less than four scrapes. So no panel can forget them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

RUN = 'run_id=~"$run"'
NODE = f'{RUN},node=~"$node"'
QUANTILES = (0.5, 0.95, 0.99)


@dataclass(frozen=True)
class Query:
    """A PromQL expression and the legend of its series. `instant`: one value, at the end of the time range.

    `color` is fixed for all series of the query; `dashed` marks what is a bound or a wish and no measurement.
    """

    legend: str
    text: str
    color: str | None = None
    dashed: bool = False
    instant: bool = False

    @property
    def expr(self) -> str:
        """The expression as Grafana takes it."""
        return expand(self.text)


def expand(text: str) -> str:
    """Write out the short words."""
    return text.replace("{RUN", f"{{{RUN}").replace("{NODE", f"{{{NODE}").replace("[RATE]", "[$__rate_interval]")


def quantiles(metric: str, colors: Sequence[str], *, by: str = "", more: str = "", where: str = "NODE") -> list[Query]:
    """Return p50, p95 and p99 of a histogram. `by`: labels that stay, `more`: further matchers."""
    labels = f"le, {by}" if by else "le"
    legend = "".join(f" {{{{{label.strip()}}}}}" for label in by.split(",") if by)
    rate = f"sum by ({labels}) (rate({metric}_bucket{{{where}{more}}}[RATE]))"
    return [
        Query(f"p{100 * q:g}{legend}", f"histogram_quantile({q}, {rate})", None if by else color)
        for q, color in zip(QUANTILES, colors, strict=True)
    ]


def ratio(part: str, whole: str) -> str:
    """Return part / whole where there is a whole: 0 / 0 is no share."""
    return f"{part} / ({whole} > 0)"
