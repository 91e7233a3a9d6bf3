"""Values as nvidia-smi writes them (`81559 MiB`, `[N/A]`), in base units or as the reason why there is none."""

import re

from exporters.gpu_devices import Absence

_VALUE = re.compile(r"(-?[0-9]{1,15}(?:\.[0-9]{1,9})?)(?:\s*([A-Za-z%/]+))?", re.ASCII)
_SCALE = {
    "": 1.0,
    "%": 0.01,
    "KiB": 2.0**10,
    "MiB": 2.0**20,
    "GiB": 2.0**30,
    "MHz": 1e6,
    "GHz": 1e9,
    "mW": 1e-3,
    "W": 1.0,
    "C": 1.0,
}
_WORDS = {"Yes": 1.0, "No": 0.0}
_NOT_OFFERED = frozenset({"N/A", "Not Supported", "None", "Requested functionality has been deprecated", ""})


def value(text: str, unit: str = "") -> float | Absence | None:
    """Return the number that `text` is, in base units; `unit` counts where it names none.

    None: it is neither a number nor a word of nvidia-smi's for that there is none.
    """
    word = text.strip().removeprefix("[").removesuffix("]").strip()
    if word in _NOT_OFFERED:
        return Absence.NOT_OFFERED
    if word == "Insufficient Permissions":
        return Absence.REFUSED
    if word in _WORDS:
        return _WORDS[word]
    found = _VALUE.fullmatch(word)
    scale = _SCALE.get(found[2] or unit) if found else None
    return None if found is None or scale is None else float(found[1]) * scale


def mask(text: str) -> int | Absence | None:
    """Return the mask that `text` is, written as 0x0000000000000004."""
    found = re.fullmatch(r"0x([0-9a-fA-F]{1,16})", text.strip())
    if found:
        return int(found[1], 16)
    read = value(text)
    return read if isinstance(read, Absence) else None
