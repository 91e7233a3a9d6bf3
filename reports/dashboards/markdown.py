"""A small, safe part of Markdown as a tree that the page builds by hand: nothing of it is ever parsed as HTML there.

A block is [tag, inline...]; inline is a text or [tag, inline...], a link [a, address, inline...].
"""

import re
from collections.abc import Callable
from html import unescape
from typing import Any

_INLINE = re.compile(
    r"`([^`]+)`|\*\*(.+?)\*\*|__(.+?)__|(?<![\w*])\*([^*\s][^*]*)\*|(?<!\w)_([^_\s][^_]*)_(?!\w)"
    r"|!?\[([^\]]{0,500})\]\(([^)\s]{1,2000})(?:\s[^)]{0,500})?\)|<(https?://[^>\s]{1,2000})>"
)
_BEGINS = re.compile(r"\s*([-*+|]|\d+[.)]|#{1,6}|>|```)\s*")
"""What ends a paragraph."""
Tree = list[Any]


def blocks(text: str) -> Tree:
    """Return the blocks of a Markdown text; HTML in it is cut down to its text."""
    found: Tree = []
    lines = text.replace("\r", "").split("\n")
    while lines:
        _block(lines, found)
    return found


def _block(lines: list[str], found: Tree) -> None:
    line = lines.pop(0)
    if line.strip().startswith("```"):
        found.append(["pre", "\n".join(_taken(lines, lambda one: not one.strip().startswith("```")))])
        del lines[:1]
    elif match := re.match(r"(#{1,6})\s+(.*)", line):
        found.append([f"h{min(4, len(match[1]))}", *inline(match[2].rstrip().rstrip("#").rstrip())])
    elif re.fullmatch(r"\s*([-*_])(\s*\1){2,}\s*", line):
        found.append(["hr"])
    elif match := re.match(r"\s*(?:([-*+])|\d+[.)])\s+(.*)", line):
        tag = "ul" if match[1] else "ol"
        if not found or found[-1][0] != tag:
            found.append([tag])
        found[-1].append(["li", *inline(match[2])])
    elif line.lstrip().startswith("|"):  # a table, as it is written
        rows = [line, *_taken(lines, lambda one: one.lstrip().startswith("|"))]
        found.append(["pre", "\n".join(plain(row).strip() for row in rows if re.search(r"[^\s|:-]", row))])
    elif line.lstrip().startswith(">"):
        found.append(["blockquote", *inline(line.lstrip()[1:].strip())])
    elif line.strip():
        more = _taken(lines, lambda one: bool(one.strip()) and not _BEGINS.match(one))
        if parts := inline(" ".join(part.strip() for part in (line, *more))):
            found.append(["p", *parts])


def _taken(lines: list[str], belongs: Callable[[str], bool]) -> list[str]:
    """Take the first lines away, as long as they belong."""
    found = []
    while lines and belongs(lines[0]):
        found.append(lines.pop(0))
    return found


def inline(text: str) -> Tree:
    """Return the inline parts of a text."""
    found: Tree = []
    place = 0
    text = plain(text, keep=True)
    for match in _INLINE.finditer(text):
        found += [text[place : match.start()]] if match.start() > place else []
        found.append(_part(match))
        place = match.end()
    return [*found, text[place:]] if place < len(text) else found


def _part(match: re.Match[str]) -> Tree:
    code, bold, bold_too, italic, italic_too, label, address, bare = match.groups()
    if code:
        return ["code", code]
    if bold or bold_too:
        return ["b", *inline(bold or bold_too)]
    if italic or italic_too:
        return ["i", *inline(italic or italic_too)]
    if re.match(r"https?://", bare or address) and not match[0].startswith("!"):
        return ["a", bare or address, label or bare or address]
    return ["i", label or address]


def plain(text: str, *, keep: bool = False) -> str:
    """Return the text of HTML: no tags, no scripts, no styles. `keep` leaves <https://...> as Markdown has it."""
    text = re.sub(r"(?is)<(script|style)\b.*?(</\1\s*>|$)", "", text)
    text = re.sub(r"<!--.*?(-->|$)", "", text, flags=re.DOTALL)
    if not keep:
        text = re.sub(r"(?i)<(br|/p|/div|/li|/h\d|/tr)\b[^>]*>", "\n", text)
    text = re.sub(r"</?(?!https?://)[a-zA-Z!][^>]*>", "", text)
    return unescape(text)
