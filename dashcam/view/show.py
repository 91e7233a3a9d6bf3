"""The loop of the view: looks at the run, draws, until it is over."""

import contextlib
import signal
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from types import FrameType
from typing import NoReturn

from rich.console import Console
from rich.live import Live

from dashcam.view import gather, plain
from dashcam.view.facts import Facts, Load, Numbers
from dashcam.view.measures import HISTORY, Observer
from dashcam.view.poller import Poller, short
from dashcam.view.questions import LINES
from dashcam.view.screen import screen
from loadtests import progress
from prometheus.client import Client, PrometheusError
from runs.directory import RunDirectory
from runs.manifest import Manifest, ManifestError, now

PATIENCE = 2.0
"""Seconds that an answer of Prometheus may take."""
_TICK = 0.1
_DRAW = 0.5
"""Seconds between two screens; a change of the window's size is drawn at the next tick."""


def show(
    run: RunDirectory,
    over: Callable[[], bool],
    client: Client | None = None,
    *,
    quiet: bool = False,
    place: Callable[[], str] = str,
) -> None:
    """Show a run until `over()`: a screen on a terminal, lines elsewhere, nothing where `quiet`.

    `client` is asked in place of the run's own address, for a tunnel; it should have a short time-out. `place` gives a
    line for the foot of the screen. KeyboardInterrupt and what the caller's handlers raise pass through, with the
    terminal as it was.
    """
    if quiet:
        while not over():
            time.sleep(_TICK)
        return
    with contextlib.closing(_Look(run, client, place)) as look:
        if sys.stderr.isatty() and not (console := Console(stderr=True)).is_dumb_terminal:
            _screens(look, over, console)
        else:
            _lines(look, over)


def glance(run: RunDirectory) -> Facts:
    """Return what is known of a run at this moment, by one look into its Prometheus. Takes PATIENCE at most twice."""
    with contextlib.closing(_Look(run, None, str)) as look:
        return look.glance()


class _Look:
    """What there is to show of one run, at any moment. Reads run.json again only when it has changed."""

    def __init__(self, run: RunDirectory, client: Client | None, place: Callable[[], str]) -> None:
        self._run, self._client, self._place = run, client, place
        self._manifest: Manifest | None = None
        self._seen = (0, 0)
        self._poller: Poller | None = None
        self._lines: dict[str, deque[float | None]] = {name: deque(maxlen=HISTORY) for name in LINES}
        self._added = 0.0

    def close(self) -> None:
        """Ask for no more."""
        if self._poller is not None:
            self._poller.stop()

    def facts(self) -> Facts:
        """Return what is known now."""
        manifest = self._read()
        if manifest is None:
            return Facts(self._run.id, "has not begun")
        measures, trouble = self._poll(manifest).latest() if self._polled(manifest) else (None, "")
        live = manifest.state in {"starting", "running"}
        found = gather.facts(
            manifest, progress.read(self._run.load), measures if live else None, now(), trouble if live else ""
        )
        return gather.at(found, self._history(found.load), self._place())

    def glance(self) -> Facts:
        """Return what is known now, asking in this thread."""
        manifest = self._read()
        if manifest is None:
            return Facts(self._run.id, "has not begun")
        measures, trouble = None, ""
        if self._polled(manifest) and manifest.state in {"starting", "running"}:
            try:
                measures = self._observer(manifest).look()
            except PrometheusError as error:
                trouble = f"Prometheus does not answer ({short(str(error))}): the load's own figures"
        return gather.facts(manifest, progress.read(self._run.load), measures, now(), trouble)

    def _read(self) -> Manifest | None:
        try:
            about = self._run.manifest.stat()
            if (about.st_mtime_ns, about.st_ino) != self._seen:
                self._manifest = Manifest.load(self._run.manifest)
                self._seen = (about.st_mtime_ns, about.st_ino)
        except (OSError, ManifestError):
            return self._manifest
        return self._manifest

    def _polled(self, manifest: Manifest) -> bool:
        """Tell whether there is a Prometheus to ask: its address is known, and it was started."""
        if self._client is None and "prometheus" not in manifest.endpoints:
            return False
        return any(process.name == "prometheus" and process.ready for process in manifest.processes)

    def _poll(self, manifest: Manifest) -> Poller:
        if self._poller is None:
            self._poller = Poller(self._observer(manifest))
        return self._poller

    def _observer(self, manifest: Manifest) -> Observer:
        client = self._client or Client.of(manifest.endpoints, PATIENCE)
        interval = float(manifest.recipe.get("watch", {}).get("interval", 1.0))
        return Observer(client, len(manifest.nodes), interval)

    def _history(self, load: Load) -> dict[str, Numbers]:
        """Keep a value a second, of whichever source there is."""
        if self._poller is not None and (past := self._poller.past()):
            for name, line in self._lines.items():
                values = past.get(name, ())[: HISTORY - len(line)]
                line.extendleft(reversed(values))
        if time.monotonic() - self._added >= 1.0 and load.done is not None:
            self._added = time.monotonic()
            for name, line in self._lines.items():
                line.append(getattr(load, name))
        return {name: tuple(line) for name, line in self._lines.items()}


def _lines(look: _Look, over: Callable[[], bool]) -> None:
    before: Facts | None = None
    said, last = "", 0.0
    while not over():
        facts = look.facts()
        for line in plain.news(facts, before):
            print(line, file=sys.stderr, flush=True)
        before = facts
        if plain.key(facts) != said or time.monotonic() - last > plain.EVERY:
            print(plain.headline(facts), file=sys.stderr, flush=True)
            said, last = plain.key(facts), time.monotonic()
        time.sleep(2 * _TICK)


def _screens(look: _Look, over: Callable[[], bool], console: Console) -> None:
    drawn, shown = 0.0, (0, 0)
    with _tidy(), Live(console=console, screen=True, auto_refresh=False, redirect_stdout=False) as live:
        while not over():
            size = (console.size.width, console.size.height)
            if size != shown or time.monotonic() - drawn >= _DRAW:
                drawn, shown = time.monotonic(), size
                made = screen(look.facts(), *size, ascii_only=console.options.ascii_only)
                live.update(made, refresh=True)
            time.sleep(_TICK)


@contextlib.contextmanager
def _tidy() -> Iterator[None]:
    """Let SIGTERM and SIGHUP leave by an exception where nobody handles them: the screen must be given back."""
    changed = []

    def leave(number: int, _frame: FrameType | None) -> NoReturn:
        raise SystemExit(128 + number)

    for number in (signal.SIGTERM, signal.SIGHUP):
        with contextlib.suppress(ValueError):  # not the main thread
            if signal.getsignal(number) is signal.SIG_DFL:
                changed.append((number, signal.signal(number, leave)))
    try:
        yield
    finally:
        for number, handler in changed:
            signal.signal(number, handler)
