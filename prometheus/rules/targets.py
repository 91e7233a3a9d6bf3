"""Alerts about the watching itself: what does not answer, what fails, what shows old values.

A dead load ends the run, and at the end it goes first: it is not asked here.
"""

from prometheus.rules.base import SET_UP, Alert, Group

_OLD = "Its curves repeat old values. dcgm-exporter: collect more often (-c); nvidia-smi and lctl: see the node's load."

GROUP = Group(
    "targets",
    alerts=(
        Alert(
            "TargetDown",
            f'(min by ($k) (up{{role!="load"}}) == 0) {SET_UP}',
            5,
            "critical",
            "{{ $labels.job }} on {{ $labels.node }} does not answer Prometheus",
            "It hangs or is gone: see its log. Its curves have a hole.",
            worst="lowest",
        ),
        Alert(
            "CollectorFails",
            f"(min by ($k, collector) (exporter_collector_success) == 0) {SET_UP}",
            10,
            "warning",
            "collector {{ $labels.collector }} on {{ $labels.node }} gives nothing",
            "See the exporter's log and the table of coverage.",
            worst="lowest",
        ),
        Alert(
            "GpuValuesOld",
            "max by ($k) (gpu_sample_age_seconds) > $stale",
            5,
            "warning",
            "figures of the GPUs of {{ $labels.node }} are {{ $value | humanizeDuration }} old",
            _OLD,
            unit="s",
        ),
        Alert(
            "LustreValuesOld",
            "max by ($k) (lustre_client_sample_age_seconds) > $stale",
            5,
            "warning",
            "figures of Lustre on {{ $labels.node }} are {{ $value | humanizeDuration }} old",
            _OLD,
            unit="s",
        ),
    ),
)
