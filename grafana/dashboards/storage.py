"""Object stores and file systems."""

from grafana.board import Board
from grafana.layout import Section
from grafana.needs import Needs, exporters, generators, kinds
from grafana.palette import BAD, GREY, IN, OUT, P50, P95, P99, SERVICE
from grafana.panels import bar_gauge, heatmap, timeseries
from grafana.queries import Query

_WEED = kinds("seaweedfs")


def _p95(name: str, by: str) -> Query:
    rate = f"sum by (le, {by}) (rate({name}_bucket{{NODE}}[RATE]))"
    return Query(f"{{{{{by}}}}}", f"histogram_quantile(0.95, {rate})")


BOARD = Board(
    name="storage",
    title="Storage",
    description="Object and file storage: what the client reads and writes, and what the store does for it.",
    needs=Needs(kinds=frozenset({"seaweedfs", "minio", "s3"}), generators=frozenset({"s3", "files"})),
    sections=[
        Section(
            "Objects, by the client",
            [
                timeseries(
                    "Operations",
                    "How many objects a second are read, written, listed and deleted?",
                    "ops",
                    Query(
                        "{{operation}} {{outcome}}",
                        "sum by (operation, outcome) (rate(load_operations_total{RUN}[RATE]))",
                    ),
                ),
                timeseries(
                    "Bytes of objects",
                    "How fast do objects move, at the client?",
                    "binBps",
                    Query("read", "sum(rate(load_received_bytes_total{RUN}[RATE]))", IN),
                    Query("written", "sum(rate(load_sent_bytes_total{RUN}[RATE]))", OUT),
                ),
                timeseries(
                    "Latency of operations",
                    "How long do operations take from their intended time?",
                    "s",
                    Query("p50", "max(load:latency_seconds:p50{RUN})", P50),
                    Query("p95", "max(load:latency_seconds:p95{RUN})", P95),
                    Query("p99", "max(load:latency_seconds:p99{RUN})", P99),
                    table=True,
                ),
            ],
            needs=generators("s3"),
        ),
        Section(
            "SeaweedFS",
            [
                timeseries(
                    "Requests of S3",
                    "What does the S3 gateway answer, by kind and code?",
                    "reqps",
                    Query("{{type}} {{code}}", "sum by (type, code) (rate(SeaweedFS_s3_request_total{NODE}[RATE]))"),
                ),
                timeseries(
                    "Latency of S3, p95",
                    "How long does the gateway take for each kind of request?",
                    "s",
                    _p95("SeaweedFS_s3_request_seconds", "type"),
                ),
                timeseries(
                    "Traffic of buckets",
                    "How many bytes a second pass the gateway?",
                    "binBps",
                    Query("received", "sum(rate(SeaweedFS_s3_bucket_traffic_received_bytes_total{NODE}[RATE]))", IN),
                    Query("sent", "sum(rate(SeaweedFS_s3_bucket_traffic_sent_bytes_total{NODE}[RATE]))", OUT),
                ),
                timeseries(
                    "Requests of the volume server",
                    "What reaches the disk's side?",
                    "reqps",
                    Query(
                        "{{type}} {{code}}",
                        "sum by (type, code) (rate(SeaweedFS_volumeServer_request_total{NODE}[RATE]))",
                    ),
                ),
                timeseries(
                    "Latency of the volume server, p95",
                    "How long does it take to read and to write a chunk?",
                    "s",
                    _p95("SeaweedFS_volumeServer_request_seconds", "type"),
                ),
                timeseries(
                    "Latency of the filer's store, p95",
                    "How long does it take to look up and to change names?",
                    "s",
                    _p95("SeaweedFS_filerStore_request_seconds", "type"),
                ),
                timeseries(
                    "Open requests",
                    "How many requests are worked on, at the gateway and at the volume server?",
                    "short",
                    Query("S3 {{type}}", "sum by (type) (SeaweedFS_s3_in_flight_requests{NODE})"),
                    Query("volume {{type}}", "sum by (type) (SeaweedFS_volumeServer_in_flight_requests{NODE})"),
                ),
                timeseries(
                    "Faults",
                    "Did reads, writes or the disk fail?",
                    "cps",
                    Query("reads", "sum(rate(SeaweedFS_volumeServer_file_read_failures{NODE}[RATE]))", BAD),
                    Query("writes", "sum(rate(SeaweedFS_volumeServer_file_write_failures{NODE}[RATE]))", OUT),
                    Query("disk", "sum(rate(SeaweedFS_volumeServer_storage_io_error_total{NODE}[RATE]))", GREY),
                ),
                bar_gauge(
                    "Disk of the store",
                    "How full is the file system that holds the volumes?",
                    "percentunit",
                    Query(
                        "used",
                        'sum(SeaweedFS_volumeServer_resource{NODE,type="used"})'
                        ' / sum(SeaweedFS_volumeServer_resource{NODE,type="all"})',
                    ),
                    most=1,
                    steps=[(0.8, OUT), (0.95, BAD)],
                ),
                heatmap(
                    "Sizes of objects",
                    "How large are the objects that are written?",
                    "bytes",
                    "SeaweedFS_filer_object_size_bytes",
                    width=24,
                ),
            ],
            needs=_WEED,
        ),
        Section(
            "MinIO",
            [
                timeseries(
                    "Requests of MinIO",
                    "What does MinIO answer, by the name of the call?",
                    "reqps",
                    Query("{{name}}", "sum by (name) (rate(minio_api_requests_total{NODE}[RATE]))"),
                    width=12,
                ),
                timeseries(
                    "Waiting and in work",
                    "How many requests are worked on, and how many wait?",
                    "short",
                    Query("in work", "sum(minio_api_requests_inflight_total{NODE})", SERVICE),
                    Query("waiting", "sum(minio_api_requests_waiting_total{NODE})", BAD),
                    width=12,
                ),
            ],
            needs=kinds("minio"),
        ),
        Section(
            "Files, by fio",
            [
                timeseries(
                    "Operations of fio",
                    "How many reads and writes a second end?",
                    "iops",
                    Query(
                        "{{target}} {{operation}}",
                        "sum by (target, operation) (rate(load_files_operations_total{RUN}[RATE]))",
                    ),
                ),
                timeseries(
                    "Bytes of fio",
                    "How fast are files read and written?",
                    "binBps",
                    Query(
                        "{{target}} {{operation}}",
                        "sum by (target, operation) (rate(load_files_bytes_total{RUN}[RATE]))",
                    ),
                ),
                timeseries(
                    "Completion latency, p99",
                    "How long from the hand-over to the kernel to the completion? Three buckets a decade.",
                    "s",
                    Query(
                        "{{target}} {{operation}}",
                        "histogram_quantile(0.99, sum by (le, target, operation)"
                        " (rate(load_files_duration_seconds_bucket{RUN}[RATE])))",
                    ),
                ),
            ],
            needs=generators("files"),
        ),
        Section(
            "Disks of the nodes",
            [
                timeseries(
                    "Disk bytes",
                    "How much of the work reaches the nodes' own block devices, and is not kept in the page cache?",
                    "binBps",
                    Query("{{node}} {{direction}}", "sum by (node, direction) (node:disk_bytes_rate{NODE})"),
                ),
                timeseries(
                    "Disk busy",
                    "In which share of the time had a device work? A device that takes many at once may be at 1 and "
                    "have room left.",
                    "percentunit",
                    Query(
                        "{{node}} {{device}}",
                        "max by (node, device) (rate(node_disk_io_time_seconds_total{NODE}[RATE]))",
                    ),
                    most=1,
                ),
                timeseries(
                    "Written and not on disk",
                    "How much of what was written is still in memory?",
                    "bytes",
                    Query("{{node}} dirty", "sum by (node) (node_memory_Dirty_bytes{NODE})"),
                    Query("{{node}} being written", "sum by (node) (node_memory_Writeback_bytes{NODE})"),
                ),
            ],
            needs=exporters("node"),
        ),
    ],
)
