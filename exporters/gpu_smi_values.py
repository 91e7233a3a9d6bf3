"""Values as nvidia-smi writes them (`81559 MiB`, `[N/A]`), in base units or as the reason why there is none."""

import re

from exporters.gpu_devices import Absence

_VALUE = re.compile(r"(-?[0-9]{1,15}(?:\.[0-9]{1,9})?)(?:\s*([A-Za-z%/]+))?", re.ASCII)
_SCALE = {
    "": (1.0, 1.0),
    "%": (1.0, 100.0),
    "KiB": (2.0**10, 1.0),
    "MiB": (2.0**20, 1.0),
    "MB": (2.0**20, 1.0),
    "GiB": (2.0**30, 1.0),
    "MHz": (1e6, 1.0),
    "GHz": (1e9, 1.0),
    "mW": (1.0, 1e3),
    "W": (1.0, 1.0),
    "C": (1.0, 1.0),
}
"""What a value is multiplied and divided by: 0.94 is 94 / 100, and not 94 * 0.01. Old drivers wrote MB for MiB."""

_WORDS = {"yes": 1.0, "no": 0.0}
_NOT_OFFERED = frozenset(
    {
        "",
        "deprecated",
        "function not found",
        "n/a",
        "none",
        "not available",
        "not found",
        "not supported",
        "requested functionality has been deprecated",
    }
)
_REFUSED = frozenset({"insufficient permissions", "no permission"})
_FAILED = frozenset(
    {
        "err!",
        "gpu access blocked by the operating system",
        "gpu is lost",
        "gpu requires reset",
        "reset required",
        "timeout",
        "unknown error",
    }
)
"""nvmlErrorString's texts, which nvidia-smi writes in place of a value, with brackets around them in tables."""


def value(text: str, unit: str = "") -> float | Absence | None:
    """Return the number that `text` is, in base units; `unit` counts where it names none.

    None: it is neither a number nor a word of nvidia-smi's for that there is none.
    """
    written = text.strip().removeprefix("[").removesuffix("]").strip()
    word = written.lower()
    for words, why in ((_NOT_OFFERED, Absence.NOT_OFFERED), (_REFUSED, Absence.REFUSED), (_FAILED, Absence.FAILED)):
        if word in words:
            return why
    if word in _WORDS:
        return _WORDS[word]
    found = _VALUE.fullmatch(written)
    scale = _SCALE.get(found[2] or unit) if found else None
    return None if found is None or scale is None else float(found[1]) * scale[0] / scale[1]


def mask(text: str) -> int | Absence | None:
    """Return the mask that `text` is, written as 0x0000000000000004."""
    found = re.fullmatch(r"0x([0-9a-fA-F]{1,16})", text.strip())
    if found:
        return int(found[1], 16)
    read = value(text)
    return read if isinstance(read, Absence) else None
