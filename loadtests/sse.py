"""Server-sent events, as far as streaming APIs use them (WHATWG HTML, section 9.2): the data of each event."""

from collections.abc import Iterable, Iterator


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

    def feed(self, chunk: bytes) -> Iterable[bytes]:
        """Give the data of the events that `chunk` completes; to be used up before the next piece is fed."""
        # Most pieces of most servers are whole events of one line each: no need to look at every line.
        plain = chunk.startswith(b"data: ") and chunk.endswith(b"\n\n") and b"\r" not in chunk
        if plain and not self._data and not self._line:
            blocks: tuple[bytes, ...] = (chunk[6:-2],)
            if chunk.find(b"\n") < len(chunk) - 2:
                blocks = tuple(chunk[6:-2].split(b"\n\ndata: "))
                plain = not any(b"\n" in block for block in blocks)
            if plain:
                self._start = self._after_cr = False
                return blocks
        return self._lines(chunk)

    def _lines(self, chunk: bytes) -> Iterator[bytes]:
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
