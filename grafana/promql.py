"""PromQL of panels as text: Grafana's variables filled in, windows found, promtool asked."""

import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

import yaml

_VARIABLE = re.compile(r"\$(?:\{(\w+)(?::\w+)?\}|(\w+))")
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"' + r"|'(?:[^'\\]|\\.)*'|`[^`]*`")


class PromtoolError(Exception):
    """An expression is refused, or promtool is not there; the text says which and what to do."""


def fill(expr: str, variables: Mapping[str, str]) -> str:
    """Put values in the places of Grafana's variables. Raises KeyError for one that has none."""
    return _VARIABLE.sub(lambda match: variables[match[1] or match[2]], expr)


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
