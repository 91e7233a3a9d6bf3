"""What came of one request, as its generator saw it."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass
class Outcome:
    """Times are seconds of `time.monotonic`; None where the thing did not happen.

    A generator fills this as the request goes, so that a cancelled request keeps what was seen of it.
    """

    sent: float | None = None
    first_byte: float | None = None
    first_token: float | None = None
    done: float | None = None
    ok: bool = False
    error: str | None = None
    status: int | None = None
    received: int = 0
    tokens_in: int | None = None
    tokens_out: int | None = None
    gaps: list[float] = field(default_factory=list)
    recall: float | None = None
    retries: int = 0
    operation: str | None = None
    sent_bytes: int | None = None
    stages: dict[str, float] = field(default_factory=dict)
    on_sent: Callable[[float], None] | None = field(default=None, repr=False, compare=False)
    """The engine's: it counts what leaves when it leaves, not when the answer comes."""

    def leave(self, moment: float | None = None) -> None:
        """Note that the request leaves now, or left at `moment`. The first call counts: a retry does not leave anew."""
        if self.sent is None:
            self.sent = time.monotonic() if moment is None else moment
            if self.on_sent is not None:
                self.on_sent(self.sent)


class RequestFailed(Exception):  # noqa: N818 - a result, not an error of ours
    """A request failed in a way that has a name: timeout, http_500, truncated, wrong_answer, ..."""

    def __init__(self, kind: str, detail: str = "") -> None:
        self.kind = kind
        self.detail = detail
        super().__init__(f"{kind}: {detail}" if detail else kind)


class SetupError(Exception):
    """The load cannot begin; the text says why and the mend."""
