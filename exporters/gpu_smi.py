"""nvidia-smi, run on a clock of its own: a driver that hangs, or a program that takes seconds, holds up no scrape."""

import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass

from exporters import gpu_smi_csv, gpu_smi_xml
from exporters.clockwork import Clockwork, run
from exporters.gpu_devices import Census

_TIMEOUT = 5.0
"""Seconds for a run."""


@dataclass(frozen=True)
class Seen:
    """What a run told; `error` is "" where it told of GPUs. `finished` is of time.monotonic."""

    census: Census
    error: str = ""
    finished: float = 0.0


class Smi:
    """Runs nvidia-smi at most every `every` seconds, while somebody asks."""

    def __init__(self, program: str, environment: Mapping[str, str], every: float) -> None:
        self._program = shutil.which(program, path=environment.get("PATH"))
        self._environment = environment
        self._query = gpu_smi_csv.QUERY
        self._clock = Clockwork(self._look, every, "nvidia-smi")

    @property
    def there(self) -> bool:
        """Whether there is such a program."""
        return self._program is not None

    def last(self, patience: float) -> Seen | None:
        """Return what the last run told; None where the first has not ended within `patience` seconds."""
        return self._clock.last(patience)

    def _look(self) -> Seen:
        text, error, fatal = self._ask_table()
        if fatal:
            return self._seen(Census(), error)
        if "<nvidia_smi_log" in text:
            listed, _, _ = self._ask("-L") if "<mig_device>" in text else ("", "", False)
            return self._seen(gpu_smi_xml.read(text, gpu_smi_xml.read_list(listed)), error)
        # It ends with an error where a GPU is lost or its infoROM damaged, and tells of the others nevertheless.
        census, divided = gpu_smi_csv.read(text)
        if divided or not census.devices:
            whole, _, _ = self._ask("-q", "-x")
            if "<nvidia_smi_log" in whole:
                listed, _, _ = self._ask("-L")
                detailed = gpu_smi_xml.read(whole, gpu_smi_xml.read_list(listed))
                if detailed.devices:
                    detailed.unreachable = census.unreachable
                    return self._seen(detailed, "")
                census.malformed += detailed.malformed
        if error and not census.devices:
            census.malformed = 0  # its words are the error
        return self._seen(census, error or "nvidia-smi names no GPU")

    def _ask_table(self) -> tuple[str, str, bool]:
        while True:
            text, error, fatal = self._ask(f"--query-gpu={','.join(self._query)}", "--format=csv")
            query = gpu_smi_csv.without_refused_field(self._query, error or text)
            if query is None:
                return text, error, fatal
            self._query = query

    def _ask(self, *arguments: str) -> tuple[str, str, bool]:
        """Return the output, the error, "" where there is none, and whether the output is of no use for it."""
        output = run([self._program or "nvidia-smi", *arguments], self._environment, _TIMEOUT)
        return output.text, output.error, output.timed_out or output.missing

    def _seen(self, census: Census, error: str) -> Seen:
        census.complete()
        return Seen(census, "" if census.devices else error, time.monotonic())
