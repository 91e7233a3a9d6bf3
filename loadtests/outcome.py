"""What came of one request, as its generator saw it."""

from dataclasses import dataclass, field


@dataclass
class Outcome:
    """Times are seconds of the loop's clock (`time.monotonic`); None where the thing did not happen.

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


class RequestFailed(Exception):  # noqa: N818 - a result, not an error of ours
    """A request failed in a way that has a name: timeout, http_500, truncated, wrong_answer, ..."""

    def __init__(self, kind: str, detail: str = "") -> None:
        self.kind = kind
        self.detail = detail
        super().__init__(f"{kind}: {detail}" if detail else kind)


class SetupError(Exception):
    """The load cannot begin; the text says why and the mend."""
