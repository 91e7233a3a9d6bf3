"""The programs of a run, from start to gone."""

import os
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from jobs import identity
from jobs.allocations.base import Allocation, Handle
from jobs.journal import Journal
from jobs.program import Program, StartError
from reports.words import ended_with
from runs.manifest import now

POLL_SECONDS = 0.05


class StoppedEarly(Exception):  # noqa: N818 - not an error: somebody asked for it
    """The run was asked to end while programs were still starting."""


_PAUSE = 0.2
"""Seconds after which one that waits for another looks whether the run is to stop."""


@dataclass
class Member:
    """A program with its handle."""

    program: Program
    handle: Handle
    reported: bool = field(default=False)


def log_tail(path: Path, lines: int = 8) -> str:
    """Return the last lines of a log, indented, for an error message."""
    try:
        with path.open("rb") as stream:
            stream.seek(max(0, path.stat().st_size - 8192))
            text = stream.read().decode(errors="replace")
    except OSError:
        return ""
    return "".join(f"\n    | {line[:300]}" for line in text.splitlines()[-lines:])


class Crew:
    """Starts the programs of a run, watches them, and stops what it started."""

    def __init__(self, journal: Journal, allocation: Allocation, stopping: threading.Event) -> None:
        self._journal = journal
        self._allocation = allocation
        self._stopping = stopping
        self._members: dict[str, Member] = {}
        self._starting: set[str] = set()
        self._changed = threading.Condition()
        """Guards both: nothing starts after `stop` has looked, and nothing waits for another's start."""

    def bring_up(self, programs: Sequence[Program]) -> None:
        """Start all at once and wait until each is ready. Raises StartError (the first failure) or StoppedEarly."""
        with ThreadPoolExecutor(max_workers=max(1, len(programs)), thread_name_prefix="start") as pool:
            ready = {program.name: threading.Event() for program in programs}
            futures = [pool.submit(self._bring_up, program, ready) for program in programs]
            errors = [error for future in futures if (error := future.exception()) is not None]
        # One failure makes the others stop early: the failure is what a person must read.
        for error in sorted(errors, key=lambda error: isinstance(error, StoppedEarly)):
            raise error

    def _bring_up(self, program: Program, ready: Mapping[str, threading.Event]) -> None:
        try:
            if program.after is not None:
                self._wait_for(ready[program.after])
            self._prepare(program)
            member = self._start(program)
            self._wait_ready(member)
            ready[program.name].set()
        except StartError as error:
            if not program.bonus:
                self._stopping.set()
                raise
            self.stop([program.name])
            self._journal.note(f"{error}; the run goes on without it")
        except BaseException:
            self._stopping.set()
            raise

    def _wait_for(self, ready: threading.Event) -> None:
        while not ready.wait(_PAUSE):
            if self._stopping.is_set():
                raise StoppedEarly

    def _prepare(self, program: Program) -> None:
        log = self._log(program)
        for argv in program.prepare:
            if self._stopping.is_set():
                raise StoppedEarly
            code = self._allocation.call(program.node, argv, self._environment(program), log, program.ready_within)
            if code != 0:
                raise StartError(f"{program.name}: its preparation ended with code {code}{log_tail(log)}")

    def _start(self, program: Program) -> Member:
        with self._changed:
            if self._stopping.is_set():
                raise StoppedEarly
            self._starting.add(program.name)
        try:
            handle = self._allocation.start(program, self._environment(program), self._log(program))
            handle.record.log = self._log(program).relative_to(self._journal.run.path).as_posix()
            member = self._members[program.name] = Member(program, handle)
        finally:
            with self._changed:
                self._starting.discard(program.name)
                self._changed.notify_all()
        self._journal.update(lambda manifest: manifest.processes.append(handle.record))
        return member

    def _wait_ready(self, member: Member) -> None:
        program, log = member.program, self._log(member.program)
        deadline = time.monotonic() + program.ready_within
        while program.probe is not None:
            reason = program.probe.check()
            # Asked after the answer: a child that died cannot be the one that answered.
            if (code := member.handle.poll()) is not None:
                member.reported = True
                raise StartError(f"{program.name} ended with {ended_with(code)} before it was ready{log_tail(log)}")
            if reason is None:
                break
            if self._stopping.is_set():
                raise StoppedEarly
            if time.monotonic() > deadline:
                raise StartError(
                    f"{program.name} was not ready within {program.ready_within:.0f} s: {reason}{log_tail(log)}"
                )
            time.sleep(POLL_SECONDS)
        self._journal.update(lambda _: setattr(member.handle.record, "ready", now()))

    def _environment(self, program: Program) -> Mapping[str, str]:
        tags = {identity.RUN_VARIABLE: self._journal.run.id, identity.PROCESS_VARIABLE: program.name}
        inherited = {name: value for name, value in os.environ.items() if name not in program.without}
        return {**inherited, **program.env, **tags}

    def _log(self, program: Program) -> Path:
        return self._journal.run.logs / f"{program.name}.log"

    def running(self, name: str) -> bool:
        """Tell whether the program of that name was started and still runs."""
        member = self._members.get(name)
        return member is not None and member.handle.poll() is None

    def died(self) -> Iterator[tuple[Program, str]]:
        """Yield each program that ended by itself since the last call, with how."""
        for member in list(self._members.values()):
            code = member.handle.poll()
            if code is not None and not member.reported:
                member.reported = True
                self._record_end(member, code)
                yield member.program, ended_with(code)

    def stop(self, names: Sequence[str] | None = None) -> None:
        """Stop programs (all, or those named) at once and wait until they are gone."""
        with self._changed:
            self._changed.wait_for(
                lambda: not (self._starting if names is None else self._starting.intersection(names))
            )
            members = [m for m in self._members.values() if names is None or m.program.name in names]
        with ThreadPoolExecutor(max_workers=max(1, len(members)), thread_name_prefix="stop") as pool:
            list(pool.map(self._stop, members))

    def _stop(self, member: Member) -> None:
        by_us = member.handle.poll() is None
        member.reported = True
        code = member.handle.stop()
        if by_us:
            member.handle.record.stopped_by_us = True
        self._record_end(member, code)

    def _record_end(self, member: Member, code: int | None) -> None:
        record = member.handle.record
        if record.ended is None:
            record.ended, record.exit_code = now(), code
