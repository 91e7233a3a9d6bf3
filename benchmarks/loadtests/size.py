"""How large a benchmark is."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Size:
    """`rounds` of `seconds` each, after `settle` seconds that do not count. `streams`: how many at once.

    `requests`: numbers of requests after which memory is looked at, ascending.
    """

    rounds: int
    seconds: float
    settle: float
    streams: tuple[int, ...]
    requests: tuple[int, ...]


LONG = Size(rounds=5, seconds=3.0, settle=1.0, streams=(1, 100, 1000), requests=(20_000, 100_000, 300_000))
SHORT = Size(rounds=3, seconds=1.5, settle=0.5, streams=(1, 100, 1000), requests=(10_000, 30_000, 60_000))
