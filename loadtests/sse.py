"""Server-sent events, as far as streaming APIs use them (WHATWG HTML, section 9.2): the data of each event."""

from collections.abc import Iterator


class SseParser:
    """Takes bytes in any pieces, gives the data of each finished event. No input makes it fail.

    Lines end in LF, CR or CRLF. Comments and the fields event, id and retry are passed over. An event that the stream
    does not finish with an empty line is not given, as the standard has it.
    """

    def __init__(self) -> None:
        self._line: list[bytes] = []
        self._data: list[bytes] = []
        self._after_cr = False
        self._start = True

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """Yield the data of the events that `chunk` completes."""
        if self._after_cr and chunk:
            chunk = chunk.removeprefix(b"\n")  # the second half of a CRLF that was cut in two
            self._after_cr = False
        self._after_cr = self._after_cr or chunk.endswith(b"\r")
        for piece in chunk.splitlines(keepends=True):
            self._line.append(piece)
            if piece.endswith((b"\n", b"\r")):
                line = b"".join(self._line).rstrip(b"\r\n")
                self._line.clear()
                if self._start:
                    line, self._start = line.removeprefix(b"\xef\xbb\xbf"), False
                yield from self._take(line)

    def _take(self, line: bytes) -> Iterator[bytes]:
        if not line:
            if self._data:
                yield b"\n".join(self._data)
                self._data.clear()
            return
        name, _, value = line.partition(b":")
        if name == b"data":
            self._data.append(value.removeprefix(b" "))
