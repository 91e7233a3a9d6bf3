"""The continuous copy of a run's series into its directory, beside everything else that a supervisor does."""

import threading
from pathlib import Path

from jobs.journal import Journal, say
from prometheus.shipping import Shipment

_LEAST, _MOST = 1.0, 5.0
"""Seconds between rounds: the scrape interval within these bounds. What a round costs is a few stats and one fsync."""


def every(interval: float) -> float:
    """Return the seconds between rounds of a run that scrapes each `interval` seconds."""
    return min(_MOST, max(_LEAST, interval))


class Copier:
    """Copies what Prometheus has logged each few seconds, so that a node may vanish with all that is on its disk."""

    def __init__(self, journal: Journal, data: Path, interval: float) -> None:
        self._journal = journal
        self._shipment = Shipment(data, journal.run.series_copy)
        self._every = every(interval)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._go_on, name="copier", daemon=True)

    def start(self) -> None:
        """Begin; Prometheus may still be starting."""
        self._journal.run.series_copy.mkdir(mode=0o700, exist_ok=True)
        self._thread.start()

    def finish(self) -> bool:
        """Copy what is missing and end; tells whether the copy is whole.

        What cannot be copied is noted: the run has its Prometheus yet.
        """
        self._over.set()
        if not self._thread.is_alive():  # never begun, or ended by a failure
            return False
        self._thread.join()
        return self._round()

    def _go_on(self) -> None:
        while not self._over.wait(self._every):
            if not self._round():
                return

    def _round(self) -> bool:
        try:
            self._shipment.ship()
        except OSError as error:
            text = f"the series could not be copied to {self._shipment.target} ({error.strerror})"
            try:
                self._journal.note(f"{text}: they live on the node's disk only until the end")
            except OSError:
                say(text)
            return False
        return True
