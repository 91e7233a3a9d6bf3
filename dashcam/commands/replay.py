"""`dashcam replay`: a recording, open in Prometheus."""

import argparse
import signal
import sys
import tempfile
import urllib.parse
from datetime import UTC, datetime
from pathlib import Path

from dashcam import arguments
from prometheus import replay, snapshot

HELP = "open a recording in Prometheus (on a copy; the recording stays as it is) until Ctrl-C"


def add(parser: argparse.ArgumentParser) -> None:
    """See `dashcam.commands.Command`."""
    arguments.add_run(parser)
    arguments.add_json(parser)


def execute(options: argparse.Namespace) -> int:
    """See `dashcam.commands.Command`."""
    run = arguments.find_run(options)
    blocks = snapshot.blocks(run.tsdb)
    if not blocks:
        print(f"dashcam: {run.id} holds no series: the run ended before the first scrape", file=sys.stderr)
        return 1
    start, end = min(block.start for block in blocks), max(block.end for block in blocks)
    # Blocked before Prometheus starts, so that a Ctrl-C waits for sigwait and the clean-up below.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    with (
        tempfile.TemporaryDirectory(prefix="dashcam-replay-") as scratch,
        replay.open_blocks(run.tsdb, Path(scratch)) as opened,
    ):
        facts = {
            "url": f"{opened.url}/graph?{_view(start, end)}",
            "api": opened.url,
            "user": opened.user,
            "password_file": str(opened.password_file),
            "start": start,
            "end": end,
        }
        if options.json:
            arguments.print_json(facts)
        else:
            print(f"{facts['url']}\n  user {opened.user}, password in {opened.password_file}; Ctrl-C ends it")
        sys.stdout.flush()
        signal.sigwait({signal.SIGINT, signal.SIGTERM})
    return 0


def _view(start: float, end: float) -> str:
    """Show the whole run: without a time range Prometheus would look at the last hour, where there is nothing."""
    moment = datetime.fromtimestamp(end, UTC).strftime("%Y-%m-%d %H:%M:%S")
    view = {"g0.expr": "run_phase", "g0.tab": "0", "g0.end_input": moment, "g0.range_input": f"{end - start:.0f}s"}
    return urllib.parse.urlencode(view)
