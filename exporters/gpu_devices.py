"""What is known of a GPU whoever tells it: figures by our names, in base units, with the limits of the plausible."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

_TIB = 2.0**40


class Absence(StrEnum):
    """Why a figure is not there."""

    REFUSED = "refused"
    NOT_OFFERED = "not offered"
    FAILED = "failed"
    """The driver met an error when it was asked: the GPU may be lost."""


@dataclass(frozen=True)
class Figure:
    """A series: its help, the largest plausible value, whether it is a counter, and what to do beyond.

    A ratio or a rate beyond its limit is clamped (drivers overshoot a little, and DCGM 4.4.0 reports absurd rates on
    MIG devices); any other value beyond is dropped. Both are counted.
    """

    help: str
    most: float
    least: float = 0.0
    counter: bool = False
    clamped: bool = False


def _ratio(text: str) -> Figure:
    return Figure(text, 1.0, clamped=True)


def _rate(text: str, most: float) -> Figure:
    return Figure(text, most, clamped=True)


FIGURES: Mapping[str, Figure] = {
    "utilization_ratio": _ratio("Share of time in which any kernel ran; not offered for MIG devices."),
    "memory_copy_utilization_ratio": _ratio("Share of time in which device memory was read or written."),
    "encoder_utilization_ratio": _ratio("Share of time in which the encoder was busy."),
    "decoder_utilization_ratio": _ratio("Share of time in which the decoder was busy."),
    "memory_used_bytes": Figure("Device memory in use.", 4 * _TIB),
    "memory_free_bytes": Figure("Device memory free.", 4 * _TIB),
    "memory_reserved_bytes": Figure("Device memory that the driver keeps for itself.", 4 * _TIB),
    "memory_total_bytes": Figure("Device memory in all.", 4 * _TIB),
    "power_watts": Figure("Power draw.", 10_000),
    "power_limit_watts": Figure("Enforced power limit.", 10_000),
    "energy_joules": Figure("Energy since the driver was loaded.", 1e15, counter=True),
    "sm_clock_hertz": Figure("Clock of the multiprocessors.", 10e9),
    "memory_clock_hertz": Figure("Clock of the device memory.", 50e9),
    "temperature_celsius": Figure("Temperature of the GPU.", 200, least=-50),
    "memory_temperature_celsius": Figure("Temperature of the device memory.", 200, least=-50),
    "last_xid_code": Figure("Code of the last XID error; 0: none.", 100_000),
    "pcie_replays": Figure("PCIe retries.", 2.0**63, counter=True),
    "correctable_remapped_rows": Figure("Memory rows remapped for correctable errors.", 2.0**31, counter=True),
    "uncorrectable_remapped_rows": Figure("Memory rows remapped for uncorrectable errors.", 2.0**31, counter=True),
    "row_remap_failure": Figure("1 if remapping of memory rows has failed.", 1),
    "correctable_ecc_errors": Figure("Corrected ECC errors since the driver was loaded.", 2.0**63, counter=True),
    "uncorrectable_ecc_errors": Figure("Uncorrected ECC errors since the driver was loaded.", 2.0**63, counter=True),
    "graphics_active_ratio": _ratio("Share of time in which the graphics or compute engine was active."),
    "sm_active_ratio": _ratio("Share of time in which a multiprocessor had a warp, averaged over all."),
    "sm_occupancy_ratio": _ratio("Resident warps over the most that fit."),
    "tensor_active_ratio": _ratio("Share of cycles in which the tensor pipe was active."),
    "fp16_active_ratio": _ratio("Share of cycles in which the FP16 pipe was active."),
    "fp32_active_ratio": _ratio("Share of cycles in which the FP32 pipe was active."),
    "fp64_active_ratio": _ratio("Share of cycles in which the FP64 pipe was active."),
    "dram_active_ratio": _ratio("Share of cycles in which device memory moved data."),
    # PCIe 7.0 x16 and twice NVLink 5: no link carries more.
    "pcie_transmit_bytes_per_second": _rate("Bytes sent over PCIe, protocol included.", 256e9),
    "pcie_receive_bytes_per_second": _rate("Bytes received over PCIe, protocol included.", 256e9),
    "nvlink_transmit_bytes_per_second": _rate("Bytes sent over NVLink, protocol included.", 2e12),
    "nvlink_receive_bytes_per_second": _rate("Bytes received over NVLink, protocol included.", 2e12),
}
"""By name without `gpu_`. The names of counters get `_total` when they are written."""

PROFILING = tuple(name for name in FIGURES if name.endswith(("_active_ratio", "_occupancy_ratio", "_bytes_per_second")))
"""The figures of DCGM's profiling module."""

THROTTLE_REASONS: Mapping[str, int] = {
    "idle": 0x1,
    "applications_clocks": 0x2,
    "software_power_cap": 0x4,
    "hardware_slowdown": 0x8,
    "sync_boost": 0x10,
    "software_thermal": 0x20,
    "hardware_thermal": 0x40,
    "hardware_power_brake": 0x80,
    "display_clocks": 0x100,
}
"""nvml.h, nvmlClocksEventReasons: why the clocks are lower than they might be."""


@dataclass(frozen=True)
class Device:
    """A GPU, or a MIG device of one: then `mig_id` is its GPU instance."""

    gpu: str
    uuid: str
    model: str = ""
    mig_profile: str = ""
    mig_id: str = ""

    @property
    def labels(self) -> dict[str, str]:
        """The labels of its series; the two for MIG are empty for a whole GPU."""
        return vars(self).copy()


@dataclass
class Reading:
    """One device's figures at one moment, by names of FIGURES; `throttle` is the mask of THROTTLE_REASONS."""

    values: dict[str, float] = field(default_factory=dict)
    throttle: int | None = None
    absent: dict[str, Absence] = field(default_factory=dict)
    jobs: set[str] = field(default_factory=set)
    driver: str = ""


@dataclass
class Census:
    """All devices that a source told of. `malformed` values could not be read; `implausible` ones by figure.

    `unreachable` are GPUs that the source knows of and cannot ask.
    """

    devices: dict[Device, Reading] = field(default_factory=dict)
    malformed: int = 0
    implausible: dict[str, int] = field(default_factory=dict)
    unreachable: int = 0

    def reading(self, device: Device) -> Reading:
        """Return the device's reading, an empty one at first."""
        return self.devices.setdefault(device, Reading())

    def put(self, device: Device, name: str, value: float) -> None:
        """Take up a value in base units; the first of a figure counts."""
        reading, figure = self.reading(device), FIGURES[name]
        if math.isnan(value) or math.isinf(value):
            self.malformed += 1
            return
        if name in reading.values:
            return
        if not figure.least <= value <= figure.most:
            self.implausible[name] = self.implausible.get(name, 0) + 1
            if value < figure.least or not figure.clamped:
                return
            value = figure.most
        reading.values[name] = value

    def take(self, device: Device, name: str, value: float | Absence | None) -> None:
        """Take up a value, or why there is none; None is one that could not be read."""
        if value is None:
            self.malformed += 1
        elif isinstance(value, Absence):
            self.lacks(device, name, value)
        else:
            self.put(device, name, value)

    def throttled(self, device: Device, mask: int | Absence | None) -> None:
        """Take up why the clocks are low; None is a mask that could not be read."""
        if mask is None:
            self.malformed += 1
        elif not isinstance(mask, Absence):
            self.reading(device).throttle = mask

    def complete(self) -> None:
        """Note which profiling figures no device has: they need rights that an ordinary job seldom has."""
        for device, reading in self.devices.items():
            for name in PROFILING:
                if name not in reading.values and name not in reading.absent:
                    self.lacks(device, name, Absence.NOT_OFFERED)

    def lacks(self, device: Device, name: str, why: Absence) -> None:
        """Note that a figure is not to be had; that it is refused or failed says more than that it is not offered."""
        absent = self.reading(device).absent
        if absent.get(name, Absence.NOT_OFFERED) is Absence.NOT_OFFERED:
            absent[name] = why
