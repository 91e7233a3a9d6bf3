"""A service with faults, for whole runs: `python -P -m tests.jobs.faulty PORT ADDRESS [ahead=SECONDS] [restarts]`.

It is the server of known delays (`tests.loadtests.service`) that counts what it answered, as vLLM does, and shows it
under /metrics. What goes wrong stands in the path of the target's URL. With `ahead` its page tells a node's clock that
is off; with `restarts` it is a wrapper that starts the server anew on SIGUSR1, while its socket stays open.
"""

import asyncio
import contextlib
import hashlib
import signal
import socket
import struct
import subprocess
import sys
import time

import uvloop

from tests.loadtests.service import Connection

WORDS = 3
"""Tokens of each whole answer."""


class Faulty(Connection):
    """One client's connection to a service that counts."""

    service: "Counting"

    async def ready(self) -> bool:
        """Say that we are there."""
        self.whole("")
        return True

    async def metrics(self) -> bool:
        """Give the counters."""
        self.whole(self.service.page())
        return True

    async def good(self, takes: float = 0.0, usage: float = 1) -> bool:
        """Answer rightly after `takes` seconds, and count it."""
        await asyncio.sleep(takes)
        self.start()
        for index in range(WORDS):
            self.text(f"word{index} ")
        self.event(choices=[{"text": "", "delta": {}, "finish_reason": "length"}])
        if usage:
            self.event(choices=[], usage={"prompt_tokens": 7, "completion_tokens": WORDS})
        self.send(b"data: [DONE]\n\n")
        self.writer.write(b"0\r\n\r\n")
        self.service.answered += 1
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

    async def cached(self, takes: float) -> bool:
        """Remember answers: only a question that was not asked before takes its time."""
        asked = hashlib.sha256(self.body).digest()
        known = asked in self.service.seen
        self.service.seen.add(asked)
        return await self.good(0.0 if known else takes)

    async def no_usage(self) -> bool:
        """Answer rightly, but tell no tokens."""
        return await self.good(usage=0)

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
    """What connections share. `ahead`: how many seconds the page's clock is off, None for no clock on it."""

    def __init__(self, ahead: float | None = None) -> None:
        self.ahead = ahead
        self.begun = time.time()
        self.asked = self.answered = 0
        self.free: list[float] = []
        self.first: float | None = None
        self.seen: set[bytes] = set()
        self.place = asyncio.Lock()

    def page(self) -> str:
        """Return the metrics page."""
        lines = [
            f"process_start_time_seconds {self.begun}",
            f"vllm:request_success_total {self.answered}",
            f"vllm:generation_tokens_total {self.answered * WORDS}",
            f"vllm:prompt_tokens_total {self.answered * 7}",
        ]
        if self.ahead is not None:
            lines.append(f"node_time_seconds {time.time() + self.ahead}")
        return "\n".join(lines) + "\n"

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
    more = dict(word.split("=") for word in argv if "=" in word)
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
        await Counting(float(more["ahead"]) if "ahead" in more else None).run(listening)

    with contextlib.suppress(KeyboardInterrupt):
        uvloop.run(serve())


if __name__ == "__main__":
    main(sys.argv[1:])
