"""How often a clean run is called INVALID: `python -m benchmarks.trials [--service NAME] [--repeats N] ...`.

The capacity of a service is measured first, by a closed loop. Then short runs at shares of it, from the lowest to the
highest and again, each a whole `dashcam run`. Their verdicts are kept in a file of lines, so that a long series may be
done in several goes: `--most 240` ends a go after 240 s.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.figures import show

SHARES = (0.05, 0.10, 0.25, 0.50)
_ROOT = Path(__file__).parents[1]

SERVICES = {
    "standin": f"""\
  app:
    kind: command
    command: "{sys.executable} -P -m tests.jobs.faulty {{port}} {{address}}"
    ready: /ready
    metrics: /metrics
    url: "http://{{address}}:{{port}}/queue,takes=0.01"
""",
    "llamacpp": "  app: {kind: llamacpp, model: tiny, parallel: 2, threads: 1}\n",
}
"""Services as recipes have them: one that works on one request at a time for 10 ms, and a real one."""

RECIPE = """\
name: trial-{service}
watch: {{interval: {interval}, exporters: [node, cgroup, process]}}
services:
{services}
load:
  generator: openai
  prompt_tokens: 16
  max_tokens: 8
  seed: {seed}
  drain: 5s
  phases: {phases}
"""


def run(place: Path, service: str, phases: Sequence[dict[str, object]], seed: int, interval: str) -> dict[str, Any]:
    """Carry out a run; returns its summary. Raises RuntimeError where there is none."""
    place.mkdir(parents=True, exist_ok=True)
    recipe = place / "trial.yaml"
    text = RECIPE.format(
        service=service, services=SERVICES[service], phases=json.dumps(phases), seed=seed, interval=interval
    )
    recipe.write_text(text)
    command = [sys.executable, "-m", "dashcam", "run", str(recipe), "--root", str(place), "--json"]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": str(_ROOT)}
    )
    try:
        summary: dict[str, Any] = json.loads(done.stdout)
    except ValueError as error:
        raise RuntimeError(f"the run gave no summary: {done.stdout[-500:]}{done.stderr[-500:]}") from error
    return summary


def capacity(place: Path, service: str) -> float:
    """Return the answers a second of a closed loop of eight users."""
    phases: list[dict[str, object]] = [
        {"name": "warmup", "for": 1, "users": 8},
        {"name": "steady", "for": 5, "users": 8},
    ]
    return float(run(place, service, phases, 1, "1s")["measured"]["completed_per_second"])


def trial(place: Path, service: str, rate: float, seed: int, options: argparse.Namespace) -> dict[str, Any]:
    """Carry out one clean run at a rate; returns what is kept of it."""
    phases: list[dict[str, object]] = [
        {"name": "warmup", "for": 1, "rate": rate},
        {"name": "steady", "for": options.seconds, "rate": rate},
    ]
    summary = run(place, service, phases, seed, options.interval)
    found = summary["findings"]
    return {
        "valid": summary["valid"],
        "invalid": sorted({one["rule"] for one in found if one["level"] == "invalid"}),
        "warnings": sorted({one["rule"] for one in found if one["level"] == "warning"}),
        "messages": [one["message"] for one in found if one["rule"] != "enough_samples"],
        "rate": rate,
        "seed": seed,
    }


def report(kept: Sequence[dict[str, Any]]) -> None:
    """Print the table: a row for each service and share."""
    rows = []
    for service, share in sorted({(one["service"], one["share"]) for one in kept}):
        mine = [one for one in kept if (one["service"], one["share"]) == (service, share)]
        reasons = Counter(rule for one in mine for rule in one["invalid"])
        reserves = Counter(rule for one in mine for rule in one["warnings"])
        valid = f"{sum(one['valid'] for one in mine)} of {len(mine)}"
        rows.append((service, f"{share:.0%}", f"{mine[0]['rate']:.3g}/s", valid, _counts(reasons), _counts(reserves)))
    show("Clean runs", ("service", "of capacity", "rate", "VALID", "INVALID for", "warnings"), rows)


def _counts(rules: Counter[str]) -> str:
    return ", ".join(f"{rule} {number}" for rule, number in rules.most_common()) or "-"


def main() -> None:
    """Carry out what is still missing, then print the table of all that is kept."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.trials", description=__doc__)
    parser.add_argument("--service", action="append", choices=SERVICES, help="default: all of them")
    parser.add_argument("--repeats", type=int, default=20, help="runs at each share")
    parser.add_argument("--shares", type=float, nargs="+", default=SHARES, help="shares of the capacity")
    parser.add_argument("--seconds", type=float, default=6.0, help="length of the measured phase")
    parser.add_argument("--interval", default="1s", help="scrape interval")
    parser.add_argument("--place", type=Path, default=Path("build/trials"), help="where recordings and trials.jsonl go")
    parser.add_argument("--most", type=float, default=float("inf"), help="seconds after which no run is begun")
    options = parser.parse_args()
    ends = time.monotonic() + options.most
    options.place.mkdir(parents=True, exist_ok=True)
    path = options.place / "trials.jsonl"
    kept = [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []
    for service in options.service or SERVICES:
        mine = [one for one in kept if one["service"] == service]
        can = next((one["capacity"] for one in mine), None)
        for repeat in range(options.repeats):
            for share in options.shares:
                if any((one["share"], one["seed"]) == (share, repeat) for one in mine):
                    continue
                if time.monotonic() > ends:
                    break
                can = can or capacity(options.place, service)
                one = trial(options.place, service, share * can, repeat, options)
                one |= {"service": service, "share": share, "capacity": can}
                kept.append(one)
                with path.open("a") as stream:
                    stream.write(json.dumps(one) + "\n")
    report(kept)


if __name__ == "__main__":
    main()
