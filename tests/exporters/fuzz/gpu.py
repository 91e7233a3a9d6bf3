"""nvidia-smi's outputs and dcgm-exporter's page."""

import math
import re

from exporters import gpu_dcgm, gpu_smi_csv, gpu_smi_xml
from exporters.gpu_devices import FIGURES, Census
from tests.exporters import smi_texts as texts
from tests.exporters.fuzz import Case
from tests.exporters.test_gpu import PAGE

_PARSER = gpu_dcgm.parser()
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?", re.ASCII)
_SCALES = (1.0, 2.0**20, 1e6, 2.0**10, 2.0**30, 1e9)
_PARTS = (100.0, 1e3)
_SUMS = frozenset({"memory_total_bytes", "correctable_ecc_errors", "uncorrectable_ecc_errors"})
"""Figures that may be the sum of several numbers."""


def _told(census: Census, text: str) -> None:
    """Fail where a figure is no number of the text in base units, and not counted as implausible either."""
    if not census.devices:
        return
    written = {float(number) for number in _NUMBER.findall(text)} | {0.0, 1.0}
    possible = {number * scale for number in written for scale in _SCALES}
    possible |= {number / part for number in written for part in _PARTS}
    for reading in census.devices.values():
        for name, value in reading.values.items():
            figure = FIGURES[name]
            assert math.isfinite(value)
            assert figure.least <= value <= figure.most or name == "memory_total_bytes"
            clamped = value == figure.most and census.implausible.get(name, 0) > 0
            assert value in possible or name in _SUMS or clamped, (name, value)


def _table(data: bytes) -> None:
    text = data.decode(errors="replace")
    census, _ = gpu_smi_csv.read(text)
    _told(census, text)
    rows = [row for row in text.splitlines() if row.strip()]
    # What is left out is counted: all but the head is a GPU, a GPU that cannot be asked, a warning, or malformed.
    told = sum(row.strip().startswith(("WARNING:", "No devices")) for row in rows)
    assert len(census.devices) + census.malformed + census.unreachable + told >= len(set(rows)) - 1 - _doubled(rows)


def _doubled(rows: list[str]) -> int:
    """Return how many rows are of a GPU that has one already."""
    first = [tuple(cell.strip() for cell in row.split(",")[:3]) for row in rows]
    return len(first) - len(set(first))


def _xml(data: bytes) -> None:
    text = data.decode(errors="replace")
    census = gpu_smi_xml.read(text, gpu_smi_xml.read_list(text))
    _told(census, text)
    assert census.devices or census.malformed or "<gpu " not in text


def _page(data: bytes) -> None:
    _told(gpu_dcgm.read(_PARSER.parse(data)), data.decode(errors="replace"))


def _refused(data: bytes) -> None:
    query = gpu_smi_csv.without_refused_field(gpu_smi_csv.QUERY, data.decode(errors="replace"))
    assert query is None or len(query) <= len(gpu_smi_csv.QUERY)


CASES = [
    Case("nvidia-smi-table", [texts.TABLE.encode()], _table),
    Case("nvidia-smi-xml", [texts.NEW_XML.encode(), texts.OLD_XML.encode(), texts.LIST.encode()], _xml),
    Case("nvidia-smi-refusal", [b'Field "clocks_event_reasons.active" is not a valid field to query.\n'], _refused),
    Case("dcgm-exporter-page", [PAGE], _page),
]
