"""GPUs from nvidia-smi: tables, XML of several versions, MIG, and what a stand-in on PATH does to a scrape."""

import re
import time
from dataclasses import replace
from pathlib import Path

import pytest
from prometheus_client import generate_latest

from exporters.collector import Context, OptionError
from exporters.gpu import COLLECTOR
from exporters.gpu_devices import Absence, Device
from exporters.gpu_smi_csv import QUERY, read, without_refused_field
from exporters.gpu_smi_values import value
from exporters.gpu_smi_xml import read as read_xml
from exporters.gpu_smi_xml import read_list
from exporters.runner import _Families
from tests.exporters import smi_texts as texts
from tests.exporters.exposition import Samples, check_metrics

FIRST = Device("0", "GPU-a", "NVIDIA H100")
SLICE = Device("0", "GPU-a", "NVIDIA H100", "3g.40gb", "3")


def context(folder: Path, script: str | None, **options: str) -> Context:
    """Return a context on whose PATH `script` is nvidia-smi."""
    if script is not None:
        (folder / "nvidia-smi").write_text(f"#!/bin/sh\n{script}\n")
        (folder / "nvidia-smi").chmod(0o755)
    chosen = {name.replace("_", "-"): [text] for name, text in options.items()}
    return Context(environment={"PATH": f"{folder}:/usr/bin:/bin"}, options=chosen)


def said(text: str) -> str:
    """Return shell text that prints `text`."""
    return f"cat <<'END'\n{text}END\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("81559 MiB", 81559 * 2.0**20),
        ("50 %", 0.5),
        ("69.85 W", 69.85),
        ("345 MHz", 345e6),
        ("41", 41),
        ("[N/A]", Absence.NOT_OFFERED),
        ("[Not Supported]", Absence.NOT_OFFERED),
        ("Requested functionality has been deprecated", Absence.NOT_OFFERED),
        ("[Insufficient Permissions]", Absence.REFUSED),
        ("[Not Found]", Absence.NOT_OFFERED),
        ("[Unknown Error]", Absence.FAILED),
        ("[GPU is lost]", Absence.FAILED),
        ("GPU requires reset", Absence.FAILED),
        ("ERR!", Absence.FAILED),
        ("94 %", 0.94),
        ("1_000 MiB", None),
        ("5 parsecs", None),
    ],
)
def test_a_value(text: str, expected: object) -> None:
    """Units become base units; why there is none is told apart."""
    assert value(text) == expected


def test_a_table() -> None:
    """Columns go by the header; refused is refused, failed is failed, no zero stands for either."""
    census, divided = read(texts.TABLE)
    assert not divided
    first, second = census.devices.values()
    assert first.values == {
        "utilization_ratio": 0.5,
        "memory_total_bytes": 81559 * 2.0**20,
        "power_watts": 69.85,
        "sm_clock_hertz": 345e6,
        "temperature_celsius": 41,
        "row_remap_failure": 0,
    }
    assert (first.throttle, second.throttle) == (4, None)
    assert first.absent == {"memory_temperature_celsius": Absence.NOT_OFFERED}
    assert second.absent == {"utilization_ratio": Absence.REFUSED, "power_watts": Absence.FAILED}
    assert second.values["row_remap_failure"] == 1
    assert census.malformed == 0
    assert [device.model for device in census.devices] == ["NVIDIA H100"] * 2


def test_units_of_a_header_alone() -> None:
    """With `nounits` only the header has them, without a header's a column has its usual one."""
    census, _ = read("index, memory.used [MiB], power.draw [W], clocks.sm\n0, 24, 5.5, 100\n")
    (reading,) = census.devices.values()
    assert reading.values == {"memory_used_bytes": 24 * 2.0**20, "power_watts": 5.5, "sm_clock_hertz": 100e6}


def test_the_enforced_power_limit_counts() -> None:
    """Whichever of the two limits comes first in the table."""
    (reading,) = read("index, power.limit [W], enforced.power.limit [W]\n0, 700.00 W, 500.00 W\n")[0].devices.values()
    assert reading.values == {"power_limit_watts": 500}


def test_a_row_with_a_cell_too_few_is_counted() -> None:
    """It is left out whole: nobody knows which cell is missing."""
    census, _ = read("index, uuid\n0\n1, GPU-b\n")
    assert (census.malformed, list(census.devices)) == (1, [Device("1", "GPU-b")])
    assert read("nonsense\n")[0].malformed == 1


def test_what_is_said_around_a_table() -> None:
    """Warnings are no rows; a GPU that cannot be asked is counted as that, whether it has a row or not."""
    census, _ = read(
        "WARNING: infoROM is corrupted at gpu 0000:17:00.0\n"
        "Unable to determine the device handle for GPU 0000:3B:00.0: GPU is lost.  Reboot the system to recover "
        "this GPU\n"
        "index, uuid, power.draw [W]\n0, GPU-a, 5.00 W\n1, GPU-b, [GPU is lost]\n"
        "[GPU is lost], [GPU is lost], [GPU is lost]\n"
        "WARNING: infoROM is corrupted at gpu 0000:17:00.0\n"
    )
    assert (census.malformed, census.unreachable) == (0, 2)
    first, second = census.devices.values()
    assert first.values == {"power_watts": 5}
    assert second.absent == {"power_watts": Absence.FAILED}
    assert read("No devices were found\n")[0].malformed == 0


def test_xml_of_a_new_driver() -> None:
    """Average power, event reasons, a MIG device with its profile from the list."""
    census = read_xml(texts.NEW_XML, read_list(texts.LIST))
    whole, part = census.devices[FIRST], census.devices[SLICE]
    assert whole.values == {
        "memory_total_bytes": 2.0**30,
        "memory_used_bytes": 24 * 2.0**20,
        "memory_free_bytes": 1000 * 2.0**20,
        "memory_copy_utilization_ratio": 0.07,
        "power_watts": 139.62,
        "power_limit_watts": 320,
        "sm_clock_hertz": 1275e6,
        "memory_clock_hertz": 1593e6,
        "temperature_celsius": 27,
        "pcie_replays": 2,
        "correctable_ecc_errors": 3,
    }
    assert whole.throttle == 4
    assert whole.driver == "590.48.01"
    assert whole.absent["uncorrectable_ecc_errors"] is Absence.NOT_OFFERED
    assert part.values == {"memory_total_bytes": 512 * 2.0**20, "memory_used_bytes": 12 * 2.0**20}
    assert census.malformed == 0


def test_xml_of_an_old_driver() -> None:
    """The older names of power and of the reasons."""
    (reading,) = read_xml(texts.OLD_XML, {}).devices.values()
    assert (reading.values["power_watts"], reading.values["power_limit_watts"], reading.throttle) == (26.78, 70, 1)


def test_xml_between_warnings() -> None:
    """What is said before and after the document costs nothing."""
    census = read_xml(f"WARNING: a\n{texts.OLD_XML}WARNING: infoROM is corrupted\n", {})
    assert (len(census.devices), census.malformed) == (1, 0)


def test_a_lost_gpu_in_xml() -> None:
    """What the driver says instead of a name is no name, and each figure failed."""
    lost = re.sub(r">[^<>]*(GPU-a|NVIDIA H100|MiB|%| C| W|MHz)<", ">GPU is lost<", texts.OLD_XML)
    census = read_xml(lost, {})
    (device,) = census.devices
    assert (device, census.malformed) == (Device("0", ""), 0)
    assert census.devices[device].absent["temperature_celsius"] is Absence.FAILED


def test_part_of_a_sum_is_no_sum() -> None:
    """Where one of the counts of memory errors cannot be read there is none."""
    for broken, malformed in (("Unknown Error", 0), ("many", 1)):
        text = texts.OLD_XML.replace("<sram_correctable>1<", f"<sram_correctable>{broken}<")
        census = read_xml(text, {})
        (reading,) = census.devices.values()
        assert ("correctable_ecc_errors" in reading.values, census.malformed) == (False, malformed)


def test_reasons_that_are_not_told() -> None:
    """Where the driver does not say why clocks are low, it is not said that they are not."""
    text = texts.OLD_XML.replace(">Active<", ">N/A<")
    (reading,) = read_xml(text, {}).devices.values()
    assert reading.throttle is None


def test_compute_instances_share_a_gpu_instance() -> None:
    """Two of them are one MIG device, whose memory counts once, under the GPU instance's profile."""
    part = texts.NEW_XML.partition("<mig_devices>")[2].partition("</mig_devices>")[0]
    text = texts.NEW_XML.replace(part, part + part.replace("<index>0<", "<index>1<"))
    listed = texts.LIST.replace(
        "  MIG 3g.40gb     Device  0: (UUID: MIG-1)\n",
        "  MIG 1c.3g.40gb  Device  0: (UUID: MIG-1)\n  MIG 2c.3g.40gb  Device  1: (UUID: MIG-2)\n",
    )
    assert list(read_xml(text, read_list(listed)).devices) == [FIRST, SLICE]


def test_broken_xml_is_counted() -> None:
    """A document that ends too early tells nothing."""
    census = read_xml(texts.OLD_XML[:500], {})
    assert (census.devices, census.malformed) == ({}, 1)


def test_a_field_that_an_old_driver_does_not_know_is_dropped() -> None:
    """Reasons are asked for by their older name first."""
    error = 'Field "{}" is not a valid field to query.'
    query = without_refused_field(QUERY, error.format("clocks_event_reasons.active"))
    assert query is not None
    assert query[-1] == "clocks_throttle_reasons.active"
    query = without_refused_field(query, error.format("clocks_throttle_reasons.active"))
    assert query == QUERY[:-1]
    assert without_refused_field(QUERY, error.format("nonsense")) is None


def test_through_a_program_on_the_path(tmp_path: Path) -> None:
    """The collector asks it with all fields and shows what it tells, promtool has nothing to say."""
    given = context(tmp_path, f'case "$1" in --query-gpu=index,uuid,*) ;; *) exit 9;; esac\n{said(texts.TABLE)}')
    families = list(COLLECTOR.create(given).collect())
    check_metrics(generate_latest(_Families(families)))
    samples = Samples(families)
    assert samples("gpu_up", reason="") == 1
    assert samples("gpu_source_up", source="dcgm-exporter", reason="no --dcgm-url") == 0
    assert samples("gpu_source_up", source="nvidia-smi", reason="") == 1
    assert samples("gpu_power_watts", **FIRST.labels) == 69.85
    assert samples("gpu_throttled", **FIRST.labels, reason="software_power_cap") == 1
    assert samples("gpu_field_absent", **FIRST.labels, field="sm_active_ratio", reason="not offered") == 1
    assert samples("gpu_unreachable") == 0
    assert given.malformed.count == 0


def test_an_old_driver_and_a_divided_gpu(tmp_path: Path) -> None:
    """A refused field is asked for no more; where GPUs are divided the XML has their parts."""
    given = context(
        tmp_path,
        f"""echo "$1" >> {tmp_path}/asked
case "$1 $2" in
  *event_reasons*) echo 'Field "clocks_event_reasons.active" is not a valid field to query.'; exit 2;;
  --query*) {said(texts.DIVIDED)};;
  -q*) {said(texts.NEW_XML)};;
  -L*) {said(texts.LIST)};;
esac""",
    )
    samples = Samples(COLLECTOR.create(given).collect())
    assert samples("gpu_memory_used_bytes", **SLICE.labels) == 12 * 2**20
    assert samples("gpu_power_watts", **FIRST.labels) == 139.62
    asked = (tmp_path / "asked").read_text().split("\n")
    assert len(asked) - 1 == 4
    assert "clocks_throttle_reasons.active" in asked[1]


def test_one_gpu_is_lost(tmp_path: Path) -> None:
    """nvidia-smi ends with status 15 and a table of the others: they are shown, the lost one is counted."""
    lost = "Unable to determine the device handle for GPU0000:CB:00.0: Unknown Error"
    given = context(tmp_path, f"echo '{lost}'\n{said(texts.TABLE)}exit 15")
    samples = Samples(COLLECTOR.create(given).collect())
    assert samples("gpu_up", reason="") == 1
    assert samples("gpu_power_watts", **FIRST.labels) == 69.85
    assert samples("gpu_unreachable") == 1
    assert given.malformed.count == 0


def test_a_table_that_is_refused(tmp_path: Path) -> None:
    """A program that knows no tables is asked for its document."""
    given = context(tmp_path, f'case "$1" in -q) {said(texts.OLD_XML)};; *) echo Unknown option >&2; exit 2;; esac')
    samples = Samples(COLLECTOR.create(given).collect())
    assert samples("gpu_power_watts", **FIRST.labels) == 26.78
    assert given.malformed.count == 0


def test_a_program_that_fails_or_hangs(tmp_path: Path) -> None:
    """Its own words are the reason; one that hangs holds up no scrape."""
    failing = context(tmp_path, "echo No devices were found; exit 6")
    samples = Samples(COLLECTOR.create(failing).collect())
    why = "nvidia-smi ended with status 6: No devices were found"
    assert samples("gpu_source_up", source="nvidia-smi", reason=why) == 0
    assert samples("gpu_up", reason=f"dcgm-exporter: no --dcgm-url; nvidia-smi: {why}") == 0
    begun = time.monotonic()
    samples = Samples(COLLECTOR.create(context(tmp_path, "exec sleep 60")).collect())
    assert time.monotonic() - begun < 1
    assert samples("gpu_source_up", source="nvidia-smi", reason="its first run has not ended") == 0


def test_a_longer_deadline_gives_a_slow_program_its_time(tmp_path: Path) -> None:
    """As `--timeout` on the command line does."""
    given = replace(context(tmp_path, f"sleep 1\n{said(texts.TABLE)}"), within=10)
    assert Samples(COLLECTOR.create(given).collect())("gpu_up", reason="") == 1


def test_options_that_are_none(tmp_path: Path) -> None:
    """A pace out of range, a password without a user: refused with the mend."""
    with pytest.raises(OptionError, match="--gpu-every 0 is not a number of seconds"):
        COLLECTOR.create(context(tmp_path, None, gpu_every="0"))
    secret = tmp_path / "secret"
    secret.write_text("word\n")
    secret.chmod(0o600)
    with pytest.raises(OptionError, match="must hold USER:PASSWORD"):
        COLLECTOR.create(context(tmp_path, None, dcgm_url="http://127.0.0.1:1/", dcgm_password_file=str(secret)))
