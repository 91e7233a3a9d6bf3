"""GPUs, by the sidecar `gpu` (dcgm-exporter or nvidia-smi). Of MIG devices the fullest stands for its GPU.

Power is the GPU's, and is told again for each MIG device: a maximum, never a sum.
"""

from prometheus.rules.base import UNDER_LOAD, Alert, Group, Record, first, ratio

_TOTAL = first("gpu_memory_total_bytes", "gpu_memory_used_bytes + gpu_memory_free_bytes")
_HOT = 'gpu_throttled{reason=~"software_thermal|hardware_thermal|hardware_slowdown"}'

GROUP = Group(
    "gpu",
    records=(
        Record(
            "gpu:utilization_ratio",
            first("max by ($k, gpu) (gpu_utilization_ratio)", "max by ($k, gpu) (gpu_graphics_active_ratio)"),
        ),
        Record("gpu:memory_used_ratio", f"max by ($k, gpu) ({ratio('gpu_memory_used_bytes', _TOTAL)})"),
        Record("gpu:power_watts", "max by ($k, gpu) (gpu_power_watts)"),
    ),
    alerts=(
        Alert(
            "GpuIdle",
            f"(gpu:utilization_ratio < 0.05) {UNDER_LOAD}",
            30,
            "warning",
            "GPU {{ $labels.gpu }} of {{ $labels.node }} is held and does nothing "
            "({{ $value | humanizePercentage }} busy) while the load runs",
            "Ask for fewer GPUs (gpus_per_node), or let the service use it (CUDA_VISIBLE_DEVICES, tensor parallelism).",
            unit="ratio",
            worst="lowest",
        ),
        Alert(
            "GpuXidError",
            "max by ($k, gpu) ((gpu_last_xid_code > 0) and (changes(gpu_last_xid_code[$q]) > 0))",
            0,
            "critical",
            "GPU {{ $labels.gpu }} of {{ $labels.node }} reported Xid {{ $value | humanize }}",
            "See NVIDIA's list of Xid errors; 48, 63, 74, 79 and 94 mean hardware: take the node out of use.",
        ),
        Alert(
            "GpuEccErrors",
            "sum by ($k, gpu) (increase(gpu_uncorrectable_ecc_errors_total[$q])) > 0",
            0,
            "critical",
            "GPU {{ $labels.gpu }} of {{ $labels.node }} had memory errors that could not be corrected",
            "What was computed since may be wrong: run again elsewhere, and tell the site.",
        ),
        Alert(
            "GpuUnreachable",
            "max by ($k) (gpu_unreachable) > 0",
            5,
            "critical",
            "{{ $value | humanize }} GPUs of {{ $labels.node }} do not answer the driver",
            "They are lost or need a reset: take the node out of use.",
        ),
        Alert(
            "GpuThermalThrottle",
            f"max by ($k, gpu) ({_HOT}) == 1",
            5,
            "warning",
            "GPU {{ $labels.gpu }} of {{ $labels.node }} lowers its clocks for heat",
            "Its speed is not that of its neighbours: run elsewhere, and tell the site.",
        ),
    ),
)
