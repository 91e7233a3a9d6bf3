"""A server of known delays and known faults, in a process of its own: `python -m tests.loadtests.service`.

It prints its port. The first part of the path says how it behaves, the query with which figures; so a target's URL is
all that a test needs: http://127.0.0.1:PORT/steady?ttft=0.05 would be cut by the client's own path, hence
/steady,ttft=0.05,gap=0.02/v1/completions.
"""

import asyncio
import base64
import heapq
import json
import math
import random
import struct
import time
from typing import Any

import uvloop


class Connection:
    """One client's connection."""

    def __init__(self, service: "Service", reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.service, self.reader, self.writer = service, reader, writer
        self.served = 0

    async def serve(self) -> None:
        """Answer requests until one side closes."""
        try:
            while True:
                first = await self.reader.readexactly(1)
                if first == b"\x16":  # the hello of TLS, which we do not speak
                    self.whole("no", 400)
                    return
                head = first + await self.reader.readuntil(b"\r\n\r\n")
                length = next(
                    (int(line[15:]) for line in head.lower().split(b"\r\n") if line[:15] == b"content-length:"), 0
                )
                self.body = await self.reader.readexactly(length)
                name, *pairs = head.split(b" ")[1].decode().split("/")[1].split(",")
                figures = {key: _figure(value) for key, value in (pair.split("=") for pair in pairs)}
                self.head = head
                if not await getattr(self, name)(**figures):
                    return
                self.served += 1
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self.writer.close()

    def start(self, status: int = 200) -> None:
        """Send the head of a chunked answer."""
        self.writer.write(
            b"HTTP/1.1 %d X\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n" % status
        )

    def send(self, data: bytes) -> None:
        """Send one chunk."""
        self.writer.write(b"%x\r\n%s\r\n" % (len(data), data))

    def event(self, **event: object) -> None:
        """Send one event."""
        self.send(b"data: " + json.dumps(event).encode() + b"\n\n")

    def text(self, text: str) -> None:
        """Send content as the asked API wraps it."""
        chat = b"/chat/" in self.head
        self.event(choices=[{"delta": {"content": text}} if chat else {"text": text}])

    async def steady(self, ttft: float = 0.0, gap: float = 0.0, n: float = 3) -> bool:
        """Answer at once with headers and a role, then content after `ttft`, then each `gap` seconds."""
        begin = time.monotonic()
        self.start()
        self.event(choices=[{"text": "", "delta": {"role": "assistant"}}])
        for index in range(int(n)):
            await _until(begin + ttft + index * gap)
            self.text(f"word{index} ")
        self.event(choices=[{"text": "", "delta": {}, "finish_reason": "length"}])
        self.event(choices=[], usage={"prompt_tokens": 7, "completion_tokens": int(n)})
        self.send(b"data: [DONE]\n\n")
        self.writer.write(b"0\r\n\r\n")
        return True

    async def stall(self, at: float, lasts: float) -> bool:
        """Answer at once, but for a time in which nothing is answered. Both count from the first request."""
        service = self.service
        service.first = service.first or time.monotonic()
        since = time.monotonic() - service.first
        if at <= since < at + lasts:
            await _until(service.first + at + lasts)
        return await self.plain()

    async def places(self, c: float, takes: float, broken: float = 0) -> bool:
        """Have `c` places that each take `takes` seconds for a request; who finds none free waits his turn.

        `broken`: each so many-th request fails. Ends are reckoned, not slept one after another, so that the capacity
        is c / takes exactly.
        """
        free = self.service.free
        free.extend([0.0] * (int(c) - len(free)))
        self.service.asked += 1
        end = max(heapq.heappop(free), time.monotonic()) + takes
        heapq.heappush(free, end)
        await _until(end)
        return await (self.status(500) if broken and self.service.asked % broken == 0 else self.plain())

    async def plain(self) -> bool:
        """Answer at once, in one piece."""
        text = b'data: {"choices": [{"text": "word", "finish_reason": "length"}]}\n\ndata: [DONE]\n\n'
        self.writer.write(b"HTTP/1.1 200 X\r\nContent-Length: %d\r\n\r\n%s" % (len(text), text))
        return True

    async def echo(self) -> bool:
        """Answer with the request's prompt and its Authorization header."""
        self.start()
        given = [line.decode() for line in self.head.split(b"\r\n") if line.lower().startswith(b"authorization:")]
        self.text(json.dumps({"body": json.loads(self.body), "authorization": given}))
        self.send(b"data: [DONE]\n\n")
        self.writer.write(b"0\r\n\r\n")
        return True

    def whole(self, text: str, status: int = 200, more: str = "") -> None:
        """Answer in one piece, with further lines of the head in `more`."""
        self.writer.write(f"HTTP/1.1 {status} X\r\nContent-Length: {len(text)}\r\n{more}\r\n{text}".encode())

    async def whole_answer(self, tokens: float = 3, usage: float = 1, finish: float = 1) -> bool:
        """Answer without a stream: as the API does with `stream: false`."""
        part = {"message": {"role": "assistant", "content": "word"}} if b"/chat/" in self.head else {"text": "word"}
        reason = {"finish_reason": "length"} if finish else {}
        counts = {"usage": {"prompt_tokens": 7, "completion_tokens": int(tokens)}} if usage else {}
        self.whole(json.dumps({"choices": [{**part, **reason}], **counts}))
        return True

    async def modelled(self) -> bool:
        """Answer by two models in turn."""
        self.service.asked += 1
        model = f"model-{self.service.asked % 2}"
        self.whole(json.dumps({"model": model, "choices": [{"text": "word", "finish_reason": "length"}]}))
        return True

    async def whole_error(self) -> bool:
        """Answer 200 with an error in it."""
        self.whole('{"error": {"message": "out of memory"}}')
        return True

    async def vectors(self, dim: float = 8, **faults: float) -> bool:
        """Answer /v1/embeddings: a vector for each text, that only depends on the text; with one fault, if asked."""
        asked = json.loads(self.body)
        self.service.asked += 1
        rows = []
        for index, text in enumerate(asked["input"]):
            size = int(dim) + ("ragged" in faults and index == 1) + ("growing" in faults and self.service.asked)
            numbers = random.Random(text + str(self.service.asked if "noise" in faults else ""))
            values = [numbers.gauss(0, 1) for _ in range(size)]
            if index == 1 and ("zero" in faults or "nan" in faults):
                values = [0.0 if "zero" in faults else math.nan] * size
            packed = base64.b64encode(struct.pack(f"<{size}f", *values)).decode()
            rows.append({"index": index, "embedding": packed if asked["encoding_format"] == "base64" else values})
        if "swapped" in faults:
            rows.reverse()
        self.whole(json.dumps({"data": rows["less" in faults :], "usage": {"prompt_tokens": 5}}))
        return True

    async def kserve(self, config: float = 1, code: float = 200, **faults: float) -> bool:
        """Be a KServe v2 server with a model that copies its input; with one fault, if asked."""
        path = self.head.split(b" ")[1].split(b"?")[0]
        if path.endswith(b"/config"):
            self.whole('{"max_batch_size": 4}' if config else "no", 200 if config else 404)
            return True
        if not path.endswith(b"/infer"):
            tensor = {"datatype": "FP32", "shape": [-1, -1]}
            sides = {"inputs": [{"name": "IN", **tensor}], "outputs": [{"name": "OUT", **tensor}]}
            self.whole(json.dumps({"name": "m", **sides}))
            return True
        if "page" in faults or "error" in faults or code != 200:
            text = "<html>" if "page" in faults else '{"error": "no"}'
            self.whole(text, int(code))
            return True
        self.service.asked += 1
        lines = self.head.lower().split(b"\r\n")
        length = next((int(line.split(b":")[1]) for line in lines if line.startswith(b"inference-header")), None)
        asked = json.loads(self.body[:length])["inputs"][0]
        data = self.body[length:] if length else struct.pack(f"<{len(asked['data'])}f", *asked["data"])
        if "value" in faults or "noise" in faults:
            data = struct.pack("<f", float(self.service.asked)) + data[4:]
        rows, columns = asked["shape"]
        if "rows" in faults:
            rows, columns = rows * columns, 1
        shape = [rows, columns, *([1] if "rank" in faults else [])]
        if "short" in faults:
            data = data[4:]
        output = {"name": "OTHER" if "name" in faults else "OUT", "datatype": "FP32", "shape": shape}
        if "datatype" in faults:
            output["datatype"] = "INT32"
        if length:
            output["parameters"] = {"binary_data_size": rows * columns * 4}
        else:
            kind = "i" if "datatype" in faults else "f"
            output["data"] = struct.unpack(f"<{len(data) // 4}{kind}", data)
        outputs = [output, output] if "more" in faults else [output]
        head = json.dumps({"model_name": "other" if "model" in faults else "m", "outputs": outputs}).encode()
        body = head + data * len(outputs) if length else head
        more = f"Inference-Header-Content-Length: {len(head)}\r\n" if length else ""
        self.writer.write(f"HTTP/1.1 200 X\r\nContent-Length: {len(body)}\r\n{more}\r\n".encode() + body)
        return True

    async def page(self) -> bool:
        """Answer 200 with what a proxy says."""
        self.whole("<html>please log in</html>")
        return True

    async def busy(self) -> bool:
        """Answer that there are too many requests, and when to come again."""
        self.whole('{"error": "too many"}', 429, "Retry-After: 7\r\n")
        return True

    async def aborted(self, known: float = 1) -> bool:
        """End the stream with a reason that is none of a whole answer."""
        self.start()
        self.text("half")
        self.event(choices=[{"text": "", "delta": {}, "finish_reason": "abort" if known else ["what"]}])
        self.send(b"data: [DONE]\n\n")
        self.writer.write(b"0\r\n\r\n")
        return True

    async def thinking(self) -> bool:
        """Stream what the model says to itself, and nothing else."""
        self.start()
        self.event(choices=[{"delta": {"reasoning_content": "hm"}}])
        self.event(choices=[{"delta": {"reasoning": "so"}}])
        self.send(b"data: [DONE]\n\n")
        self.writer.write(b"0\r\n\r\n")
        return True

    async def closer(self) -> bool:
        """Answer one request a connection, promise to keep it, and close it on the second."""
        return False if self.served else await self.steady()

    async def gone(self) -> bool:
        """Close every connection once the request is there."""
        return False

    async def silent(self) -> bool:
        """Never answer."""
        await asyncio.sleep(3600)
        return False

    async def status(self, code: float) -> bool:
        """Answer with a status code and a word."""
        self.start(int(code))
        self.send(b"no")
        self.writer.write(b"0\r\n\r\n")
        return True

    async def truncated(self) -> bool:
        """End the answer in good HTTP, but without its end in the API's own words."""
        self.start()
        self.text("half")
        self.writer.write(b"0\r\n\r\n")
        return True

    async def cut(self) -> bool:
        """Break off in the middle of the HTTP answer."""
        self.start()
        self.text("half")
        await self.writer.drain()
        return False

    async def malformed(self) -> bool:
        """Send what is no JSON."""
        self.start()
        self.send(b'data: {"choices": [\n\n')
        self.writer.write(b"0\r\n\r\n")
        return True

    async def failing(self) -> bool:
        """Fail in the middle of the stream, as vLLM says it."""
        self.start()
        self.text("half")
        self.event(error={"message": "out of memory", "code": 500})
        self.writer.write(b"0\r\n\r\n")
        return True

    async def empty(self) -> bool:
        """Finish without a word."""
        self.start()
        self.send(b"data: [DONE]\n\n")
        self.writer.write(b"0\r\n\r\n")
        return True


def _figure(text: str) -> Any:
    try:
        return float(text)
    except ValueError:
        return text


async def _until(due: float) -> None:
    await asyncio.sleep(max(0.0, due - time.monotonic()))


class Service:
    """All connections share when the first request came."""

    first: float | None = None
    asked = 0

    def __init__(self) -> None:
        self.free: list[float] = []

    async def run(self) -> None:
        """Serve for good."""
        server = await asyncio.start_server(lambda r, w: Connection(self, r, w).serve(), "127.0.0.1", 0, backlog=1024)
        print(server.sockets[0].getsockname()[1], flush=True)  # noqa: T201 - what the test waits for
        await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(Service().run())
