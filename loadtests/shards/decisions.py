"""What only the parent can decide: that a phase ends, because all its requests have begun or because it is steady."""

from collections import defaultdict
from collections.abc import Callable

from loadtests.progress import Stop
from loadtests.shards.wire import Message
from loadtests.steady import Steadiness, Sums
from runs.recipe import Load


class Decisions:
    """Hears `used_up` and `batch` of `shards` processes; calls `end` with a phase's index and the reason, once."""

    def __init__(self, load: Load, shards: int, end: Callable[[int, Stop], None]) -> None:
        self._shards, self._end = shards, end
        self._rules = {index: Steadiness(phase.window) for index, phase in enumerate(load.stages) if phase.until}
        self._used_up: defaultdict[int, int] = defaultdict(int)
        self._batches: dict[tuple[int, int], tuple[int, Sums]] = {}

    def hear(self, message: Message) -> None:
        """Take what a shard tells."""
        phase = message["phase"]
        if message["kind"] == "used_up":
            self._used_up[phase] += 1
            if self._used_up[phase] == self._shards:
                self._end(phase, "requests")
            return
        key = (phase, message["number"])
        count, sums = self._batches.pop(key, (0, Sums()))
        count, sums = count + 1, sums + Sums(*message["sums"])
        if count < self._shards:
            self._batches[key] = (count, sums)
        elif phase in self._rules and self._rules[phase].add(sums):
            del self._rules[phase]
            self._end(phase, "steady")
