"""An answer of the OpenAI API (completions or chat): streamed, piece by piece, or whole."""

import re
from typing import Any

import orjson

from loadtests.outcome import Outcome, RequestFailed
from loadtests.sse import SseParser

_ENDS = frozenset({"stop", "length", "tool_calls", "function_call", "eos_token", "stop_sequence"})
"""Words of `finish_reason` for an answer that is whole: OpenAI's, and those of Text Generation Inference."""
_BROKEN = frozenset({"abort", "error", "content_filter", "cancelled", "timeout"})
"""Others that servers are known to give; each is a kind of failure, finish_abort and so on."""

_ERROR = re.compile(rb'\s*\{\s*("error"|"object"\s*:\s*"error")')
"""How an answer begins that tells an error with status 200."""
_FIELDS = (b"data", b"event", b"id", b"retry", b":")


class Answer:
    """Reads one answer into an `Outcome`: first token, gaps, tokens as the server reports them, bytes."""

    def __init__(self, outcome: Outcome) -> None:
        self._outcome = outcome
        self._parser = SseParser()
        self._head = b""
        self._last: float | None = None
        self._events = 0
        self._content = self._ended = False
        self.finish: str | None = None
        """Why the answer ended, in the server's word."""
        self.model: str | None = None
        """The model that the answer names."""

    def take(self, chunk: bytes, now: float) -> None:
        """Take bytes of a stream that came at `now` (seconds of `time.monotonic`). Raises RequestFailed."""
        self._outcome.received += len(chunk)
        if not self._head:
            self._head = chunk[:200]
        for data in self._parser.feed(chunk):
            self._events += 1
            if data == b"[DONE]":
                self._ended = True
            elif self._event(data):
                if self._last is None:
                    self._outcome.first_token = now
                else:
                    self._outcome.gaps.append(now - self._last)
                self._last = now

    def whole(self, body: bytes) -> None:
        """Take an answer that is not streamed. It has no first token that could be seen. Raises RequestFailed."""
        self._event(body)
        if self.finish is None:
            raise RequestFailed("malformed", f"no finish_reason: {body[:200].decode(errors='replace')}")

    def _event(self, data: bytes) -> bool:
        """Read one event and tell whether it holds content.

        Whatever a server may send, it is an event, a failure with a name, or passed over.
        """
        event = _json(data)
        if event.get("error") or event.get("object") == "error":
            raise RequestFailed("server_error", str(event.get("error") or event)[:200])
        if isinstance(usage := event.get("usage"), dict):
            self._outcome.tokens_in = _tokens(usage.get("prompt_tokens"))
            self._outcome.tokens_out = _tokens(usage.get("completion_tokens"))
        if isinstance(model := event.get("model"), str):
            self.model = model
        choices = event.get("choices") or ()
        content = False
        if not isinstance(choices, (list, tuple)):
            raise _malformed(data)
        for choice in choices:
            if not isinstance(choice, dict):
                raise _malformed(data)
            if _text(choice):
                content = True
            if reason := choice.get("finish_reason"):
                self._finish(reason)
        self._content = self._content or content
        return content

    def _finish(self, reason: Any) -> None:
        self._ended = True
        self.finish = str(reason)
        if self.finish not in _ENDS:
            kind = f"finish_{reason}" if self.finish in _BROKEN else "finish_unknown"
            raise RequestFailed(kind, f"the answer ended with finish_reason {self.finish[:100]!r}")

    def check(self) -> None:
        """Refuse an answer that broke off or holds nothing. Raises RequestFailed."""
        if not self._events and self._head and not self._head.lstrip(b"\xef\xbb\xbf\r\n").startswith(_FIELDS):
            text = self._head.decode(errors="replace")
            if _ERROR.match(self._head):
                raise RequestFailed("server_error", f"an error in place of a stream: {text}")
            raise RequestFailed("malformed", f"the answer is no stream of server-sent events: {text}")
        if not self._ended:
            raise RequestFailed("truncated", "the stream ended without [DONE] or a finish_reason")
        self.check_content()

    def check_content(self) -> None:
        """Refuse an answer that holds nothing. Raises RequestFailed."""
        # Tokens without text are an answer too: an immediate end, or bytes that make no character.
        if not self._content and not self._outcome.tokens_out:
            raise RequestFailed("empty", "the answer holds no content")


def _text(choice: dict[str, Any]) -> bool:
    """Tell whether a choice holds text: of a completion, a delta of a chat, or a chat that is not streamed.

    What a model says to itself (vLLM: `reasoning`, before that `reasoning_content`) is made of tokens as well.
    """
    part = choice.get("delta")
    if part is None:
        part = choice.get("message")
    if not isinstance(part, dict):
        text = choice.get("text")
        return isinstance(text, str) and text != ""
    text = part.get("content") or part.get("reasoning_content") or part.get("reasoning") or choice.get("text")
    return isinstance(text, str) and text != ""


def _json(data: bytes) -> dict[str, Any]:
    try:
        event = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise _malformed(data) from error
    if not isinstance(event, dict):
        raise _malformed(data)
    return event


def _malformed(data: bytes) -> RequestFailed:
    return RequestFailed("malformed", data[:200].decode(errors="replace"))


def _tokens(value: Any) -> int | None:
    """Return a count as a server reports it; what cannot be one is none."""
    return value if type(value) is int and 0 <= value < 2**31 else None
