"""Calls that may hang."""

import threading
import time

from exporters.patience import Patience


def test_what_hangs_is_left_out_until_it_returns() -> None:
    """The others are called; the one that hangs is not called again while it does."""
    gate = threading.Event()
    called: list[str] = []
    patience: Patience[str, str] = Patience()

    def call(key: str) -> str:
        called.append(key)
        if key == "hung":
            gate.wait()
        return key.upper()

    for _ in range(2):
        assert patience.each(["a", "hung", "b"], call, one=0.1, total=1) == {"a": "A", "b": "B"}
        assert patience.stuck == {"hung"}
    assert called == ["a", "hung", "b", "a", "b"]
    gate.set()
    deadline = time.monotonic() + 5
    while patience.stuck:
        assert time.monotonic() < deadline
    assert patience.each(["a", "hung"], call, one=5, total=5) == {"a": "A", "hung": "HUNG"}


def test_threads_that_hang_are_few() -> None:
    """With so many as allowed nothing is called any more."""
    gate = threading.Event()
    patience: Patience[int, bool] = Patience(most_stuck=2)
    called: list[int] = []

    def call(key: int) -> bool:
        called.append(key)
        return gate.wait()

    for _ in range(2):
        assert patience.each(range(9), call, one=0.05, total=5) == {}
    assert called == [0, 1]
    gate.set()
