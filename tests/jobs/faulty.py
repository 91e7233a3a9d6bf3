"""A service with faults, for whole runs: `python -P -m tests.jobs.faulty PORT ADDRESS [WORD[=SECONDS]]...`.

It is the server of known delays (`tests.loadtests.service`) that counts what it answered, as vLLM does, and shows it
under /metrics. What goes wrong stands in the path of the target's URL. With `ahead` its page tells a node's clock that
is off; with `restarts` it is a wrapper that starts the server anew on SIGUSR1, while its socket stays open. Further of
its page: `zero`: the counter of requests stays 0; `frozen=N`: after N answers it stays what it was; `slow=SECONDS`: it
takes so long from the 50th answer on.
"""

import asyncio
import contextlib
import hashlib
import math
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Mapping

import uvloop

from tests.loadtests.service import Connection

WORDS = 3
"""Tokens of each whole answer, unless it says otherwise."""
ASKED = 16
"""Tokens of each prompt, as it says."""
_SLOW_AFTER = 50


class Faulty(Connection):
    """One client's connection to a service that counts."""

    service: "Counting"

    async def ready(self) -> bool:
        """Say that we are there."""
        self.whole("")
        return True

    async def metrics(self) -> bool:
        """Give the counters."""
        service = self.service
        if service.answered > _SLOW_AFTER:
            await asyncio.sleep(service.slow)
        self.whole(service.page())
        return True

    async def good(
        self, takes: float = 0.0, usage: float | None = None, model: str = "large", times: float = 1,
        words: float = WORDS,
    ) -> bool:  # fmt: skip
        """Answer rightly after `takes` seconds, and count it.

        `usage`: how many tokens it says that it made; 0: it does not say. `times`: how often it sends each piece.
        """
        await asyncio.sleep(takes)
        self.start()
        for index in range(int(words)):
            for _ in range(int(times)):
                self.text(f"word{index} ")
        self.event(choices=[{"text": "", "delta": {}, "finish_reason": "length"}], model=model)
        if usage != 0:
            told = int(words if usage is None else usage)
            self.event(choices=[], usage={"prompt_tokens": ASKED, "completion_tokens": told})
        self.send(b"data: [DONE]\n\n")
        self.writer.write(b"0\r\n\r\n")
        self.service.answered += 1
        self.service.tokens += int(words)
        return True

    async def mixed(self, bad: str, every: float, takes: float = 0.0) -> bool:
        """Answer each so-many-th request badly, in the ways of `bad` (joined by `+`) in turn."""
        self.service.asked += 1
        turn, rest = divmod(self.service.asked, int(every))
        if rest:
            return await self.good(takes)
        ways = bad.split("+")
        return bool(await getattr(self, ways[(turn - 1) % len(ways)])())

    async def queue(self, takes: float) -> bool:
        """Work for `takes` seconds on one request at a time."""
        async with self.service.place:
            return await self.good(takes)

    async def shifts(self, takes: float, then: float, after: float) -> bool:
        """Take another time from a certain request on."""
        self.service.asked += 1
        return await self.good(takes if self.service.asked <= after else then)

    async def burst(self, since: float, until: float, takes: float = 0.0) -> bool:
        """Be out of order for some requests."""
        self.service.asked += 1
        return await (self.status(503) if since <= self.service.asked < until else self.good(takes))

    async def other_model(self) -> bool:
        """Answer by another model."""
        return await self.good(model="small")

    async def double(self) -> bool:
        """Send each piece twice."""
        return await self.good(times=2)

    async def cached(self, takes: float) -> bool:
        """Remember answers: only a question that was not asked before takes its time."""
        asked = hashlib.sha256(self.body).digest()
        known = asked in self.service.seen
        self.service.seen.add(asked)
        return await self.good(0.0 if known else takes)

    async def no_usage(self) -> bool:
        """Answer rightly, but tell no tokens."""
        return await self.good(usage=0)

    async def short_count(self) -> bool:
        """Tell one token more than there are."""
        return await self.good(usage=WORDS + 1)

    async def headers_only(self) -> bool:
        """Send the head of an answer, and close."""
        self.start()
        await self.writer.drain()
        return False

    async def longer(self) -> bool:
        """Promise more bytes than come."""
        self.writer.write(b"HTTP/1.1 200 X\r\nContent-Length: 1000\r\n\r\ndata: [DONE]\n\n")
        await self.writer.drain()
        return False

    async def shorter(self) -> bool:
        """Send more bytes than promised."""
        text = b'data: {"choices": [{"text": "word", "finish_reason": "length"}]}\n\ndata: [DONE]\n\n'
        self.writer.write(b"HTTP/1.1 200 X\r\nContent-Length: 20\r\n\r\n" + text)
        return True

    async def torn(self) -> bool:
        """Reset the connection in the middle of the answer."""
        self.start()
        self.text("half")
        await self.writer.drain()
        held = self.writer.get_extra_info("socket")
        held.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return False


class Counting:
    """What connections share; `more` are words of the command line with their figures.

    `ahead`: how many seconds the page's clock is off, None for no clock on it.
    """

    def __init__(self, more: Mapping[str, float]) -> None:
        self.ahead = more.get("ahead")
        self.frozen, self.slow, self.zero = more.get("frozen", math.inf), more.get("slow", 0.0), "zero" in more
        self.shown = ""
        self.begun = time.time()
        self.asked = self.answered = self.tokens = 0
        self.free: list[float] = []
        self.first: float | None = None
        self.seen: set[bytes] = set()
        self.place = asyncio.Lock()

    def page(self) -> str:
        """Return the metrics page."""
        if self.answered > self.frozen and self.shown:
            return self.shown
        lines = [
            f"process_start_time_seconds {self.begun}",
            f"vllm:request_success_total {0 if self.zero else self.answered}",
            f"vllm:generation_tokens_total {self.tokens}",
            f"vllm:prompt_tokens_total {self.answered * ASKED}",
        ]
        if self.ahead is not None:
            lines.append(f"node_time_seconds {time.time() + self.ahead}")
        self.shown = "\n".join(lines) + "\n"
        return self.shown

    async def run(self, listening: socket.socket) -> None:
        """Serve for good."""
        server = await asyncio.start_server(lambda r, w: Faulty(self, r, w).serve(), sock=listening)
        await server.serve_forever()


def wrap(listening: socket.socket, argv: list[str]) -> None:
    """Start the server, and anew on SIGUSR1, until SIGTERM."""
    listening.set_inheritable(True)

    def start() -> "subprocess.Popen[bytes]":
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "tests.jobs.faulty", f"fd={listening.fileno()}", *argv], close_fds=False
        )

    signals = {signal.SIGUSR1, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    child = start()
    while True:
        asked = signal.sigwait(signals)
        child.kill()
        child.wait()
        if asked == signal.SIGTERM:
            return
        child = start()


def main(argv: list[str]) -> None:
    """See the module."""
    more = {word.partition("=")[0]: float(word.partition("=")[2] or 1) for word in argv if word[0].isalpha()}
    if "fd" in more:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGUSR1, signal.SIGTERM})
        listening = socket.socket(fileno=int(more["fd"]))
    else:
        listening = socket.create_server((argv[1], int(argv[0])), backlog=1024)
    if "restarts" in argv:
        wrap(listening, [word for word in argv[2:] if word != "restarts"])
        return
    listening.setblocking(False)

    async def serve() -> None:
        await Counting(more).run(listening)

    with contextlib.suppress(KeyboardInterrupt):
        uvloop.run(serve())


if __name__ == "__main__":
    main(sys.argv[1:])
