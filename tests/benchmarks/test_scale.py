"""What the benchmark of many targets is made of: pages as real ones, and figures that see what was lost."""

import subprocess
import sys
import time
from collections.abc import Mapping

import numpy as np
import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families

from benchmarks.scale import living, place
from benchmarks.scale.page import page
from benchmarks.scale.place import Size
from jobs import copying
from prometheus import web
from prometheus.client import Client, Series
from prometheus.shipping import Shipment

SIZE = Size(2, 500, 5.0, 60.0)


def values(at: float) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Read a page."""
    families = text_string_to_metric_families(page(at, 500).decode())
    return {(s.name, tuple(sorted(s.labels.items()))): s.value for family in families for s in family.samples}


def test_pages_have_the_series_asked_and_change() -> None:
    """Exactly 500 series, no two alike; counters never fall, and most of them have moved a second later."""
    before, after = values(1e4), values(1e4 + 1)
    assert len(before) == 500
    assert before.keys() == after.keys()
    counters = [key for key in before if key[0].startswith(("node_cpu", "node_disk", "node_network"))]
    assert len(counters) == 300
    assert sum(before[key] != after[key] for key in before) > 350


def test_targets_want_the_password(tmp_path) -> None:
    """Each of the ports answers with the page, compressed, to who knows the password, again and again."""
    files = web.write_web_config(tmp_path, "x", web.Credentials.generate())
    with place.exporters(SIZE, files) as (pid, scrapes):
        assert pid > 0
        assert [scrape.instance.partition(":")[0] for scrape in scrapes] == ["n0000", "n0001"]
        with requests.Session() as session:
            for scrape in (*scrapes, *scrapes):
                url = f"http://{scrape.address}/metrics"
                auth = (files.credentials.user, files.credentials.password)
                answer = session.get(url, auth=auth, timeout=5)
                assert answer.headers["Content-Encoding"] == "gzip"
                assert answer.text.count("\nnode_cpu_seconds_total{") == 256
                assert session.get(url, timeout=5).status_code == 401


class Answers(Client):
    """A Prometheus that knows these scrapes of each target: times after the begin, and whether they were good."""

    def __init__(self, *targets: Mapping[float, int]) -> None:
        self._targets = targets

    def samples(self, selector: str, start: float, end: float) -> list[Series]:
        """Give the samples of `up`, with one from before the window, as a range of whole seconds may have."""
        assert (selector, end - start) == ("up", 60.0)
        return [
            Series({}, np.array([start - 3, *(start + at for at in ups)]), np.array([0.0, *ups.values()]))
            for ups in self._targets
        ]


@pytest.mark.parametrize(
    ("scrapes", "lost", "down"),
    [
        ({2.0 + 5 * n: 1 for n in range(12)}, 0, 0),
        ({2.0 + 5 * n + (1.9 if n == 4 else 0): 1 for n in range(12)}, 0, 0),  # late is not lost
        ({2.0 + 5 * n: int(n != 5) for n in range(12)}, 0, 1),
        ({2.0 + 5 * n: 1 for n in range(12) if n not in {3, 4}}, 2, 0),
        ({2.0 + 5 * n: 1 for n in range(2, 12)}, 2, 0),
        ({2.0 + 5 * n: 1 for n in range(9)}, 3, 0),
    ],
)
def test_lost_scrapes_are_counted(scrapes, lost, down) -> None:
    """Gaps within the window and at both of its ends are lost scrapes; late ones and failed ones are none."""
    whole = {1.0 + 5 * n: 1 for n in range(12)}
    found = living._scrapes(SIZE, Answers(scrapes, whole), 1000.0, 1060.0)
    assert found == (24, lost, down)


def test_copying_is_as_a_run_has_it(tmp_path) -> None:
    """Rounds at a run's own pace, each with its CPU and bytes, and how far behind the copy ever was."""
    assert [copying.every(interval) for interval in (0.2, 1, 2, 30)] == [1, 1, 2, 5]
    (tmp_path / "data" / "wal").mkdir(parents=True)
    segment = tmp_path / "data" / "wal" / "00000000"
    copied = living.Copying(Shipment(tmp_path / "data", tmp_path / "copy"), 0.05)
    deadline = time.monotonic() + 20
    while len(copied.rounds) < 5 and time.monotonic() < deadline:
        with segment.open("ab") as stream:
            stream.write(bytes(1000))
        time.sleep(0.02)
    copied.stop()
    assert len(copied.rounds) >= 5
    assert 0.05 <= copied.lag < 5
    assert sum(written for *_, written in copied.rounds) == (tmp_path / "copy" / "wal" / "00000000").stat().st_size


def test_sizes_and_unknown_names() -> None:
    """The sizes are those of the documents, and a name that is none is refused."""
    done = subprocess.run([sys.executable, "-m", "benchmarks.scale", "9s"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "no benchmark 9s: there are 5s, 2s, 1s, 100" in done.stderr
    assert Size(1000, 500, 5, 60).rate == 100_000
