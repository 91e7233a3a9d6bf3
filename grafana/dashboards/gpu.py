"""GPUs, as the sidecar `gpu` tells of them: by dcgm-exporter where there is one, else by nvidia-smi."""

from grafana.board import Board
from grafana.layout import Section
from grafana.needs import exporters
from grafana.palette import BAD, GOOD, GREY, WARNING
from grafana.panels import bar_gauge, stat, state_timeline, table, timeseries
from grafana.queries import Query

_GPU = "{{node}} {{gpu}}"


def _each(name: str) -> Query:
    """Return a query for each GPU. The highest of an instance's series: a MIG device is several of one number."""
    return Query(_GPU, f"max by (node, gpu, mig_id) ({name}{{NODE}})")


BOARD = Board(
    name="gpu",
    title="GPU",
    description="Is each GPU at work, with what, and does anything hold it back?",
    needs=exporters("gpu"),
    sections=[
        Section(
            "At a glance",
            [
                stat(
                    "GPUs seen",
                    "How many GPUs does the sidecar see in all nodes?",
                    "short",
                    Query("GPUs", "count(gpu_info{NODE})"),
                    whole="max",
                    missing="no GPU was seen",
                    width=4,
                    height=6,
                ),
                bar_gauge(
                    "GPUs at work",
                    "Which GPUs have work, and how much?",
                    "percentunit",
                    Query(_GPU, "max by (node, gpu) (gpu:utilization_ratio{NODE})"),
                    whole="mean",
                    most=1,
                    width=10,
                    height=6,
                ),
                bar_gauge(
                    "Memory taken",
                    "Which GPUs' memory is full?",
                    "percentunit",
                    Query(_GPU, "max by (node, gpu) (gpu:memory_used_ratio{NODE})"),
                    whole="max",
                    most=1,
                    steps=[(0.9, WARNING), (0.97, BAD)],
                    width=10,
                    height=6,
                ),
            ],
        ),
        Section(
            "Work",
            [
                timeseries(
                    "Busy",
                    "In which share of the time did any kernel run? It does not say that the GPU was full.",
                    "percentunit",
                    Query(_GPU, "max by (node, gpu) (gpu:utilization_ratio{NODE})"),
                    most=1,
                ),
                timeseries(
                    "Tensor cores",
                    "In which share of the time did the tensor cores work? Of DCGM's profiling, where it is allowed.",
                    "percentunit",
                    _each("gpu_tensor_active_ratio"),
                    most=1,
                ),
                timeseries(
                    "Device memory busy",
                    "Is the work bound by memory? Of DCGM's profiling; where that is refused, by the driver's count.",
                    "percentunit",
                    Query(
                        _GPU,
                        "max by (node, gpu, mig_id) (gpu_dram_active_ratio{NODE})"
                        " or max by (node, gpu, mig_id) (gpu_memory_copy_utilization_ratio{NODE})",
                    ),
                    most=1,
                ),
                timeseries(
                    "Multiprocessors",
                    "Which share of the multiprocessors had work, and how many of their warps? DCGM's profiling.",
                    "percentunit",
                    Query(f"{_GPU} active", "max by (node, gpu, mig_id) (gpu_sm_active_ratio{NODE})"),
                    Query(f"{_GPU} occupied", "max by (node, gpu, mig_id) (gpu_sm_occupancy_ratio{NODE})"),
                    most=1,
                    width=12,
                ),
                timeseries(
                    "Graphics engine",
                    "In which share of the time was the compute engine active? DCGM's profiling, MIG devices included.",
                    "percentunit",
                    _each("gpu_graphics_active_ratio"),
                    most=1,
                    width=12,
                ),
            ],
        ),
        Section(
            "Memory and links",
            [
                timeseries(
                    "Memory in use",
                    "How much memory do the programs hold? vLLM takes its share at the start and keeps it.",
                    "bytes",
                    _each("gpu_memory_used_bytes"),
                ),
                timeseries(
                    "PCIe",
                    "How fast do data go to and from the host?",
                    "binBps",
                    Query(f"{_GPU} sent", "max by (node, gpu, mig_id) (gpu_pcie_transmit_bytes_per_second{NODE})"),
                    Query(f"{_GPU} received", "max by (node, gpu, mig_id) (gpu_pcie_receive_bytes_per_second{NODE})"),
                ),
                timeseries(
                    "NVLink",
                    "How fast do data go between GPUs?",
                    "binBps",
                    Query(f"{_GPU} sent", "max by (node, gpu, mig_id) (gpu_nvlink_transmit_bytes_per_second{NODE})"),
                    Query(f"{_GPU} received", "max by (node, gpu, mig_id) (gpu_nvlink_receive_bytes_per_second{NODE})"),
                ),
            ],
        ),
        Section(
            "Power and clocks",
            [
                timeseries(
                    "Power",
                    "How much power is drawn, and how much is allowed?",
                    "watt",
                    Query(_GPU, "max by (node, gpu) (gpu:power_watts{NODE})"),
                    Query(f"{_GPU} limit", "max by (node, gpu) (gpu_power_limit_watts{NODE})", GREY, dashed=True),
                ),
                timeseries(
                    "Temperature",
                    "Does a GPU get too warm?",
                    "celsius",
                    Query(f"{_GPU} chip", "max by (node, gpu) (gpu_temperature_celsius{NODE})"),
                    Query(f"{_GPU} memory", "max by (node, gpu) (gpu_memory_temperature_celsius{NODE})"),
                    steps=[(85, BAD)],
                ),
                timeseries(
                    "Clock of the multiprocessors",
                    "Is the GPU slowed down?",
                    "hertz",
                    _each("gpu_sm_clock_hertz"),
                ),
                state_timeline(
                    "Lowered clocks",
                    "For what reason were clocks lowered? An idle GPU lowers them too.",
                    "none",
                    Query(f"{_GPU} {{{{reason}}}}", "max by (node, gpu, reason) (gpu_throttled{NODE}) > 0"),
                    states={"1": ("lowered", WARNING)},
                    missing="no clock was lowered",
                    width=16,
                    height=6,
                ),
                stat(
                    "Energy",
                    "How much energy did all GPUs take in the time that is shown?",
                    "joule",
                    Query("energy", "sum(increase(gpu_energy_joules_total{NODE}[$__range]))", instant=True),
                    missing="not told",
                    width=8,
                    height=6,
                ),
            ],
        ),
        Section(
            "Faults",
            [
                timeseries(
                    "Last Xid",
                    "Which error did the driver report last? 0 is none; 48, 63, 64, 79, 94 and 95 are of the hardware.",
                    "none",
                    _each("gpu_last_xid_code"),
                ),
                timeseries(
                    "Errors of memory and links",
                    "Are there ECC errors that could not be corrected, or PCIe packets sent again?",
                    "short",
                    Query(
                        f"{_GPU} ECC", "max by (node, gpu) (increase(gpu_uncorrectable_ecc_errors_total{NODE}[RATE]))"
                    ),
                    Query(f"{_GPU} PCIe replays", "max by (node, gpu) (increase(gpu_pcie_replays_total{NODE}[RATE]))"),
                ),
                stat(
                    "Rows that could not be replaced",
                    "Did a repair of a memory row fail? Then the GPU should be replaced.",
                    "short",
                    Query("failures", "sum(gpu_row_remap_failure{NODE})"),
                    whole="max",
                    steps=[(1, BAD)],
                    base=GOOD,
                    missing="not told",
                    width=8,
                    height=8,
                ),
                table(
                    "Sources and what they do not tell",
                    "Which source was read, and why is another not? 1: it told.",
                    "short",
                    Query("Told", "max by (node, source, reason) (gpu_source_up{NODE})"),
                    labels=["node", "source", "reason"],
                    width=24,
                    height=6,
                ),
            ],
        ),
    ],
)
