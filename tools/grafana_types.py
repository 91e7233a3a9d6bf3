#!/usr/bin/env python3
"""Hold the options of all panels against the types of a newer Grafana: @grafana/schema, by tsc. Needs npm.

  tools/grafana_types.py [--release 13.2.3] [--modules DIR]

The tests hold dashboards against the models of 11.6, which come from PyPI; this asks the newest that npm has, by hand.
DIR keeps the packages between two calls. Exit code 1: tsc found something, and says in which panel.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from grafana.board import View
from grafana.dashboards import boards

TYPES = {
    "timeseries": ("timeseries", "TimeSeries"),
    "stat": ("stat", "Stat"),
    "gauge": ("gauge", "Gauge"),
    "bargauge": ("bargauge", "BarGauge"),
    "heatmap": ("heatmap", "Heatmap"),
    "table": ("table", "Table"),
    "state-timeline": ("statetimeline", "StateTimeline"),
    "text": ("text", "Text"),
}
"""Panel types: folder and name of their options in @grafana/schema."""
FIELDS = frozenset({"timeseries", "heatmap", "state-timeline"})
"""Those whose fields have options of their own (`custom`)."""
WIDER = """\
// An enum of strings takes no plain string: each becomes the union of its words.
type Wide<T> = T extends string ? `${T}` : T extends (infer U)[] ? Wide<U>[]
  : T extends object ? {[K in keyof T]: Wide<T[K]>} : T;
"""


def source() -> str:
    """Return the panels' options as TypeScript."""
    lines = []
    for kind, (folder, name) in TYPES.items():
        path = f"@grafana/schema/dist/esm/raw/composable/{folder}/panelcfg/x/{name}PanelCfg_types.gen"
        alias = kind.replace("-", "")
        fields = f", FieldConfig as {alias}Field" if kind in FIELDS else ""
        lines.append(f"import type {{ Options as {alias}Options{fields} }} from '{path}';")
    return "\n".join([*lines, WIDER, *_constants(), ""])


def _constants() -> Iterator[str]:
    number = 0
    for board in boards():
        for panel in board.json(View())["panels"]:
            kind = panel["type"]
            if kind == "row":
                continue
            alias, number = kind.replace("-", ""), number + 1
            yield f"// {board.name}: {panel['title']}"
            yield f"export const o{number}: Wide<{alias}Options> = {json.dumps(panel['options'])};"
            if kind in FIELDS:
                custom = panel["fieldConfig"]["defaults"]["custom"]
                yield f"export const f{number}: Wide<{alias}Field> = {json.dumps(custom)};"


def main() -> int:
    """Write, install, ask tsc."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--release", default="13.2.3", help="of @grafana/schema")
    parser.add_argument("--modules", type=Path, metavar="DIR", help="keep the npm packages there")
    options = parser.parse_args()
    if shutil.which("npm") is None:
        print("no program npm on PATH", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as scratch:
        home = options.modules or Path(scratch)
        home.mkdir(parents=True, exist_ok=True)
        packages = (f"@grafana/schema@{options.release}", "typescript@5")
        install = ["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", "--silent", *packages]
        subprocess.run(install, cwd=home, check=True)
        (home / "panels.ts").write_text(source())
        flags = ("--noEmit", "--strict", "--skipLibCheck", "--module", "nodenext", "--moduleResolution", "nodenext")
        done = subprocess.run([home / "node_modules" / ".bin" / "tsc", *flags, "panels.ts"], cwd=home, check=False)
    print("tsc found nothing" if done.returncode == 0 else "tsc found what is above")
    return 1 if done.returncode else 0


if __name__ == "__main__":
    sys.exit(main())
