"""A program of a tool: started in a group of its own, told to end when the load is, never left behind."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

Cut = Literal["", "asked", "late"]
"""Why a program was told to end: not at all, because the load was, because its time was over."""


class Child:
    """A running program. What it prints goes to files."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.cut: Cut = ""
        self._gone = False

    @classmethod
    async def start(cls, argv: Sequence[str], *, env: Mapping[str, str], out: Path, cwd: Path | None = None) -> "Child":
        """Start a program with standard output and error going to NAME.out and NAME.err. Raises OSError."""
        with out.with_suffix(".out").open("wb") as output, out.with_suffix(".err").open("wb") as errors:
            process = await asyncio.create_subprocess_exec(
                *argv, env=dict(env), stdin=asyncio.subprocess.DEVNULL, stdout=output, stderr=errors,
                cwd=cwd, start_new_session=True,
            )  # fmt: skip
        return cls(process)

    async def wait(
        self, asked: asyncio.Event, *, hurry: float, within: float | None = None, end: signal.Signals = signal.SIGTERM
    ) -> int:
        """Wait for its end and return its exit code (negative: the signal).

        It is told to end by the signal `end` when `asked` is set, or after `within` seconds; after `hurry` more it is
        killed. What it started and left behind is killed in any case.
        """
        over, told = asyncio.create_task(self._process.wait()), asyncio.create_task(asked.wait())
        try:
            await asyncio.wait({over, told}, timeout=within, return_when=asyncio.FIRST_COMPLETED)
            if not over.done():
                self.cut = "asked" if told.done() else "late"
                self._signal(end)
                await asyncio.wait({over}, timeout=hurry)
        finally:
            told.cancel()
            self.kill()
        return await over

    def kill(self) -> None:
        """End at once what is left of it and of all that it started. Nothing happens when it is called again."""
        if not self._gone:
            self._gone = True
            self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        # A shell does not hand a signal on: the whole group gets it.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)


def tail(path: Path, lines: int = 5) -> str:
    """Return the last lines of what a program printed, in one."""
    try:
        with path.open("rb") as stream:
            stream.seek(max(0, path.stat().st_size - 4096))
            text = stream.read().decode(errors="replace")
    except OSError:
        return ""
    return " | ".join(line.strip()[:300] for line in text.splitlines()[-lines:] if line.strip())
