"""Whole runs of the kinds that cannot be had here, through stand-ins that take and answer only what is documented."""

import json
import os
import secrets
import threading
from pathlib import Path

import pytest
import yaml

from jobs.services.milvus import MilvusProbe
from jobs.services.qdrant import QdrantProbe
from jobs.services.s3_probe import S3Probe
from jobs.services.weaviate import WeaviateProbe
from prometheus import replay, snapshot
from prometheus.loopback import free_port
from tests.jobs import standins

LOADS = {
    "qdrant": "vector",
    "milvus": "vector",
    "weaviate": "vector",
    "minio": "s3",
}
RECIPE = """\
name: standin
watch: {{interval: 500ms, exporters: [process], grafana: off}}
services:
  store: {{kind: {kind}}}
load:
  generator: {generator}
{options}
  seed: 3
  drain: 2s
  phases:
    - {{name: warmup, for: 1s, rate: 5, arrival: constant}}
    - {{name: steady, for: 5s, rate: 10, arrival: constant}}
"""
OPTIONS = {
    "vector": "  k: 5\n  dataset: {kind: random, n: 300, dim: 8, seed: 1}\n",
    "s3": "  mix: {get: 60, put: 20, list: 10, delete: 10}\n  objects: 20\n  size: 4KiB\n",
}


@pytest.mark.real
@pytest.mark.timing
@pytest.mark.parametrize(
    "kind", ["qdrant", "minio", *(pytest.param(n, marks=pytest.mark.heavy) for n in ("milvus", "weaviate"))]
)
def test_whole_run(kind, driver, tmp_path):
    """Started, ready, driven, scraped, stopped: no request was one that the documentation does not know."""
    generator = LOADS[kind]
    recipe = tmp_path / "standin.yaml"
    recipe.write_text(RECIPE.format(kind=kind, generator=generator, options=OPTIONS[generator].rstrip()))
    folder = standins.install(tmp_path / "bin")
    done = driver.call("run", str(recipe), PATH=f"{folder}:{os.environ['PATH']}")
    run = driver.runs()[-1]
    log = (run / "logs" / "store.log").read_text()
    assert done.returncode in (0, 3), done.stdout + done.stderr + log  # a busy machine makes a run INVALID, and rightly
    assert "undocumented" not in log
    manifest = json.loads((run / "run.json").read_text())
    assert manifest["ending"] == "completed"
    end = max(block.end for block in snapshot.blocks(run / "tsdb"))
    with replay.open_blocks(run / "tsdb", tmp_path / "opened") as opened:

        def last(query):
            return [float(each.values[-1]) for each in opened.client.query(query, end)]

        assert max(last("max_over_time(service:request_rate[1m])")) > 2
        assert max(last('sum(max_over_time(load_requests_total{outcome="ok"}[1m]))')) > 40
        assert last('sum(max_over_time(load_requests_total{outcome!="ok"}[1m])) > 0') == []
        if kind != "minio":
            assert last("max_over_time(service:latency_seconds:p95[1m])")
            assert last("sum(max_over_time(load_recall_sum[1m]))") == [55.0]  # all that was found is right
        else:
            assert last("max_over_time(service:queue_depth[1m])") == [0.0]
            assert last('count({__name__="minio_node_of_no_use"})') == []


class Served:
    """A stand-in in this process, on loopback, with its probe."""

    def __init__(self, kind, place, monkeypatch):
        self.port, self.other = free_port(), free_port()
        self.key = place / "key"
        secret = secrets.token_urlsafe(24)
        url = f"http://127.0.0.1:{self.port}"
        argv = getattr(self, f"_{kind}")(place, secret, monkeypatch)
        self.standin = standins.KINDS[kind](argv)
        self.probe = {
            "qdrant": lambda: QdrantProbe(url, self.key),
            "milvus": lambda: MilvusProbe(url, self.key, f"http://127.0.0.1:{self.other}/healthz"),
            "weaviate": lambda: WeaviateProbe(url, self.key),
            "minio": lambda: S3Probe(url, self.key),
        }[kind]()
        self.servers = []

    def start(self):
        """Listen."""
        self.servers = [standins.server("127.0.0.1", port, handle) for _, port, handle in self.standin.listens]

    def stop(self):
        """Stop listening."""
        for each in self.servers:
            each.shutdown()
            each.server_close()

    def _qdrant(self, place, secret, monkeypatch):
        self.key.write_text(secret)
        monkeypatch.setenv("QDRANT_INIT_FILE_PATH", str(place / "init"))
        service = {"host": "127.0.0.1", "http_port": self.port, "api_key": secret}
        config = {"telemetry_disabled": True, "storage": {"storage_path": str(place / "s")}, "service": service}
        (place / "q.yaml").write_text(yaml.safe_dump(config))
        return ["--config-path", str(place / "q.yaml"), "--disable-telemetry"]

    def _milvus(self, place, secret, monkeypatch):
        self.key.write_text(f"root:{secret}")
        peers = "http://127.0.0.1:1"
        (place / "etcd.yaml").write_text(
            yaml.safe_dump({"initial-cluster": f"default={peers}", "initial-advertise-peer-urls": peers})
        )
        words = {
            "ETCD_USE_EMBED": "true", "COMMON_STORAGETYPE": "local", "DEPLOY_MODE": "STANDALONE",
            "COMMON_SECURITY_AUTHORIZATIONENABLED": "true", "COMMON_SECURITY_DEFAULTROOTPASSWORD": secret,
            "ETCD_CONFIG_PATH": str(place / "etcd.yaml"), "PROXY_PORT": str(self.port), "METRICS_PORT": str(self.other),
            **dict.fromkeys(("ETCD_DATA_DIR", "LOCALSTORAGE_PATH", "ROCKSMQ_PATH"), str(place)),
            **{f"{part}_PORT": str(number) for number, part in enumerate(standins.Milvus.PARTS)},
        }  # fmt: skip
        for name, value in words.items():
            monkeypatch.setenv(name, value)
        return ["run", "standalone"]

    def _weaviate(self, place, secret, monkeypatch):
        self.key.write_text(secret)
        words = {
            "AUTHENTICATION_ANONYMOUS_ACCESS_ENABLED": "false", "AUTHENTICATION_APIKEY_USERS": "me",
            "AUTHORIZATION_ADMINLIST_USERS": "me", "AUTHENTICATION_APIKEY_ALLOWED_KEYS": secret,
            "CLUSTER_GOSSIP_BIND_PORT": "1", "CLUSTER_DATA_BIND_PORT": "2", "DISABLE_TELEMETRY": "true",
            "GO_PROFILING_DISABLE": "true", "PERSISTENCE_DATA_PATH": str(place), "CLUSTER_HOSTNAME": "me",
            "PROMETHEUS_MONITORING_PORT": str(self.other),
        }  # fmt: skip
        for name, value in words.items():
            monkeypatch.setenv(name, value)
        return ["--host", "127.0.0.1", "--port", str(self.port), "--scheme", "http"]

    def _minio(self, place, secret, monkeypatch):
        self.key.write_text(f"ROOT:{secret}")
        for name, value in {"USER": "ROOT", "PASSWORD": secret}.items():
            (place / name).write_text(value)
            monkeypatch.setenv(f"MINIO_ROOT_{name}_FILE", str(place / name))
        for name, value in {"BROWSER": "off", "UPDATE": "off", "PROMETHEUS_AUTH_TYPE": "jwt"}.items():
            monkeypatch.setenv(f"MINIO_{name}", value)
        return ["server", "--address", f"127.0.0.1:{self.port}", "--certs-dir", str(place), str(place)]


@pytest.fixture(params=LOADS)
def served(request, tmp_path, monkeypatch):
    """Each stand-in, not yet listening."""
    made = Served(request.param, tmp_path, monkeypatch)
    yield made
    made.stop()


def until(probe, want, seconds=5.0):
    """Ask a probe until it answers as wanted; return its last answer."""
    over = threading.Event()
    for _ in range(int(seconds / 0.05)):
        answer = probe.check()
        if want(answer):
            return answer
        over.wait(0.05)
    return answer


def test_ready_when_it_answers_correctly(served):
    """Not before it listens; then ready, as often as it is asked, and nothing is left behind."""
    assert "does not answer yet" in served.probe.check()
    served.start()
    assert until(served.probe, lambda answer: answer is None) is None
    assert served.probe.check() is None
    assert served.standin.collections == {}


def test_a_server_without_our_key_is_another_one(served):
    """Who answers a stranger, or refuses our key, is not the server that was started."""
    secret, refuse = served.standin.secret, standins.Refused(403, "")
    served.standin.secret = lambda *_: None
    served.start()
    assert "answers without our key" in until(served.probe, lambda answer: "without our key" in str(answer))

    def nobody(*_):
        raise refuse

    served.standin.secret = nobody
    assert "refuses our key" in served.probe.check() or "403" in served.probe.check()
    served.standin.secret = secret
    assert until(served.probe, lambda answer: answer is None) is None


def test_a_wrong_answer_is_not_ready(served, monkeypatch):
    """A search that finds another vector, an object that is not there: not ready, and why."""
    monkeypatch.setattr(standins, "nearest", lambda vectors, *_: list(vectors)[::-1])
    answer = served.standin.answer

    def loses(method, path, query, body, headers):
        if isinstance(served.standin, standins.Minio) and method == "GET" and path.endswith("/object"):
            raise standins.Refused(404, "<Error><Code>NoSuchKey</Code></Error>")
        return answer(method, path, query, body, headers)

    served.standin.answer = loses
    served.start()
    told = until(served.probe, lambda said: said and ("found" in said or "NoSuchKey" in said))
    assert "found" in told or "answers 404 to GET /dashcam-ready/object" in told


def test_an_answer_of_another_shape_is_not_ready(served):
    """Whatever else listens there is named, and nothing is raised."""
    served.standin.answer = lambda *_: {"made": "up"}
    served.start()
    told = until(served.probe, lambda said: said and "does not answer yet" not in said and "500" not in said, 2.0)
    if isinstance(served.standin, standins.Minio):  # its answers are looked at by their status alone
        assert told is None or "answers" in told
    else:
        assert "not as documented" in told or "answers" in told


def test_a_standin_takes_nothing_that_is_not_documented(tmp_path):
    """It is strict: a key of Qdrant's configuration that is not there, another command line of Milvus."""
    path = Path(tmp_path) / "q.yaml"
    path.write_text("telemetry_disabled: true\nservice: {portt: 1}\n")
    with pytest.raises(SystemExit, match=r"undocumented: service\.portt"):
        standins.Qdrant(["--config-path", str(path), "--disable-telemetry"])
    with pytest.raises(AssertionError):
        standins.Milvus(["run", "cluster"])
