"""Server-sent events, as far as streaming APIs use them (WHATWG HTML, section 9.2): the data of each event."""

from collections.abc import Iterator


class SseParser:
    """Takes bytes in any pieces, gives the data of each finished event. No input makes it fail."""

    def __init__(self) -> None:
        self._rest = b""
        self._data: list[bytes] = []

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """Yield the data of the events that `chunk` completes."""
        buffer = self._rest + chunk
        *lines, self._rest = buffer.split(b"\n")
        for ended in lines:
            line = ended.removesuffix(b"\r")
            if not line:
                if self._data:
                    yield b"\n".join(self._data)
                    self._data = []
            elif line.startswith(b"data:"):
                self._data.append(line[5:].removeprefix(b" "))

    def rest(self) -> bytes | None:
        """Return the data of an event that was begun and not ended, as of a stream that broke off."""
        return b"\n".join(self._data) if self._data else None
