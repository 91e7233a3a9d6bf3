#!/usr/bin/env python3
"""Make grafana/metrics.yaml anew: which metrics of our dashboards were seen, and where.

  tools/known_metrics.py RECORDING... --page 'vLLM 0.32.0 (CPU)=vllm.prom' --page ...

RECORDING is a sealed run; a page is a saved answer of /metrics. What neither holds is kept where it stood under
`unseen`, with its reason; what is nowhere is named, and the exit code is 1. A metric that an earlier call found stays
found: not everybody has every recording at hand.
"""

import argparse
import re
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from grafana import check, promql  # noqa: E402 - run from a checkout, which is not installed
from grafana.board import View  # noqa: E402
from grafana.dashboards import boards  # noqa: E402
from prometheus import replay, snapshot  # noqa: E402
from runs.directory import RunDirectory  # noqa: E402
from runs.manifest import Manifest  # noqa: E402

TABLE = ROOT / "grafana" / "metrics.yaml"
HEAD = """\
# Metrics that our dashboards ask for, and where each was seen. Made by tools/known_metrics.py; by hand: `unseen` only.
# recorded: in the recording of a real run of that recipe. captured: on a page of the real program, or of our exporter
# over a capture of it. unseen: why it was not.
"""
_SAMPLE = re.compile(r"^([a-zA-Z_:][\w:]*)", re.MULTILINE)
_HOWS = ("recorded", "captured", "unseen")

Table = Mapping[str, tuple[str, str]]


def needed() -> frozenset[str]:
    """Return the metrics that the dashboards ask for."""
    made = [board.json(View()) for board in boards()]
    return frozenset().union(*(promql.metrics(expr) for one in made for _title, expr in check.expressions(one)))


def recorded(path: Path) -> tuple[str, frozenset[str]]:
    """Return a recording's recipe and the names of its metrics."""
    run = RunDirectory(path)
    blocks = snapshot.blocks(run.tsdb)
    if not blocks:
        sys.exit(f"{path} holds no series: name a run that has ended")
    start, end = min(block.start for block in blocks), max(block.end for block in blocks)
    with (
        tempfile.TemporaryDirectory() as scratch,
        replay.open_blocks(run.tsdb, Path(scratch)) as opened,
    ):
        names = frozenset(opened.client.label_values("__name__", start, end))
    return str(Manifest.load(run.manifest).recipe["name"]), names


def before() -> dict[str, tuple[str, str]]:
    """Return the table as it is."""
    table = yaml.safe_load(TABLE.read_text()) or {} if TABLE.is_file() else {}
    return {
        name: (how, where) for how, places in table.items() for where, names in (places or {}).items() for name in names
    }


def render(found: Table) -> str:
    """Return the table as YAML."""
    table: dict[str, dict[str, list[str]]] = {how: {} for how in _HOWS}
    for name, (how, where) in sorted(found.items()):
        table[how].setdefault(where, []).append(name)
    ordered = {how: dict(sorted(places.items())) for how, places in table.items()}
    return HEAD + yaml.safe_dump(ordered, sort_keys=False, width=120, allow_unicode=True)


def main() -> int:
    """Make the table; 1 where a metric is nowhere."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recordings", type=Path, nargs="*", metavar="RECORDING")
    parser.add_argument("--page", action="append", default=[], metavar="TITLE=FILE", dest="pages")
    options = parser.parse_args()
    seen: dict[str, tuple[str, str]] = {}
    for page in options.pages:
        title, _equals, path = page.partition("=")
        names = _SAMPLE.findall(Path(path).read_text())
        seen = {**dict.fromkeys(names, ("captured", title)), **seen}
    for path in reversed(options.recordings):  # the first that has a metric is told
        recipe, names = recorded(path.resolve())
        seen.update(dict.fromkeys(names, ("recorded", recipe)))
    rank = {how: place for place, how in enumerate(_HOWS)}
    kept = before()
    found = {}
    for name in needed():
        places = [place for place in (seen.get(name), kept.get(name)) if place is not None]
        if places:
            found[name] = min(places, key=lambda place: rank[place[0]])
    TABLE.write_text(render(found))
    lost = sorted(needed() - found.keys())
    for name in lost:
        print(f"nowhere: {name}", file=sys.stderr)
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main())
