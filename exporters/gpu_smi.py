"""nvidia-smi, run on a clock of its own: a driver that hangs, or a program that takes seconds, holds up no scrape."""

import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass

from exporters import gpu_smi_csv, gpu_smi_xml
from exporters.clockwork import Clockwork, run
from exporters.gpu_devices import Census

_TIMEOUT = 5.0
_FIRST = 0.6
"""Seconds for a run; and that the first scrape waits for the first run."""


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

    def last(self) -> Seen | None:
        """Return what the last run told; None where the first has not ended."""
        return self._clock.last(_FIRST)

    def _look(self) -> Seen:
        text, error = self._ask_table()
        if error:
            return self._seen(Census(), error)
        if text.lstrip().startswith("<"):
            return self._seen(gpu_smi_xml.read(text, {}), "")
        census, divided = gpu_smi_csv.read(text)
        if divided or not census.devices:
            whole, more_error = self._ask("-q", "-x")
            listed, _ = self._ask("-L") if divided else ("", "")
            detailed = gpu_smi_xml.read(whole, gpu_smi_xml.read_list(listed)) if not more_error else Census()
            if detailed.devices:
                return self._seen(detailed, "")
        return self._seen(census, "" if census.devices else "nvidia-smi names no GPU")

    def _ask_table(self) -> tuple[str, str]:
        while True:
            text, error = self._ask(f"--query-gpu={','.join(self._query)}", "--format=csv")
            query = gpu_smi_csv.without_refused_field(self._query, error or text)
            if query is None:
                return text, error
            self._query = query

    def _ask(self, *arguments: str) -> tuple[str, str]:
        output = run([self._program or "nvidia-smi", *arguments], self._environment, _TIMEOUT)
        return output.text, output.error

    def _seen(self, census: Census, error: str) -> Seen:
        census.complete()
        return Seen(census, error, time.monotonic())
