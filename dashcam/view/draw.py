"""Pieces of a screen: figures in few characters, bars, sparklines, rows of columns.

Two colours that are told apart with any eyes, on dark and light ground (Okabe & Ito's blue and vermillion); what they
say is said by a word or a sign as well.
"""

from collections.abc import Iterable, Sequence

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from dashcam.view.facts import Numbers
from reports.words import display

GOOD, BAD, DIM, STRONG = "#0072b2", "bold #d55e00", "dim", "bold"
NONE = "-"
_SPARKS = "▁▂▃▄▅▆▇█"
ASCII = str.maketrans("▁▂▃▄▅▆▇█━╸─✓▸·…µ", "..::-=+#=-.*>,~u")
"""For terminals that write no UTF-8: one character for one."""
_UNITS = ("", "K", "M", "G", "T", "P")


def seconds(value: float | None) -> str:
    """Write a latency: 17.1 ms."""
    return NONE if value is None else display(value, "s")


def rate(value: float | None) -> str:
    """Write a rate: 14.2/s."""
    return NONE if value is None else f"{display(value, '')}/s"


def number(value: float | None) -> str:
    """Write a count."""
    return NONE if value is None else display(value, "")


def percent(value: float | None) -> str:
    """Write a share in whole per cent; small ones with a digit more, so that 0 % means none."""
    if value is None:
        return NONE
    share = 100 * value
    return f"{share:.1f} %" if 0 < share < 9.95 else f"{share:.0f} %"


def size(value: float | None) -> str:
    """Write bytes (a second) in at most five characters, by 1024: 1.2M."""
    if value is None:
        return NONE
    for unit in _UNITS:
        if abs(value) < 999.5 or unit == _UNITS[-1]:
            return f"{value:.1f}{unit}" if 0 < abs(value) < 9.95 and unit else f"{value:.0f}{unit}"
        value /= 1024
    raise AssertionError("the last unit takes all")


def span(value: float | None) -> str:
    """Write a time left or spent: 12 s, 3:05, 1:02:03."""
    if value is None:
        return "?"
    whole = round(value)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def sparkline(values: Numbers, width: int, top: float | None = None) -> str:
    """Draw the newest `width` values, the newest at the right end, from 0 to `top` (default: their largest)."""
    shown = values[-width:] if width > 0 else ()
    most = max((value for value in shown if value is not None), default=0.0) if top is None else top
    marks = [" " if value is None else _SPARKS[_level(value, most, len(_SPARKS))] for value in shown]
    return "".join(marks).rjust(width)


def _level(value: float, most: float, levels: int) -> int:
    return 0 if most <= 0 else min(levels - 1, max(0, round(value / most * (levels - 1))))


def bar(share: float, width: int) -> Text:
    """Draw a bar that is full at 1."""
    halves = round(min(1.0, max(0.0, share)) * 2 * width)
    full, half = divmod(halves, 2)
    text = Text("━" * full + "╸" * half, GOOD, no_wrap=True)
    return text.append("─" * (width - full - half), DIM)


def levels(shares: Sequence[float]) -> str:
    """Draw one mark for each share: the GPUs of a node."""
    return "".join(_SPARKS[_level(share, 1.0, len(_SPARKS))] for share in shares)


def clip(text: str, width: int) -> str:
    """Cut a text to `width` cells, with a sign where it was cut."""
    if cell_len(text) <= width:
        return text
    return set_cell_size(text, max(0, width - 1)) + "…" if width > 0 else ""


def row(cells: Iterable[tuple[str, int, str]]) -> Text:
    """Put cells side by side: text, width (negative: to the right), style. One blank between them."""
    line = Text(no_wrap=True)
    for index, (text, width, style) in enumerate(cells):
        shown = clip(text, abs(width))
        pad = " " * (abs(width) - cell_len(shown))
        line.append(" " if index else "").append(pad + shown if width < 0 else shown + pad, style)
    return line
