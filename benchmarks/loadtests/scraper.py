"""A load under watch as in a run: its /metrics are asked for each second."""

import http.client
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from benchmarks.loadtests.stage import Plan

_INTERVAL = 1.0


@contextmanager
def scraped(plan: Plan) -> Iterator[None]:
    """Scrape a load until the end of this context, whenever it is there. Fails where no scrape succeeded."""
    over, headers = threading.Event(), {"Authorization": f"Bearer {plan.token.read_text()}"}
    answers: list[int] = []

    def scrape() -> None:
        while not over.wait(_INTERVAL if answers else _INTERVAL / 10):
            with suppress(OSError, http.client.HTTPException):
                connection = http.client.HTTPConnection("127.0.0.1", plan.port, timeout=10)
                connection.request("GET", "/metrics", headers=headers)
                answer = connection.getresponse()
                answer.read()
                answers.append(answer.status)
                connection.close()

    thread = threading.Thread(target=scrape)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
    assert answers, "the load was never scraped"
    assert set(answers) == {http.client.OK}, f"the load answers {sorted(set(answers))}"
