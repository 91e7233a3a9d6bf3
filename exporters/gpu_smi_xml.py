"""What `nvidia-smi -q -x` prints, of DTDs v10 to v13; MIG devices are only in there."""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from exporters.gpu_devices import THROTTLE_REASONS, Absence, Census, Device
from exporters.gpu_smi_values import value

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

_POWER = ("gpu_power_readings", "power_readings")
_PATHS: Mapping[str, tuple[str, ...]] = {
    "utilization_ratio": ("utilization/gpu_util",),
    "memory_copy_utilization_ratio": ("utilization/memory_util",),
    "encoder_utilization_ratio": ("utilization/encoder_util",),
    "decoder_utilization_ratio": ("utilization/decoder_util",),
    "power_watts": tuple(
        f"{part}/{name}" for name in ("power_draw", "average_power_draw", "instant_power_draw") for part in _POWER
    ),
    "power_limit_watts": tuple(
        f"{part}/{name}" for name in ("enforced_power_limit", "current_power_limit", "power_limit") for part in _POWER
    ),
    "sm_clock_hertz": ("clocks/sm_clock",),
    "memory_clock_hertz": ("clocks/mem_clock",),
    "temperature_celsius": ("temperature/gpu_temp",),
    "memory_temperature_celsius": ("temperature/memory_temp",),
    "pcie_replays": ("pci/replay_counter",),
    "correctable_remapped_rows": ("remapped_rows/remapped_row_corr",),
    "uncorrectable_remapped_rows": ("remapped_rows/remapped_row_unc",),
    "row_remap_failure": ("remapped_rows/remapped_row_failure",),
}
"""Where a figure may be, by version; the first that has a value counts."""

_MEMORY = ("total", "reserved", "used", "free")
_ECC = {
    "correctable_ecc_errors": re.compile(r"(?:sram|dram)_correctable|single_bit"),
    "uncorrectable_ecc_errors": re.compile(r"(?:sram|dram)_uncorrectable(?:_parity|_secded)?|double_bit"),
}
_REASONS: Mapping[str, str] = {
    "gpu_idle": "idle",
    "applications_clocks_setting": "applications_clocks",
    "sw_power_cap": "software_power_cap",
    "hw_slowdown": "hardware_slowdown",
    "sync_boost": "sync_boost",
    "sw_thermal_slowdown": "software_thermal",
    "hw_thermal_slowdown": "hardware_thermal",
    "hw_power_brake_slowdown": "hardware_power_brake",
    "display_clocks_setting": "display_clocks",
}
_END = "</nvidia_smi_log>"
_LISTED = re.compile(r"\s+MIG (?:[0-9]+c\.)?(\S+)\s+Device\s+([0-9]+):.*")
"""A compute instance's profile, 1c.3g.40gb, is that of its GPU instance, 3g.40gb, with its own share before it."""

_GPU = re.compile(r"GPU ([0-9]+):.*\(UUID: (GPU-[^)]*)\)")

Profiles = Mapping[tuple[str, str], str]
"""MIG profiles by the GPU's UUID and the MIG device's index."""


def read_list(text: str) -> Profiles:
    """Return the profiles that `nvidia-smi -L` names; -q does not."""
    found: dict[tuple[str, str], str] = {}
    uuid = ""
    for row in text.splitlines():
        if gpu := _GPU.fullmatch(row.rstrip()):
            uuid = gpu[2]
        elif listed := _LISTED.fullmatch(row):
            found.setdefault((uuid, listed[2]), listed[1])
    return found


def read(text: str, profiles: Profiles) -> Census:
    """Return the GPUs and MIG devices. A GPU's index is its place: it is written nowhere else."""
    from xml.etree import ElementTree as ET  # noqa: PLC0415 - only nodes with such a nvidia-smi need it

    census = Census()
    # Warnings may stand before the document and after it.
    document = text[max(0, text.find("<")) :].partition(_END)
    try:
        root = ET.fromstring("".join(document[:2]))  # noqa: S314 - printed by the driver's own program
    except (ET.ParseError, ValueError):
        census.malformed += 1
        return census
    driver = (root.findtext("driver_version") or "").strip()
    for index, gpu in enumerate(root.findall("gpu")):
        whole = Device(str(index), _word(gpu, "uuid"), _word(gpu, "product_name"))
        census.reading(whole).driver = driver
        _figures(census, whole, gpu)
        seen: set[str] = set()
        for part in gpu.findall("mig_devices/mig_device"):
            number = _text(part, "gpu_instance_id")
            profile = profiles.get((whole.uuid, _text(part, "index")), "")
            device = Device(whole.gpu, whole.uuid, whole.model, profile, number)
            if not number.isdecimal():
                census.malformed += 1
            elif number not in seen:
                # Compute instances of one GPU instance share its memory.
                seen.add(number)
                _memory(census, device, part)
    return census


def _text(element: "Element", path: str) -> str:
    return (element.findtext(path) or "").strip()


def _word(element: "Element", path: str) -> str:
    """Return a text; "" where the driver says why there is none."""
    text = _text(element, path)
    return "" if isinstance(value(text), Absence) else text


def _memory(census: Census, device: Device, element: "Element") -> None:
    for part in _MEMORY:
        text = element.findtext(f"fb_memory_usage/{part}")
        if text is not None:
            census.take(device, f"memory_{part}_bytes", value(text, "MiB"))


def _figures(census: Census, device: Device, gpu: "Element") -> None:
    _memory(census, device, gpu)
    for figure, paths in _PATHS.items():
        texts = [text for path in paths if (text := gpu.findtext(path)) is not None]
        values = [value(text) for text in texts]
        chosen = next((one for one in values if isinstance(one, float)), values[0] if values else Absence.NOT_OFFERED)
        census.take(device, figure, chosen)
    volatile = gpu.find("ecc_errors/volatile")
    for figure, pattern in _ECC.items():
        parts = [] if volatile is None else [part for part in volatile if pattern.fullmatch(part.tag)]
        counts = [value(part.findtext("total") or part.text or "") for part in parts]
        numbers = [count for count in counts if isinstance(count, float)]
        if None in counts or Absence.FAILED in counts:
            # Part of a sum is no sum.
            census.take(device, figure, None if None in counts else Absence.FAILED)
        else:
            census.take(device, figure, sum(numbers) if numbers else counts[0] if counts else Absence.NOT_OFFERED)
    for kind in ("event", "throttle"):
        reasons = gpu.find(f"clocks_{kind}_reasons")
        if reasons is not None:
            states = {name: _text(reasons, f"clocks_{kind}_reason_{tag}") for tag, name in _REASONS.items()}
            if {"Active", "Not Active"} & set(states.values()):
                census.throttled(
                    device, sum(THROTTLE_REASONS[name] for name, state in states.items() if state == "Active")
                )
