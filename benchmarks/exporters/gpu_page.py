"""dcgm-exporter's page as generated: the fields of its default-counters.csv and of the profiling module."""

_FIELDS: tuple[tuple[str, str, float, float], ...] = (
    ("SM_CLOCK", "gauge", 1410.0, 0.0),
    ("MEM_CLOCK", "gauge", 1215.0, 0.0),
    ("MEMORY_TEMP", "gauge", 55.0, 0.0),
    ("GPU_TEMP", "gauge", 48.0, 1.0),
    ("POWER_USAGE", "gauge", 311.274, 1.125),
    ("TOTAL_ENERGY_CONSUMPTION", "counter", 91827364554.0, 311274.0),
    ("PCIE_REPLAY_COUNTER", "counter", 0.0, 0.0),
    ("GPU_UTIL", "gauge", 90.0, 1.0),
    ("MEM_COPY_UTIL", "gauge", 61.0, 1.0),
    ("ENC_UTIL", "gauge", 0.0, 0.0),
    ("DEC_UTIL", "gauge", 0.0, 0.0),
    ("XID_ERRORS", "gauge", 0.0, 0.0),
    ("FB_FREE", "gauge", 3051.0, 0.0),
    ("FB_USED", "gauge", 37445.0, 0.0),
    ("FB_RESERVED", "gauge", 464.0, 0.0),
    ("NVLINK_BANDWIDTH_TOTAL", "counter", 8812334.0, 512.0),
    ("VGPU_LICENSE_STATUS", "gauge", 0.0, 0.0),
    ("UNCORRECTABLE_REMAPPED_ROWS", "counter", 0.0, 0.0),
    ("CORRECTABLE_REMAPPED_ROWS", "counter", 0.0, 0.0),
    ("ROW_REMAP_FAILURE", "gauge", 0.0, 0.0),
    ("GR_ENGINE_ACTIVE", "gauge", 0.912345, 0.001234),
    ("PIPE_TENSOR_ACTIVE", "gauge", 0.412245, 0.001234),
    ("DRAM_ACTIVE", "gauge", 0.551871, 0.001234),
    ("PCIE_TX_BYTES", "gauge", 183276542.0, 1234.0),
    ("PCIE_RX_BYTES", "gauge", 932187.0, 1234.0),
)
"""Name, type, value at first, and by how much it grows from moment to moment."""

_PROFILING = 20
"""From this index on the fields are DCGM_FI_PROF_*."""

MOMENTS = 8


def gpu_pages(gpus: int) -> list[bytes]:
    """Return the page of a node with `gpus` GPUs, all of one job, at MOMENTS moments."""
    return [_page(gpus, moment) for moment in range(MOMENTS)]


def _page(gpus: int, moment: int) -> bytes:
    lines: list[str] = []
    for index, (field, kind, first, growth) in enumerate(_FIELDS):
        name = f"DCGM_FI_{'PROF' if index >= _PROFILING else 'DEV'}_{field}"
        value = f"{first + growth * moment:.6f}".rstrip("0").rstrip(".")
        lines += [f"# HELP {name} {field.replace('_', ' ').lower()}.", f"# TYPE {name} {kind}"]
        lines += [f"{name}{{{_labels(gpu)}}} {value}" for gpu in range(gpus)]
    return "\n".join((*lines, "")).encode()


def _labels(gpu: int) -> str:
    return (
        f'gpu="{gpu}",UUID="GPU-0000000{gpu:x}-aaaa-bbbb-cccc-{gpu:012x}",pci_bus_id="00000000:{gpu + 16:02X}:00.0",'
        f'device="nvidia{gpu}",modelName="NVIDIA A100-SXM4-40GB",Hostname="gpu-node-01",'
        'DCGM_FI_DRIVER_VERSION="560.35.03",hpc_job="4711"'
    )
