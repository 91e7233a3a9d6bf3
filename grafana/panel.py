"""A panel as its builder leaves it: without its place."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from grafana.needs import ANY, Needs

_CALCS = {"mean": "mean", "max": "highest", "min": "lowest"}


@dataclass(frozen=True)
class Panel:
    """A panel without its place: `json` as Grafana takes it, size in units of the 24-column grid."""

    json: Mapping[str, Any]
    width: int
    height: int
    needs: Needs = ANY
    whole: str | None = None
    """The calculation by which a panel of one figure tells of a whole run, where its last value says little of it."""
    everywhere: bool = False
    """Whether that is of all of the run, and not of its measured phases."""

    @property
    def title(self) -> str:
        """Its heading."""
        return str(self.json["title"])

    def of_all(self, unmeasured: Sequence[str]) -> Mapping[str, Any]:
        """Return the panel as it is to tell of the time that is shown; the title says by which figure.

        It is asked for the phases that are not `unmeasured`, so that its figure is that of the verdict's headline.
        """
        if self.whole is None:
            return self.json
        options = self.json["options"]
        reduced = {**options, "reduceOptions": {**options["reduceOptions"], "calcs": [self.whole]}}
        made = {**self.json, "title": f"{self.title} ({_CALCS[self.whole]})", "options": reduced}
        if self.everywhere:
            return made
        measured = f'max(run_phase{{run_id=~"$run",phase!~"{"|".join(unmeasured)}"}}) == 1'
        targets = [{**each, "expr": f"({each['expr']}) and on () ({measured})"} for each in self.json["targets"]]
        return {**made, "targets": targets, "description": f"{self.json['description']} Of the measured phases."}
