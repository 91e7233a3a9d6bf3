"""`dashcam replay`: recordings, open in Prometheus, and in Grafana where there is one."""

import argparse
import contextlib
import signal
import sys
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dashcam import arguments
from grafana.provisioning import Source
from grafana.server import GrafanaError
from jobs import reopened
from jobs.reopened import Beside
from prometheus import replay, snapshot, together
from prometheus.client import PrometheusError
from prometheus.replay import Replay
from prometheus.together import Spell
from runs import runid, seal
from runs.directory import RunDirectory
from runs.manifest import Manifest
from runs.seal import SealError

HELP = "open recordings in Prometheus (and Grafana where there is one), on a copy, several side by side, until Ctrl-C"


def add(parser: argparse.ArgumentParser) -> None:
    """See `dashcam.commands.Command`."""
    parser.add_argument("runs", metavar="RUN", nargs="+", help="an id, a unique prefix, a path, or `last`")
    arguments.add_root(parser)
    parser.add_argument("--port", type=_port, metavar="N", help="port of Prometheus here (default: a free one)")
    arguments.add_json(parser)


def execute(options: argparse.Namespace) -> int:
    """See `dashcam.commands.Command`."""
    runs = list(dict.fromkeys(RunDirectory(runid.find(options.root, reference)) for reference in options.runs))
    spells = [_spell(run) for run in runs]
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # a Ctrl-C waits for the wait below, and the clean-up
        signal.signal(number, lambda _number, _frame: stop.set())
    with (
        tempfile.TemporaryDirectory(prefix="dashcam-replay-") as scratch,
        replay.open_blocks([run.tsdb for run in runs], Path(scratch), options.port) as opened,
        contextlib.ExitStack() as stack,
    ):
        facts = _facts(opened, spells)
        grafana, why = _grafana(stack, opened, runs, spells, Path(scratch))
        if grafana is not None:
            facts["grafana"] = {
                "url": grafana.url,
                "user": grafana.user,
                "password_file": str(grafana.password_file),
                "dashboards": [f"{grafana.url}/d/{uid}" for uid in grafana.dashboards],
            }
        if options.json:
            arguments.print_json(facts)
        else:
            print(_words(facts, spells, why))
        sys.stdout.flush()
        while not stop.wait(0.5):
            if opened.process.poll() is not None:
                raise PrometheusError(f"the replay's Prometheus ended with {opened.process.returncode}")
    return 0


def _spell(run: RunDirectory) -> Spell:
    """Say when a run was; refuse what cannot be shown as it was sealed. Raises SealError, PrometheusError."""
    found = seal.verify(run)
    damaged = [name for name in (*found.changed, *found.missing, *found.added) if name.startswith("tsdb/")]
    if damaged:
        raise SealError(
            f"{run.path} is not as it was sealed ({', '.join(damaged[:3])}): its series prove nothing; "
            "`dashcam verify` tells all that differs"
        )
    blocks = snapshot.blocks(run.tsdb)
    if not blocks:
        raise PrometheusError(f"{run.id} holds no series: the run ended before the first scrape")
    start, end = min(block.start for block in blocks), max(block.end for block in blocks)
    manifest = Manifest.load(run.manifest)
    begin = manifest.phases[0].started.timestamp() if manifest.phases else start
    return Spell(run.id, start, end, begin, float(manifest.recipe.get("watch", {}).get("interval", 1.0)))


def _grafana(
    stack: contextlib.ExitStack, opened: Replay, runs: Sequence[RunDirectory], spells: Sequence[Spell], scratch: Path
) -> tuple[Beside | None, str]:
    """Start a Grafana beside it, where there is one; else say why there is none. It is a bonus, never an error."""
    interval = max(spell.interval for spell in spells)
    span = (min(spell.start for spell in spells), max(spell.end for spell in spells))
    try:
        source = Source(opened.url, opened.user, opened.password_file, interval, opened.client.version())
        found = stack.enter_context(reopened.beside(source, [run.dashboards for run in runs], span, scratch))
    except (GrafanaError, OSError, ValueError) as error:
        return None, f"without Grafana: {error}"
    return found, "" if found else "without Grafana: none on PATH, and GRAFANA_HOME is not set"


def _facts(opened: Replay, spells: Sequence[Spell]) -> dict[str, Any]:
    start, end = together.window(spells)
    return {
        "url": f"{opened.url}/graph?{together.view(spells)}",
        "api": opened.url,
        "user": opened.user,
        "password_file": str(opened.password_file),
        "start": start,
        "end": end,
        "runs": [
            {
                "id": spell.id,
                "start": spell.start,
                "end": spell.end,
                "begin": spell.begin,
                "offset_seconds": together.offset(spell, spells[0]) / 1000,
            }
            for spell in spells
        ],
    }


def _words(facts: dict[str, Any], spells: Sequence[Spell], why: str) -> str:
    lines = [facts["url"], f"  user {facts['user']}, password in {facts['password_file']}; Ctrl-C ends it"]
    if len(spells) > 1:
        lines.append(f"  laid over {spells[0].id}, from the begin of the load on:")
        lines += [
            f'    {{run_id="{spell.id}"}}{together.modifier(spell, spells[0])}'  # as it is written in a query
            for spell in spells
        ]
    if grafana := facts.get("grafana"):
        lines += [f"Grafana: {grafana['url']}", f"  user {grafana['user']}, password in {grafana['password_file']}"]
    elif why:
        lines.append(why)
    return "\n".join(lines)


def _port(text: str) -> int:
    number = int(text) if text.isdecimal() else 0
    if not 0 < number < 65536:
        raise argparse.ArgumentTypeError(f"{text!r} is no port: 1 to 65535")
    return number
