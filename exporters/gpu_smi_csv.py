"""What `nvidia-smi --query-gpu=... --format=csv` prints. The header says which column is what, and its unit."""

import re
from collections.abc import Mapping

from exporters.gpu_devices import Absence, Census, Device
from exporters.gpu_smi_values import mask, value

_COLUMNS: Mapping[str, tuple[str, str]] = {
    "utilization.gpu": ("utilization_ratio", "%"),
    "utilization.memory": ("memory_copy_utilization_ratio", "%"),
    "utilization.encoder": ("encoder_utilization_ratio", "%"),
    "utilization.decoder": ("decoder_utilization_ratio", "%"),
    "memory.total": ("memory_total_bytes", "MiB"),
    "memory.reserved": ("memory_reserved_bytes", "MiB"),
    "memory.used": ("memory_used_bytes", "MiB"),
    "memory.free": ("memory_free_bytes", "MiB"),
    "power.draw": ("power_watts", "W"),
    "enforced.power.limit": ("power_limit_watts", "W"),
    "power.limit": ("power_limit_watts", "W"),
    "clocks.current.sm": ("sm_clock_hertz", "MHz"),
    "clocks.sm": ("sm_clock_hertz", "MHz"),
    "clocks.current.memory": ("memory_clock_hertz", "MHz"),
    "clocks.mem": ("memory_clock_hertz", "MHz"),
    "temperature.gpu": ("temperature_celsius", "C"),
    "temperature.memory": ("memory_temperature_celsius", "C"),
    "ecc.errors.corrected.volatile.total": ("correctable_ecc_errors", ""),
    "ecc.errors.uncorrected.volatile.total": ("uncorrectable_ecc_errors", ""),
    "remapped_rows.correctable": ("correctable_remapped_rows", ""),
    "remapped_rows.uncorrectable": ("uncorrectable_remapped_rows", ""),
    "remapped_rows.failure": ("row_remap_failure", ""),
}
"""Our figure for each column, and the unit in which nvidia-smi gives it where neither header nor value says."""

_REASONS = ("clocks_event_reasons.active", "clocks_throttle_reasons.active")
"""The name since driver 535, and the one before."""

QUERY: tuple[str, ...] = (
    "index",
    "uuid",
    "name",
    "driver_version",
    "mig.mode.current",
    "utilization.gpu",
    "utilization.memory",
    "utilization.encoder",
    "utilization.decoder",
    "memory.total",
    "memory.reserved",
    "memory.used",
    "memory.free",
    "power.draw",
    "enforced.power.limit",
    "clocks.sm",
    "clocks.mem",
    "temperature.gpu",
    "temperature.memory",
    "ecc.errors.corrected.volatile.total",
    "ecc.errors.uncorrected.volatile.total",
    "remapped_rows.correctable",
    "remapped_rows.uncorrectable",
    "remapped_rows.failure",
    _REASONS[0],
)
"""What is asked for."""

_INVALID = re.compile(r'Field "([^"]{1,80})" is not a valid field to query')
_HEAD = re.compile(r"([A-Za-z0-9_.]+)(?: \[([^\]]*)\])?")
_UNREACHABLE = re.compile(r"Unable to determine the device handle for GPU.*")
_TOLD = re.compile(r"WARNING:.*|No devices were found.*|.*Reboot the system to recover this GPU.*")
"""What nvidia-smi says around its tables: of a damaged infoROM, that there is no GPU, what to do about a lost one."""


def without_refused_field(query: tuple[str, ...], error: str) -> tuple[str, ...] | None:
    """Return the query without a field that nvidia-smi does not know, or with its older name; None: no such error."""
    found = _INVALID.search(error)
    if found is None or found[1] not in query:
        return None
    older = (_REASONS[1],) if found[1] == _REASONS[0] else ()
    return (*(field for field in query if field != found[1]), *older)


def read(text: str) -> tuple[Census, bool]:
    """Return the GPUs in the table, and whether one of them is divided (MIG)."""
    census = Census()
    divided = False
    header: list[tuple[str, str]] | None = None
    for row in text.splitlines():
        if _UNREACHABLE.fullmatch(row.strip()):
            census.unreachable += 1
            continue
        if not row.strip() or _TOLD.fullmatch(row.strip()):
            continue
        cells = [cell.strip() for cell in row.split(",")]
        if header is None:
            heads = [_HEAD.fullmatch(cell) for cell in cells]
            if all(heads) and any(head and head[1] in {"index", "uuid", "gpu_uuid"} for head in heads):
                header = [(head[1], head[2] or "") for head in heads if head]
            else:
                census.malformed += 1
            continue
        if len(cells) != len(header):
            census.malformed += 1
            continue
        named = {name: (cell, unit) for (name, unit), cell in zip(header, cells, strict=True)}
        divided = _row(census, named) or divided
    return census, divided


def _row(census: Census, named: Mapping[str, tuple[str, str]]) -> bool:
    def word(*names: str) -> str:
        found = next((named[name][0] for name in names if name in named), "")
        return "" if isinstance(value(found), Absence) else found

    index, uuid = word("index"), word("uuid", "gpu_uuid")
    if not index.isdecimal() and not uuid:
        lost = any(value(cell) is Absence.FAILED for cell, _ in named.values())
        census.unreachable += lost
        census.malformed += not lost
        return False
    device = Device(index, uuid, word("name", "gpu_name"))
    if device in census.devices:
        census.malformed += 1
        return False
    census.reading(device).driver = word("driver_version")
    # The first of a figure counts: of two limits that is the enforced one, wherever its column is.
    for name, (cell, unit) in sorted(named.items(), key=lambda column: column[0] == "power.limit"):
        if name in _COLUMNS:
            figure, usual = _COLUMNS[name]
            census.take(device, figure, value(cell, unit or usual))
        elif name in _REASONS:
            census.throttled(device, mask(cell))
    return word("mig.mode.current") == "Enabled"
