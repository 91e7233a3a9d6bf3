"""PromQL as text: Grafana's variables filled in, names of metrics found, promtool asked."""

import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

_VARIABLE = re.compile(r"\$(?:\{(\w+)(?::\w+)?\}|(\w+))")
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"' + r"|'(?:[^'\\]|\\.)*'|`[^`]*`")
_LABELS = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)", re.IGNORECASE)
_NAME = re.compile(r"(?<![\w:.$])[a-zA-Z_:][\w:]*(?![\w:]|\s*\()")
_WORDS = frozenset({"and", "or", "unless", "bool", "offset", "inf", "nan", "start", "end", "by", "without", "on"})
_FUNCTION = re.compile(r"(\w+)\s*\(\s*$")


class PromtoolError(Exception):
    """An expression is refused, or promtool is not there; the text says which and what to do."""


@dataclass(frozen=True)
class Mention:
    """A metric that an expression names, and the function that it stands in, `` for none."""

    metric: str
    function: str


def fill(expr: str, variables: Mapping[str, str]) -> str:
    """Put values in the places of Grafana's variables. Raises KeyError for one that has none."""
    return _VARIABLE.sub(lambda match: variables[match[1] or match[2]], expr)


def mentions(expr: str) -> list[Mention]:
    """Return the metrics that an expression names, in their order."""
    # What is not looked at keeps its length, so that places stay what they are.
    bare = _STRING.sub(lambda match: " " * len(match[0]), expr)
    for pattern in (re.compile(r"\{[^{}]*\}"), re.compile(r"\[[^\]]*\]"), _LABELS):
        bare = pattern.sub(lambda match: " " * len(match[0]), bare)
    found = []
    for match in _NAME.finditer(bare):
        if match[0].lower() in _WORDS:
            continue
        function = _FUNCTION.search(bare[: match.start()])
        found.append(Mention(match[0], function[1] if function else ""))
    return found


def metrics(expr: str) -> frozenset[str]:
    """Return the names of the metrics that an expression needs."""
    return frozenset(mention.metric for mention in mentions(expr))


def windows(expr: str, function: str) -> list[str]:
    """Return the windows over which an expression takes a function of range vectors, as rate."""
    bare = _STRING.sub("", expr)
    return re.findall(rf"\b{function}\s*\(\s*[\w:]+\s*(?:\{{[^{{}}]*\}})?\s*\[([^\]]*)\]", bare)


PLACES = {"run": ".+", "node": ".+", "__rate_interval": "1m", "__range": "1h", "__interval": "15s"}
"""Values that make each of our expressions plain PromQL."""


def check(expressions: Iterable[str]) -> None:
    """Have promtool read expressions, as one file of rules. Raises PromtoolError."""
    binary = shutil.which("promtool")
    if binary is None:
        raise PromtoolError("no program promtool on PATH: on Debian `apt-get install prometheus`")
    distinct = sorted(set(expressions))
    rules = [{"record": f"dashcam:check:{number}", "expr": expr} for number, expr in enumerate(distinct)]
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "rules.yml"
        path.write_text(yaml.safe_dump({"groups": [{"name": "dashboards", "rules": rules}]}, sort_keys=False))
        done = subprocess.run(
            [binary, "check", "rules", str(path)], capture_output=True, text=True, check=False, timeout=60
        )
    if done.returncode:
        words = (done.stdout + done.stderr).replace(str(path), "expression").strip()
        for number, expr in reversed(list(enumerate(distinct))):
            words = words.replace(f"dashcam:check:{number}", expr)
        raise PromtoolError(words)
