"""dcgm-exporter's page: names, units and sentinels of DCGM (dcgm_fields.h, dcgm_structs.h), labels of its versions."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from exporters.exposition import Page, Parser, Sample
from exporters.figures import whole
from exporters.gpu_devices import Absence, Census, Device

_MIB = 2.0**20


@dataclass(frozen=True)
class Field:
    """Our name of a DCGM field. Its value times `scale`, divided by `per`, is in base units.

    Where two fields have one name the one with the smaller `rank` counts.
    """

    figure: str
    scale: float = 1.0
    per: float = 1.0
    rank: int = 0


FIELDS: Mapping[str, Field] = {
    "DCGM_FI_DEV_GPU_UTIL": Field("utilization_ratio", per=100),
    "DCGM_FI_DEV_MEM_COPY_UTIL": Field("memory_copy_utilization_ratio", per=100),
    "DCGM_FI_DEV_ENC_UTIL": Field("encoder_utilization_ratio", per=100),
    "DCGM_FI_DEV_DEC_UTIL": Field("decoder_utilization_ratio", per=100),
    "DCGM_FI_DEV_FB_USED": Field("memory_used_bytes", _MIB),
    "DCGM_FI_DEV_FB_FREE": Field("memory_free_bytes", _MIB),
    "DCGM_FI_DEV_FB_RESERVED": Field("memory_reserved_bytes", _MIB),
    "DCGM_FI_DEV_FB_TOTAL": Field("memory_total_bytes", _MIB),
    "DCGM_FI_DEV_POWER_USAGE": Field("power_watts"),
    "DCGM_FI_DEV_ENFORCED_POWER_LIMIT": Field("power_limit_watts"),
    "DCGM_FI_DEV_POWER_MGMT_LIMIT": Field("power_limit_watts", rank=1),
    "DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION": Field("energy_joules", per=1e3),
    "DCGM_FI_DEV_SM_CLOCK": Field("sm_clock_hertz", 1e6),
    "DCGM_FI_DEV_MEM_CLOCK": Field("memory_clock_hertz", 1e6),
    "DCGM_FI_DEV_GPU_TEMP": Field("temperature_celsius"),
    "DCGM_FI_DEV_MEMORY_TEMP": Field("memory_temperature_celsius"),
    "DCGM_FI_DEV_XID_ERRORS": Field("last_xid_code"),
    "DCGM_FI_DEV_PCIE_REPLAY_COUNTER": Field("pcie_replays"),
    "DCGM_FI_DEV_CORRECTABLE_REMAPPED_ROWS": Field("correctable_remapped_rows"),
    "DCGM_FI_DEV_UNCORRECTABLE_REMAPPED_ROWS": Field("uncorrectable_remapped_rows"),
    "DCGM_FI_DEV_ROW_REMAP_FAILURE": Field("row_remap_failure"),
    "DCGM_FI_DEV_ECC_SBE_VOL_TOTAL": Field("correctable_ecc_errors"),
    "DCGM_FI_DEV_ECC_DBE_VOL_TOTAL": Field("uncorrectable_ecc_errors"),
    "DCGM_FI_PROF_GR_ENGINE_ACTIVE": Field("graphics_active_ratio"),
    "DCGM_FI_PROF_SM_ACTIVE": Field("sm_active_ratio"),
    "DCGM_FI_PROF_SM_OCCUPANCY": Field("sm_occupancy_ratio"),
    "DCGM_FI_PROF_PIPE_TENSOR_ACTIVE": Field("tensor_active_ratio"),
    "DCGM_FI_PROF_PIPE_FP16_ACTIVE": Field("fp16_active_ratio"),
    "DCGM_FI_PROF_PIPE_FP32_ACTIVE": Field("fp32_active_ratio"),
    "DCGM_FI_PROF_PIPE_FP64_ACTIVE": Field("fp64_active_ratio"),
    "DCGM_FI_PROF_DRAM_ACTIVE": Field("dram_active_ratio"),
    "DCGM_FI_PROF_PCIE_TX_BYTES": Field("pcie_transmit_bytes_per_second"),
    "DCGM_FI_PROF_PCIE_RX_BYTES": Field("pcie_receive_bytes_per_second"),
    "DCGM_FI_PROF_NVLINK_TX_BYTES": Field("nvlink_transmit_bytes_per_second"),
    "DCGM_FI_PROF_NVLINK_RX_BYTES": Field("nvlink_receive_bytes_per_second"),
}
"""DCGM_FI_DEV_NVLINK_BANDWIDTH_TOTAL is not among them: what its unit is differs between versions."""

_THROTTLE = frozenset({"DCGM_FI_DEV_CLOCK_THROTTLE_REASONS", "DCGM_FI_DEV_CLOCKS_EVENT_REASONS"})
_OLD_NAMES: Mapping[str, str] = {
    "dcgm_dec_utilization": "DCGM_FI_DEV_DEC_UTIL",
    "dcgm_ecc_dbe_volatile_total": "DCGM_FI_DEV_ECC_DBE_VOL_TOTAL",
    "dcgm_ecc_sbe_volatile_total": "DCGM_FI_DEV_ECC_SBE_VOL_TOTAL",
    "dcgm_enc_utilization": "DCGM_FI_DEV_ENC_UTIL",
    "dcgm_fb_free": "DCGM_FI_DEV_FB_FREE",
    "dcgm_fb_used": "DCGM_FI_DEV_FB_USED",
    "dcgm_gpu_temp": "DCGM_FI_DEV_GPU_TEMP",
    "dcgm_gpu_utilization": "DCGM_FI_DEV_GPU_UTIL",
    "dcgm_mem_copy_utilization": "DCGM_FI_DEV_MEM_COPY_UTIL",
    "dcgm_memory_clock": "DCGM_FI_DEV_MEM_CLOCK",
    "dcgm_memory_temp": "DCGM_FI_DEV_MEMORY_TEMP",
    "dcgm_pcie_replay_counter": "DCGM_FI_DEV_PCIE_REPLAY_COUNTER",
    "dcgm_power_usage": "DCGM_FI_DEV_POWER_USAGE",
    "dcgm_sm_clock": "DCGM_FI_DEV_SM_CLOCK",
    "dcgm_total_energy_consumption": "DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION",
    "dcgm_xid_errors": "DCGM_FI_DEV_XID_ERRORS",
}
"""Names of dcgm-exporter 1.x, which later ones still write when they are given its list of fields."""

_MEMORY_TEMPERATURE = "memory_temperature_celsius"


def parser() -> Parser:
    """Return a parser that keeps what DCGM tells of GPUs; switches, links and CPUs have fields of other names."""
    return Parser(lambda name: _known(name) is not None)


def _known(name: str) -> str | None:
    """Return DCGM's name of a field that we show; None for others."""
    full = _OLD_NAMES.get(name, name.upper() if name.startswith("dcgm_fi_") else name)
    return full if full in FIELDS or full in _THROTTLE else None


def read(page: Page) -> Census:
    """Return the devices of a page. A series that a job mapping repeats counts once."""
    census = Census(malformed=page.malformed)
    labelled = [(sample, _Labels(sample.labels)) for sample in page.samples]
    devices = _devices(words for _, words in labelled)
    fields = [(sample, words, _known(sample.name) or "") for sample, words in labelled]
    for sample, words, name in sorted(fields, key=lambda one: FIELDS[one[2]].rank if one[2] in FIELDS else 0):
        key = _key(words)
        if key is None:
            census.malformed += 1
            continue
        device = devices[key]
        reading = census.reading(device)
        reading.driver = reading.driver or words("dcgmfidriverversion")
        if job := words("hpcjob"):
            reading.jobs.add(job)
        _take(census, device, name, sample)
    for reading in census.devices.values():
        # Since DCGM 3 the reserved part is apart from used and free; older ones count it as used.
        parts = [reading.values.get(f"memory_{part}_bytes") for part in ("used", "free", "reserved")]
        if parts[0] is not None and parts[1] is not None:
            reading.values.setdefault("memory_total_bytes", sum(part or 0.0 for part in parts))
    census.complete()
    return census


def _take(census: Census, device: Device, name: str, sample: Sample) -> None:
    blank = _sentinel(sample.text, sample.value)
    if name in _THROTTLE:
        mask = sample.value
        if blank is None and mask.is_integer() and 0 <= mask < 2**63:
            census.reading(device).throttle = int(mask)
        elif blank is None:
            census.malformed += 1
        return
    field = FIELDS[name]
    # On boards without such a sensor the page says 0 or nothing (dcgm-exporter #460).
    if blank is None and field.figure == _MEMORY_TEMPERATURE and sample.value == 0:
        blank = Absence.NOT_OFFERED
    if blank is None:
        census.put(device, field.figure, sample.value * field.scale / field.per)
    else:
        census.lacks(device, field.figure, blank)


def _sentinel(text: str, value: float) -> Absence | None:
    """Return what a blank value means: 2^63-16, 2^31-16 and 2^47 stand for nothing, and 3 more each: not permitted."""
    number = whole(text)
    if number is None and value.is_integer() and abs(value) < 2**53:
        number = int(value)
    if number is None:
        return Absence.NOT_OFFERED if value >= 2.0**63 - 1024 else None
    for blank in (2**63 - 16, 2**31 - 16, 2**47):
        if blank <= number <= blank + 15:
            return Absence.REFUSED if number == blank + 3 else Absence.NOT_OFFERED
    return Absence.NOT_OFFERED if number > 2**63 - 16 else None


class _Labels:
    """Labels by a name without case and underscores: UUID and uuid, modelName and model_name."""

    def __init__(self, labels: Mapping[str, str]) -> None:
        self._labels = {name.replace("_", "").lower(): value for name, value in labels.items()}

    def __call__(self, *names: str) -> str:
        """Return the first that is there; else nothing."""
        return next((self._labels[name] for name in names if self._labels.get(name)), "")


def _key(words: _Labels) -> tuple[str, str] | None:
    """Return whom a sample is about: a GPU and its MIG device; None where it is about none."""
    gpu = words("gpu", "minornumber") or words("uuid", "gpuuuid")
    return (gpu, words("gpuiid")) if gpu else None


def _devices(many: Iterable[_Labels]) -> dict[tuple[str, str], Device]:
    """Return the devices of a page. Not every line has all labels: each counts where it is first told."""
    told: dict[tuple[str, str], list[str]] = {}
    for words in many:
        key = _key(words)
        if key is None:
            continue
        found = [words("gpu", "minornumber"), words("uuid", "gpuuuid"), words("modelname", "model")]
        found += [words("gpuiprofile"), words("gpuiid")]
        told[key] = [old or new for old, new in zip(told.get(key, [""] * len(found)), found, strict=True)]
    return {key: Device(*found) for key, found in told.items()}
