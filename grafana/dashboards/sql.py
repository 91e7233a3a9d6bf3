"""PostgreSQL, as postgres_exporter tells of it. Its time counters are milliseconds, and its counters bear no _total."""

from grafana.board import Board
from grafana.layout import Section
from grafana.needs import generators, kinds
from grafana.palette import BAD, BLUE, CLIENT, GOOD, GREEN, GREY, IN, ORANGE, OUT, P50, P95, P99, PURPLE, SERVICE
from grafana.panels import bar_gauge, stat, timeseries
from grafana.queries import Query, ratio


def _rate(name: str) -> str:
    return f"sum(rate(pg_stat_database_{name}{{NODE}}[RATE]))"


BOARD = Board(
    name="sql",
    title="SQL",
    description="PostgreSQL under the load: transactions, rows, cache, connections, what waits and what is written.",
    needs=kinds("pgvector", "postgres", "postgresql"),
    sections=[
        Section(
            "Transactions",
            [
                timeseries(
                    "Transactions",
                    "How many transactions a second end, and does the database count as many as the client?",
                    "suffix: tx/s",
                    Query("committed", _rate("xact_commit"), GOOD),
                    Query("rolled back", _rate("xact_rollback"), BAD),
                    Query("ended, by the client", "sum(load:request_rate{RUN})", CLIENT, dashed=True),
                ),
                timeseries(
                    "Latency of the client",
                    "How long do requests take from their intended time?",
                    "s",
                    Query("p50", "max(load:latency_seconds:p50{RUN})", P50),
                    Query("p95", "max(load:latency_seconds:p95{RUN})", P95),
                    Query("p99", "max(load:latency_seconds:p99{RUN})", P99),
                    table=True,
                ),
                timeseries(
                    "Kinds of transaction",
                    "How is the load mixed, as it is answered?",
                    "suffix: tx/s",
                    Query("{{operation}}", "sum by (operation) (rate(load_operations_total{RUN}[RATE]))"),
                    needs=generators("sql"),
                ),
            ],
        ),
        Section(
            "Rows and cache",
            [
                timeseries(
                    "Rows read",
                    "How many rows are read? Many returned for few fetched: tables are scanned.",
                    "suffix: rows/s",
                    Query("returned by scans", _rate("tup_returned"), ORANGE),
                    Query("fetched by indexes", _rate("tup_fetched"), BLUE),
                ),
                timeseries(
                    "Rows written",
                    "How many rows are written?",
                    "suffix: rows/s",
                    Query("inserted", _rate("tup_inserted"), GREEN),
                    Query("updated", _rate("tup_updated"), BLUE),
                    Query("deleted", _rate("tup_deleted"), BAD),
                ),
                timeseries(
                    "Found in shared buffers",
                    "Which share of the blocks needed no read from the operating system?",
                    "percentunit",
                    Query("found", ratio(_rate("blks_hit"), f"({_rate('blks_hit')} + {_rate('blks_read')})"), GREEN),
                    most=1,
                ),
                timeseries(
                    "Time in reads and writes",
                    "How many sessions on average wait for blocks? 0 unless track_io_timing is on.",
                    "short",
                    Query("reading", f"{_rate('blk_read_time')} / 1000", IN),
                    Query("writing", f"{_rate('blk_write_time')} / 1000", OUT),
                ),
                timeseries(
                    "Temporary files",
                    "How much do sorts and hashes spill to disk, for want of work_mem?",
                    "binBps",
                    Query("written", _rate("temp_bytes"), BAD),
                ),
                timeseries(
                    "Size",
                    "Does the database grow?",
                    "bytes",
                    Query("{{datname}}", 'max by (datname) (pg_database_size_bytes{NODE,datname!~"template.*"})'),
                ),
            ],
        ),
        Section(
            "Sessions and locks",
            [
                timeseries(
                    "Connections by state",
                    "What do sessions do? `idle in transaction` holds locks and does nothing.",
                    "short",
                    Query("{{state}}", "sum by (state) (pg_stat_activity_count{NODE}) > 0"),
                    Query("allowed", "max(pg_settings_max_connections{NODE})", GREY, dashed=True),
                ),
                timeseries(
                    "Longest transaction",
                    "For how long has the oldest transaction been open?",
                    "s",
                    Query("{{state}}", "max by (state) (pg_stat_activity_max_tx_duration{NODE}) > 0"),
                ),
                timeseries(
                    "Locks held",
                    "Which kinds of lock are held?",
                    "short",
                    Query("{{mode}}", "sum by (mode) (pg_locks_count{NODE}) > 0"),
                ),
                stat(
                    "Deadlocks",
                    "How many deadlocks were there in the time that is shown?",
                    "short",
                    Query("deadlocks", "sum(increase(pg_stat_database_deadlocks{NODE}[$__range]))", instant=True),
                    steps=[(1, BAD)],
                    base=GOOD,
                    width=6,
                    height=6,
                    decimals=0,
                ),
                bar_gauge(
                    "Connections in use",
                    "How near is the limit of connections?",
                    "percentunit",
                    Query(
                        "in use",
                        "sum(pg_stat_activity_count{NODE}) / max(pg_settings_max_connections{NODE})",
                    ),
                    whole="max",
                    most=1,
                    steps=[(0.8, ORANGE), (0.95, BAD)],
                    width=6,
                    height=6,
                ),
            ],
        ),
        Section(
            "Writing out",
            [
                timeseries(
                    "Buffers written, by whom",
                    "Who writes dirty buffers? When sessions must do it themselves, the background writer is too slow. "
                    "PostgreSQL 17 moved these counters, and exporters before 0.16 then have none.",
                    "suffix: buffers/s",
                    Query("checkpointer", "sum(rate(pg_stat_bgwriter_buffers_checkpoint_total{NODE}[RATE]))", BLUE),
                    Query("background writer", "sum(rate(pg_stat_bgwriter_buffers_clean_total{NODE}[RATE]))", GREEN),
                    Query("sessions", "sum(rate(pg_stat_bgwriter_buffers_backend_total{NODE}[RATE]))", BAD),
                    stacked=True,
                    width=12,
                ),
                timeseries(
                    "Checkpoints",
                    "How often are checkpoints made? Those asked for come from too much written since the last.",
                    "suffix: /min",
                    Query("timed", "60 * sum(rate(pg_stat_bgwriter_checkpoints_timed_total{NODE}[RATE]))", SERVICE),
                    Query("asked for", "60 * sum(rate(pg_stat_bgwriter_checkpoints_req_total{NODE}[RATE]))", PURPLE),
                    width=12,
                ),
            ],
        ),
    ],
)
