"""A recording's blocks as Thanos's object storage takes them: the same bytes, and in meta.json whose they are.

Prometheus writes no `thanos` section; Thanos (`tools bucket verify`, store, compactor) wants one with external labels:
pkg/block/metadata/meta.go. Labels with the run's id make each run a stream of its own, so that the compactor never
meets two runs of the same time.
"""

import json
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from prometheus import snapshot
from prometheus.client import PrometheusError
from runs import atomic

_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")


def export(blocks: Path, target: Path, labels: Mapping[str, str]) -> list[Path]:
    """Copy the blocks below `blocks` into `target`, with `labels`; returns the new blocks.

    Raises PrometheusError (no block, a bad label, a block that is there already), OSError.
    """
    found = snapshot.blocks(blocks)
    if not found:
        raise PrometheusError(f"{blocks} holds no block: the run ended before the first scrape")
    for name in labels:
        if not _LABEL.fullmatch(name) or name.startswith("__"):
            raise PrometheusError(f"{name!r} is no name of a label: letters, digits and _, as cluster=meluxina")
    made = [target / block.ulid for block in found]
    if there := [path for path in made if path.exists()]:
        raise PrometheusError(f"{there[0]} is there already: this run was exported before; choose another directory")
    target.mkdir(parents=True, exist_ok=True)
    for path in made:
        temporary = target / f".{path.name}.tmp"
        shutil.rmtree(temporary, ignore_errors=True)
        shutil.copytree(blocks / path.name, temporary)
        meta = json.loads((temporary / "meta.json").read_bytes()) | {"thanos": section(temporary, labels)}
        atomic.write(temporary / "meta.json", json.dumps(meta, indent=4) + "\n")
        temporary.rename(path)
    return made


def section(block: Path, labels: Mapping[str, str]) -> dict[str, Any]:
    """Return what meta.json says to Thanos of a block."""
    segments = sorted(path for path in (block / "chunks").iterdir() if path.is_file())
    files = [*segments, block / "index"]
    return {
        "version": 1,
        "labels": dict(labels),
        "downsample": {"resolution": 0},
        "source": "dashcam",
        "segment_files": [path.name for path in segments],
        "files": [
            *({"rel_path": str(path.relative_to(block)), "size_bytes": path.stat().st_size} for path in files),
            {"rel_path": "meta.json"},
        ],
    }
