"""Blocks for Thanos: whole, with labels, readable by promtool and Prometheus; the recording stays as it is."""

import hashlib
import json
import subprocess

import pytest

from dashcam.cli import main
from prometheus import replay, thanos
from prometheus.client import PrometheusError


@pytest.fixture
def recording(tmp_path):
    """A run directory's tsdb with one block."""
    run = tmp_path / "recordings" / "20260301-120000-demo-a3f9"
    (run / "tsdb").mkdir(parents=True)
    (run / "run.json").write_text("{}")
    lines = "".join(f'up{{run_id="x",node="n"}} 1 {1_700_000_000 + second}\n' for second in range(30))
    (tmp_path / "series.txt").write_text(f"# TYPE up gauge\n{lines}# EOF\n")
    command = ["promtool", "tsdb", "create-blocks-from", "openmetrics", str(tmp_path / "series.txt"), str(run / "tsdb")]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    return run


def digests(place):
    """Return what every file below a place is."""
    files = sorted(path for path in place.rglob("*") if path.is_file())
    return {str(path.relative_to(place)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_the_command(recording, tmp_path, capsys):
    """`export` copies the blocks; meta.json says whose they are and which files there are, with their sizes."""
    before, out = digests(recording), tmp_path / "out"
    arguments = ["export", recording.name, "--root", str(recording.parent), "--thanos", str(out)]
    assert main([*arguments, "--label", "cluster=lab", "--json"]) == 0
    [block] = json.loads(capsys.readouterr().out)["blocks"]
    told = json.loads((out / block / "meta.json").read_text())["thanos"]
    assert told["labels"] == {"cluster": "lab", "run_id": recording.name}
    assert told["downsample"] == {"resolution": 0}
    sizes = {one["rel_path"]: one.get("size_bytes") for one in told["files"]}
    assert sizes["index"] == (out / block / "index").stat().st_size
    assert [f"chunks/{name}" for name in told["segment_files"]] == [name for name in sizes if name.startswith("chunks")]
    assert digests(recording) == before
    copied = {name: word for name, word in digests(out).items() if not name.endswith("meta.json")}
    assert copied == {k.removeprefix("tsdb/"): v for k, v in before.items() if k.startswith("tsdb") and "meta" not in k}
    assert main(arguments) == 1
    assert "is there already" in capsys.readouterr().err


def test_prometheus_reads_them(recording, tmp_path):
    """promtool lists what was exported, and Prometheus answers from it as from the recording."""
    thanos.export(recording / "tsdb", tmp_path / "out", {"run_id": "x"})
    (tmp_path / "out" / "wal").mkdir()
    done = subprocess.run(
        ["promtool", "tsdb", "list", str(tmp_path / "out")], capture_output=True, text=True, check=True, timeout=60
    )
    assert " 30 " in " ".join(done.stdout.split())
    with replay.open_blocks(tmp_path / "out", tmp_path / "scratch") as opened:
        assert opened.client.query("count_over_time(up[1m])", 1_700_000_029)[0].values[0] == 30


@pytest.mark.parametrize("labels", [{"a-b": "x"}, {"__x": "y"}])
def test_bad_labels(recording, tmp_path, labels):
    """A name that is no label's is refused before anything is written."""
    with pytest.raises(PrometheusError, match="no name of a label"):
        thanos.export(recording / "tsdb", tmp_path / "out", labels)
    assert not (tmp_path / "out").exists()


def test_no_block(tmp_path):
    """A recording without series has nothing to export, and says so."""
    with pytest.raises(PrometheusError, match="holds no block"):
        thanos.export(tmp_path, tmp_path / "out", {"run_id": "x"})
