"""Regular expressions as Grafana's JavaScript writes them: /.../flags or bare, named groups without a P."""

import re

_NESTED = re.compile(r"\((?:[^()\\]|\\.)*(?:(?:[^\\(?]|\\.)[+*]|\{\d+,\d*\})(?:[^()\\]|\\.)*\)(?:[+*]|\{\d+,\d*\})")
"""A repetition of what holds a repetition, `(a+)+`: tried in exponential time, with no way to stop it."""


def slow(written: str) -> bool:
    """Tell whether an expression may take for ever."""
    return _NESTED.search(written) is not None


def compiled(written: str, *, whole: bool) -> re.Pattern[str]:
    """Read an expression; `whole` where a bare one is meant from beginning to end. Raises re.error."""
    match = re.fullmatch(r"/(.*)/([a-z]*)", written, re.DOTALL)
    body, flags = (match[1], match[2]) if match else (f"^{written}$" if whole else written, "")
    if slow(body):
        raise re.error("it repeats a repetition, which may take for ever")
    return re.compile(re.sub(r"\(\?<(?![=!])", "(?P<", body), re.IGNORECASE if "i" in flags else 0)
