"""The looks into Prometheus, in a thread of their own: a Prometheus that hangs or is dead never holds up the view."""

import threading
import time

from dashcam.view.facts import Numbers
from dashcam.view.measures import Measures, Observer
from prometheus.client import PrometheusError

EVERY = 1.0
"""Seconds between two looks."""
_SLOWEST = 8.0
"""Seconds between looks at a Prometheus that does not answer."""
STALE = 4.0
"""Seconds for which the last answer is shown while the next one does not come."""


class Poller:
    """Looks once a second and keeps the last answer, and what the load's lines were before the first."""

    def __init__(self, observer: Observer) -> None:
        self._observer = observer
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._measures: Measures | None = None
        self._answered = time.monotonic()
        self._trouble = ""
        self._past: dict[str, Numbers] = {}
        self._thread = threading.Thread(target=self._run, name="view-poller", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ask for no more. Does not wait: an answer that never comes must not hold up the end."""
        self._stop.set()

    def latest(self) -> tuple[Measures | None, str]:
        """Return the last answer, and what is wrong; no answer where the last one is too old."""
        with self._lock:
            age = time.monotonic() - self._answered
            if age <= STALE:
                return self._measures, ""
            reason = self._trouble or "it hangs"
            return None, f"Prometheus has not answered for {age:.0f} s ({reason}): the load's own figures"

    def past(self) -> dict[str, Numbers]:
        """Return the lines as they were before the first look, once."""
        with self._lock:
            past, self._past = self._past, {}
            return past

    def _run(self) -> None:
        wait, begun = EVERY, False
        while not self._stop.is_set():
            start = time.monotonic()
            try:
                measures = self._observer.look()
                past = {} if begun else self._observer.past()
                begun, wait = True, EVERY
                with self._lock:
                    self._measures, self._answered, self._trouble = measures, time.monotonic(), ""
                    self._past = past or self._past
            except PrometheusError as error:
                wait = min(_SLOWEST, 2 * wait)
                with self._lock:
                    self._trouble = short(str(error))
            self._stop.wait(max(0.0, wait - (time.monotonic() - start)))


def short(text: str) -> str:
    """Say a connection error in a few words: requests' own texts are three lines long."""
    for word, short in (
        ("refuses our password", "another one holds its port"),
        ("Connection refused", "connection refused"),
        ("imed out", "timed out"),
        ("PermissionError", "its password file cannot be read by you"),
        ("FileNotFoundError", "its password file is gone"),
    ):
        if word in text:
            return short
    return text.splitlines()[0][:120]
