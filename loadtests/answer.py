"""A streamed answer of the OpenAI API (completions or chat), piece by piece."""

from typing import Any

import orjson

from loadtests.outcome import Outcome, RequestFailed
from loadtests.sse import SseParser


class Answer:
    """Reads one stream into an `Outcome`: first token, gaps, tokens as the server reports them, bytes."""

    def __init__(self, outcome: Outcome) -> None:
        self._outcome = outcome
        self._parser = SseParser()
        self._last: float | None = None
        self._ended = False

    def take(self, chunk: bytes, now: float) -> None:
        """Take bytes that came at `now` (seconds of `time.monotonic`). Raises RequestFailed."""
        self._outcome.received += len(chunk)
        for data in self._parser.feed(chunk):
            if data == b"[DONE]":
                self._ended = True
            else:
                self._event(data, now)

    def _event(self, data: bytes, now: float) -> None:
        """Read one event; whatever a server may send, it is an event, a failure with a name, or passed over."""
        event = _json(data)
        if event.get("error") or event.get("object") == "error":
            raise RequestFailed("server_error", str(event.get("error") or event)[:200])
        if isinstance(usage := event.get("usage"), dict):
            self._outcome.tokens_in = _tokens(usage.get("prompt_tokens"))
            self._outcome.tokens_out = _tokens(usage.get("completion_tokens"))
        choices = event.get("choices") or []
        if not isinstance(choices, list) or not all(isinstance(choice, dict) for choice in choices):
            raise _malformed(data)
        for choice in choices:
            delta = choice.get("delta")
            text = choice.get("text") or (delta.get("content") if isinstance(delta, dict) else None)
            if isinstance(text, str) and text:
                if self._last is None:
                    self._outcome.first_token = now
                else:
                    self._outcome.gaps.append(now - self._last)
                self._last = now
            if choice.get("finish_reason"):
                self._ended = True

    def check(self) -> None:
        """Refuse an answer that broke off or holds nothing. Raises RequestFailed."""
        if not self._ended:
            raise RequestFailed("truncated", "the stream ended without [DONE] or a finish_reason")
        # Tokens without text are an answer too: an immediate end, or bytes that make no character.
        if self._outcome.first_token is None and not self._outcome.tokens_out:
            raise RequestFailed("empty", "the answer holds no content")


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
