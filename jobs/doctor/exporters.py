"""Other people's exporters, which become sidecars."""

from collections.abc import Iterable

from jobs.doctor import versions
from jobs.doctor.base import Check, Context, Line
from jobs.sidecars import DCGM_EXPORTER, NODE_EXPORTER


def _look(context: Context) -> Iterable[Line]:
    yield versions.program(
        (NODE_EXPORTER, "node_exporter"),
        loses="no CPU, memory, disk and network of the nodes",
        mend=f"on Debian `apt-get install {NODE_EXPORTER}`, elsewhere put node_exporter on PATH; or leave `node` out "
        "of watch.exporters",
        needed=context.watched("node"),
    )
    if context.watched("gpu"):
        yield versions.program(
            (DCGM_EXPORTER,),
            loses="GPUs are read from nvidia-smi: no tensor, DRAM and PCIe activity",
            mend="put dcgm-exporter on PATH",
        )
    if "pgvector" in context.kinds():
        yield versions.program(
            ("prometheus-postgres-exporter",),
            loses="no pg_* series of PostgreSQL",
            mend="on Debian `apt-get install prometheus-postgres-exporter`",
        )


CHECK = Check("exporters", "programs", _look, vital=True, order=2)
