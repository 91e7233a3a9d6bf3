"""The steps of a job are listed once for all who ask at the same time, and never from before they asked."""

import threading
from concurrent.futures import ThreadPoolExecutor

from jobs.allocations.steps import Steps


def test_a_listing_is_shared_and_never_old():
    """Eight that come while a first listing is made share the one after it; who comes later gets another."""
    asked, let, begun = [], threading.Event(), threading.Event()

    def ask():
        asked.append(1)
        begun.set()
        assert let.wait(10)
        return "7.1|dashcam-a\n7.2|dashcam-b\n 7.3|dashcam-a\n"

    steps = Steps(ask)
    with ThreadPoolExecutor(9) as pool:
        first = pool.submit(steps.named, "dashcam-a")
        assert begun.wait(10)
        arrived = threading.Barrier(9)

        def late():
            arrived.wait(10)
            return steps.named("dashcam-b")

        others = [pool.submit(late) for _ in range(8)]
        arrived.wait(10)
        threading.Event().wait(0.05)  # so that all eight have asked before the first is answered
        let.set()
        assert first.result() == ["7.1", "7.3"]
        assert [each.result() for each in others] == [["7.2"]] * 8
    assert len(asked) == 2
    assert steps.named("nothing") == []
    assert len(asked) == 3
