"""nvidia-smi's outputs and dcgm-exporter's page."""

import math

from exporters import gpu_dcgm, gpu_smi_csv, gpu_smi_xml
from exporters.gpu_devices import FIGURES, Census
from tests.exporters import smi_texts as texts
from tests.exporters.fuzz import Case
from tests.exporters.test_gpu import PAGE

_PARSER = gpu_dcgm.parser()


def _plausible(census: Census) -> None:
    for reading in census.devices.values():
        for name, value in reading.values.items():
            assert math.isfinite(value)
            assert FIGURES[name].least <= value <= FIGURES[name].most or name == "memory_total_bytes"


def _table(data: bytes) -> None:
    _plausible(gpu_smi_csv.read(data.decode(errors="replace"))[0])


def _xml(data: bytes) -> None:
    text = data.decode(errors="replace")
    _plausible(gpu_smi_xml.read(text, gpu_smi_xml.read_list(text)))


def _page(data: bytes) -> None:
    _plausible(gpu_dcgm.read(_PARSER.parse(data)))


CASES = [
    Case("nvidia-smi-table", [texts.TABLE.encode()], _table),
    Case("nvidia-smi-xml", [texts.NEW_XML.encode(), texts.OLD_XML.encode(), texts.LIST.encode()], _xml),
    Case("dcgm-exporter-page", [PAGE], _page),
]
