"""Other people's exporters, which become sidecars."""

from collections.abc import Iterable

from jobs.doctor import boxes, versions
from jobs.doctor.base import Check, Context, Line
from jobs.sidecars import DCGM_EXPORTER, NODE_EXPORTER


def _look(context: Context) -> Iterable[Line]:
    yield boxes.instead(context, "node-exporter", NODE_EXPORTER) or versions.program(
        (NODE_EXPORTER, "node_exporter"),
        loses="no CPU, memory, disk and network of the nodes",
        mend=f"on Debian `apt-get install {NODE_EXPORTER}`, elsewhere put node_exporter on PATH; or leave `node` out "
        "of watch.exporters",
        needed=context.watched("node"),
    )
    if context.watched("gpu"):
        yield boxes.instead(context, "dcgm-exporter", DCGM_EXPORTER) or versions.program(
            (DCGM_EXPORTER,),
            loses="GPUs are read from nvidia-smi: no tensor, DRAM and PCIe activity",
            mend="put dcgm-exporter on PATH",
        )
    if "pgvector" in context.kinds():
        yield boxes.instead(context, "postgres-exporter", "prometheus-postgres-exporter") or versions.program(
            ("prometheus-postgres-exporter",),
            loses="no pg_* series of PostgreSQL",
            mend="on Debian `apt-get install prometheus-postgres-exporter`",
        )


CHECK = Check("exporters", "programs", _look, vital=True, order=2)
