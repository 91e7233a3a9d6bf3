"""The end of a run, however it came: last scrape, snapshot, stop, records, report, seal.

Each step is tried whatever became of the one before: what can be saved is saved, and what could not be is said.
"""

import contextlib
import shutil
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from jobs import identity
from jobs.journal import Journal, say
from loadtests import progress, records
from prometheus import snapshot
from prometheus.client import Client
from reports import build
from runs import atomic, seal
from runs.manifest import PhaseSpan, now
from runs.recipe import Recipe


class Ending:
    """Carries one run from its last request to its seal."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._run = journal.run
        self.problems: list[str] = []

    def save_series(self, client: Client | None, data: Path, scratch: Path) -> None:
        """Put the run's blocks under tsdb/: from the living Prometheus, or from what a dead one left in `data`.

        Where neither can be had, from the continuous copy of it.
        """
        with self.step("the snapshot", "snapshot"):
            if client is not None:
                with self.step("the snapshot of the running Prometheus"):
                    snapshot.take(client, data, self._run)
                    return
            if data.is_dir():
                with self.step("the snapshot of what Prometheus left"):
                    snapshot.collect_dead(data, self._run, scratch)
                    return
            for kept in (self._run.series_copy, self._run.series_log):
                if kept.is_dir():
                    snapshot.collect_dead(kept, self._run, scratch)
                    return

    def defer(self, left: float) -> None:
        """Leave blocks, verdict and report to who looks at the recording first: there are `left` seconds for the rest.

        The series are kept as Prometheus logged them; the copy must be whole.
        """
        self._journal.manifest.unfinished = True
        self._journal.note(
            f"ended in haste: {left:.0f} s were left, less than the snapshot and the report take; tsdb.wal/ holds the "
            "series as Prometheus logged them, until `dashcam recover` (or list, status, report) makes blocks of them"
        )

    def save_records(self) -> None:
        """Close the records and take the load's phases over into the manifest."""
        with self.step("the records"):
            records.finish(self._run.load)
        with self.step("the load's progress"):
            last = progress.read(self._run.load)
            if last is not None:
                self._journal.set(phases=[self._span(span) for span in last.phases])
        with self.step("the time of the first request"):
            phases = self._journal.manifest.phases
            first = records.first_sent(self._run.load) or (phases[0].started if phases else None)
            if first is not None:
                waited = (first - self._journal.manifest.created).total_seconds()
                self._journal.manifest.timings["submit_to_first_request"] = round(waited, 3)

    def _span(self, span: progress.Span) -> PhaseSpan:
        """Take a phase over; one that a dead load left open ended with the load."""
        ends = [process.ended for process in self._journal.manifest.processes if process.role == "load"]
        over = next((end for end in ends if end is not None), now())
        fields = span.model_dump(include=set(PhaseSpan.model_fields))
        return PhaseSpan(**{**fields, "ended": max(span.started, min(span.ended, over))})

    def _dashboards(self) -> None:
        """Have the dashboards show the whole run: from the first scrape to the last."""
        blocks, manifest = snapshot.blocks(self._run.tsdb), self._journal.manifest
        if blocks:
            first, last = min(block.start for block in blocks), max(block.end for block in blocks)
            span = datetime.fromtimestamp(first, UTC), datetime.fromtimestamp(last, UTC)
        else:
            span = manifest.created, manifest.ended or now()
        from grafana import archive  # noqa: PLC0415 - grafanalib, which most commands do not need

        archive.write(self._run.dashboards, self._run.id, Recipe.model_validate(manifest.recipe), span)

    def kill_leftovers(self) -> None:
        """End what still carries the run's id on this node: children that left their program's group."""
        with self.step("the clean-up of processes"):
            names = ", ".join(f"{name} ({pid})" for pid, name in identity.kill_tagged(self._run.id))
            if names:
                self.problems.append(f"still running: {names}")

    def seal(self, scratch: Path, begun: float | None = None) -> None:
        """Judge, render, remove what is not part of the recording, seal. `begun`: monotonic time of the load's end.

        Where the run directory cannot be written at all, all stays as it is for `dashcam recover`.
        """
        known = len(self.problems)
        with self.step("the record of the end"):
            self._journal.set(ended=self._journal.manifest.ended or now(), state="ended")
        if len(self.problems) > known:
            return
        with self.step("the dashboards"):
            self._dashboards()
        if not self._journal.manifest.unfinished:
            with self.step("the report"):
                self._journal.set(verdict=build.build(self._run, scratch))
        with self.step("the series that could not be made into blocks"):
            self._keep_copy()
        with self.step("the clean-up of scratch files"):
            shutil.rmtree(scratch, ignore_errors=True)
            shutil.rmtree(self._run.live, ignore_errors=True)
        with self.step("the last record"):
            self._journal.set(endpoints={}, scratch="")
        with self.step("the seal"):
            self._close_slurm_log()
            seal.seal(self._run, lambda: self._stamp(begun))

    def _stamp(self, begun: float | None) -> None:
        """Have the recording tell how long its end took: all but the last few hundred kilobytes of it are sealed."""
        if begun is not None:
            took = round(time.monotonic() - begun, 3)
            self._journal.update(lambda manifest: manifest.timings.update(load_end_to_sealed=took))
            build.stamp(self._run, "load_end_to_sealed", took)

    def _close_slurm_log(self) -> None:
        """Put a copy in place of the log that Slurm has open: what it adds after the seal would break it."""
        log = self._run.logs / "slurm.log"
        if log.is_file():
            atomic.write(log, log.read_bytes())

    def _keep_copy(self) -> None:
        """Keep the continuous copy where no block was made of it: what was recorded is not thrown away."""
        copy, kept = self._run.series_copy, self._run.series_log
        if any(self._run.tsdb.glob("*/meta.json")):
            shutil.rmtree(kept, ignore_errors=True)
        elif copy.is_dir() and any(copy.rglob("0*")):
            copy.rename(kept)
            if not self._journal.manifest.unfinished:
                self._journal.note("tsdb.wal/ holds the series as Prometheus logged them: no block could be made of it")

    @contextlib.contextmanager
    def step(self, what: str, timing: str | None = None) -> Iterator[None]:
        """Try a part of the end; when it fails that is kept in `problems` and in the notes, and the end goes on.

        How long it took, in seconds, is kept in the manifest's timings under the name `timing`.
        """
        begin = time.monotonic()
        try:
            yield
        except Exception as error:  # noqa: BLE001 - whatever failed, the steps after it are still worth doing
            text = f"{what} failed: {type(error).__name__}: {error}"
            self.problems.append(text)
            say(text)
            with contextlib.suppress(OSError):
                self._journal.note(text)
        if timing is not None:
            self._journal.manifest.timings[timing] = round(time.monotonic() - begin, 3)
