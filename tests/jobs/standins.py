# ruff: noqa: D102, T201, ARG002, C901, PLR0911, PLR0912, RUF012 - tables of pages, each as its documentation has it
"""Stand-ins for servers that cannot be had here: `python -m tests.jobs.standins KIND ARGUMENTS...`.

Each takes the command line, variables and files that the real one is documented to take, and no other; asks for the
documented secret; and answers the documented REST, searching by brute force. What it does not know it answers with 404
and names on its log as `undocumented`, so that a test can see it. They show what we send and start, and nothing about
the real servers.
"""

import base64
import hashlib
import hmac
import json
import os
import re
import signal
import sys
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import numpy as np
import yaml

BOUNDS = (0.001, 0.01, 0.1, 1.0, 10.0)


class Refused(Exception):  # noqa: N818 - an answer, not an error
    """An answer that is none of success: its status and its body."""


class Standin:
    """One server: `listen` says where, `answer` what. Counts answers by `name` and how long they took."""

    open_pages = ()

    def __init__(self):
        self.counts, self.times, self.lock = Counter(), [], threading.Lock()
        self.collections = {}

    def secret(self, headers, method, path):
        """Raise Refused where the request does not bring the secret."""
        raise NotImplementedError

    def answer(self, method, path, query, body, headers):
        """Return a JSON value, text or bytes. Raises Refused."""
        raise NotImplementedError

    def handle(self, method, target, body, headers):
        """Return status, headers and bytes for a request."""
        begin, parts = time.monotonic(), urlsplit(target)
        path, extra = unquote(parts.path), {}
        try:
            if path not in self.open_pages:
                self.secret(headers, method, path)
            found, status = self.answer(method, path, parse_qs(parts.query, keep_blank_values=True), body, headers), 200
            if isinstance(found, tuple):
                found, status, extra = found
        except Refused as refused:
            status, found = refused.args
        with self.lock:
            self.counts[method, re.sub(r"dashcam\w*|Dashcam\w*|[0-9a-f-]{36}", "{name}", path), status] += 1
            self.times.append(time.monotonic() - begin)
        if isinstance(found, (dict, list, bool)):
            return status, {"Content-Type": "application/json", **extra}, json.dumps(found).encode()
        data = found if isinstance(found, bytes) else str(found).encode()
        return status, {"Content-Type": "text/plain", **extra}, data

    def undocumented(self, what):
        """Refuse what the documentation does not know, and say so."""
        print(f"undocumented: {what}", file=sys.stderr, flush=True)
        raise Refused(404, {"error": "not found"})

    def histogram(self, name, labels, scale=1.0):
        """Write the times of all answers as a histogram."""
        times = [each * scale for each in self.times]
        lines = [f"# TYPE {name} histogram"]
        lines += [f'{name}_bucket{{{labels},le="{bound}"}} {sum(t <= bound for t in times)}' for bound in BOUNDS]
        lines += [f'{name}_bucket{{{labels},le="+Inf"}} {len(times)}', f"{name}_sum{{{labels}}} {sum(times)}"]
        return [*lines, f"{name}_count{{{labels}}} {len(times)}"]


def nearest(vectors, query, limit, metric="l2"):
    """Return the ids of the nearest of {id: vector}, nearest first."""
    ids, query = list(vectors), np.asarray(query, np.float64)
    base = np.asarray([vectors[each] for each in ids], np.float64)
    if metric == "dot":
        far = -(base @ query)
    elif metric == "cosine":
        far = 1 - base @ query / (np.linalg.norm(base, axis=1) * np.linalg.norm(query))
    else:
        far = ((base - query) ** 2).sum(axis=1)
    return [ids[place] for place in np.argsort(far, kind="stable")[:limit]]


def within(found, known, where="it"):
    """Exit where a configuration has keys that the documentation does not know."""
    for key, value in found.items():
        if key not in known:
            sys.exit(f"undocumented: {where}.{key}")
        if isinstance(value, dict):
            within(value, known[key], key)


class Qdrant(Standin):
    """Qdrant 1.15."""

    KNOWN = {
        "log_level": 0,
        "telemetry_disabled": 0,
        "storage": {
            **dict.fromkeys(("storage_path", "snapshots_path", "temp_path", "on_disk_payload"), 0),
            "performance": {"max_search_threads": 0, "optimizer_cpu_budget": 0},
        },
        "service": dict.fromkeys(
            ("host", "http_port", "grpc_port", "api_key", "enable_cors", "enable_static_content"), 0
        ),
        "cluster": {"enabled": 0},
    }
    open_pages = ("/", "/healthz", "/livez", "/readyz")

    def __init__(self, argv):
        super().__init__()
        assert argv[0] == "--config-path", argv
        assert argv[2:] == ["--disable-telemetry"], argv
        config = yaml.safe_load(Path(argv[1]).read_text())
        within(config, self.KNOWN)
        assert config["telemetry_disabled"]
        Path(os.environ["QDRANT_INIT_FILE_PATH"]).touch()
        Path(config["storage"]["storage_path"]).mkdir()
        service = config["service"]
        self.key, self.aliases = service["api_key"], {}
        self.listens = [(service["host"], service["http_port"], self.handle)]

    def secret(self, headers, method, path):
        given = headers.get("api-key") or headers.get("Authorization", "").removeprefix("Bearer ")
        if given != self.key:
            raise Refused(401, "Must provide an API key or an Authorization bearer token")

    def answer(self, method, path, query, body, headers):
        match (method, *path.strip("/").split("/")):
            case ("GET", "readyz"):
                return "all shards are ready"
            case ("GET", "metrics"):
                return self.page()
            case ("GET", "collections"):
                return self.fine({"collections": [{"name": name} for name in self.collections]})
            case ("POST", "collections", "aliases"):
                for action in body["actions"]:
                    made = action["create_alias"]
                    self.aliases[made["alias_name"]] = made["collection_name"]
                return self.fine(True)
            case ("GET", "collections", name, "aliases"):
                mine = [
                    {"alias_name": alias, "collection_name": of} for alias, of in self.aliases.items() if of == name
                ]
                return self.fine({"aliases": mine})
            case ("GET", "collections", name):
                count = len(self.there(name)["points"])
                told = {"status": "green", "optimizer_status": "ok", "points_count": count, "segments_count": 1}
                return self.fine({**told, "indexed_vectors_count": count})
            case ("PUT", "collections", name):
                if name in self.collections:
                    raise Refused(409, {"status": {"error": f"Wrong input: Collection `{name}` already exists!"}})
                self.collections[name] = {"metric": body["vectors"]["distance"].lower(), "points": {}}
                return self.fine(True)
            case ("DELETE", "collections", name):
                return self.fine(self.collections.pop(name, None) is not None)
            case ("PUT", "collections", name, "points"):
                assert query == {"wait": ["true"]}
                self.there(name)["points"] |= {point["id"]: point["vector"] for point in body["points"]}
                return self.fine({"operation_id": 0, "status": "completed"})
            case ("POST", "collections", name, "points", "query"):
                found = self.there(name)
                ids = nearest(found["points"], body["query"], body["limit"], found["metric"])
                return self.fine({"points": [{"id": each, "version": 0, "score": 0.0} for each in ids]})
        return self.undocumented(f"{method} {path}")

    def there(self, name):
        if name not in self.collections:
            raise Refused(404, {"status": {"error": f"Not found: Collection `{name}` doesn't exist!"}})
        return self.collections[name]

    def fine(self, result):
        return {"result": result, "status": "ok", "time": 1e-5}

    def page(self):
        lines = ["# TYPE rest_responses_total counter"]
        lines += [
            f'rest_responses_total{{method="{method}",endpoint="{path}",status="{status}"}} {count}'
            for (method, path, status), count in self.counts.items()
        ]
        return "\n".join([*lines, *self.histogram("rest_responses_duration_seconds", 'method="POST"'), ""])


class Milvus(Standin):
    """Milvus 2.6 standalone."""

    PARTS = ("ROOTCOORD", "DATACOORD", "QUERYCOORD", "QUERYNODE", "DATANODE", "STREAMINGNODE", "INDEXNODE")

    def __init__(self, argv):
        super().__init__()
        assert argv == ["run", "standalone"], argv
        env = os.environ
        assert (env["ETCD_USE_EMBED"], env["COMMON_STORAGETYPE"], env["DEPLOY_MODE"]) == ("true", "local", "STANDALONE")
        assert env["COMMON_SECURITY_AUTHORIZATIONENABLED"] == "true"
        etcd = yaml.safe_load(Path(env["ETCD_CONFIG_PATH"]).read_text())
        assert etcd["initial-cluster"] == f"default={etcd['initial-advertise-peer-urls']}"
        for name in ("ETCD_DATA_DIR", "LOCALSTORAGE_PATH", "ROCKSMQ_PATH"):
            assert Path(env[name]).is_dir(), name
        ports = {env[f"{part}_PORT"] for part in self.PARTS} | {env["PROXY_PORT"], env["METRICS_PORT"]}
        assert len(ports) == len(self.PARTS) + 2
        self.token, self.aliases = f"Bearer root:{env['COMMON_SECURITY_DEFAULTROOTPASSWORD']}", {}
        self.begun = time.monotonic()
        self.listens = [
            ("", int(env["PROXY_PORT"]), self.handle),
            ("", int(env["METRICS_PORT"]), lambda _method, target, *_: self.page(target)),
        ]

    def secret(self, headers, method, path):
        if headers.get("Authorization") != self.token:
            raise Refused(401, {"code": 1800, "message": "user hasn't authenticated"})

    def answer(self, method, path, query, body, headers):
        if method != "POST" or not path.startswith("/v2/vectordb/"):
            return self.undocumented(f"{method} {path}")
        name = body.get("collectionName", "")
        found = self.collections.get(name)
        match path.removeprefix("/v2/vectordb/").split("/"):
            case ("collections", "list"):
                data = list(self.collections)
            case ("collections", "has"):
                data = {"has": found is not None}
            case ("collections", "create"):
                self.collections[name] = {"metric": body.get("metricType", "L2").lower(), "vectors": {}}
                data = {}
            case ("collections", "drop"):
                if name in self.aliases.values():
                    return {"code": 65535, "message": "a collection with an alias is not dropped"}
                self.collections.pop(name, None)
                data = {}
            case ("collections", "load" | "flush"):
                data = {}
            case ("collections", "get_load_state"):
                data = {"loadState": "LoadStateLoaded", "loadProgress": 100}
            case ("aliases", "create"):
                self.aliases[body["aliasName"]] = name
                data = {}
            case ("aliases", "list"):
                data = [alias for alias, of in self.aliases.items() if of == name]
            case ("indexes", "create"):
                found["metric"] = body["indexParams"][0]["metricType"].lower()
                data = {}
            case ("indexes", "describe"):
                data = [{"indexState": "Finished", "indexedRows": len(found["vectors"]), "pendingRows": 0}]
            case ("entities", "insert" | "upsert" as what):
                found["vectors"] |= {each["id"]: each["vector"] for each in body["data"]}
                data = {f"{what}Count": len(body["data"])}
            case ("entities", "search"):
                assert body["annsField"] == "vector"
                ids = nearest(found["vectors"], body["data"][0], body["limit"], found["metric"])
                data = [{"id": each, "distance": 0.0} for each in ids]
            case _:
                return self.undocumented(path)
        return {"code": 0, "data": data}

    def page(self, target):
        if target == "/healthz":
            status = 200 if time.monotonic() - self.begun > 0.5 else 500
            return status, {}, b"OK" if status == 200 else b"Not all components are healthy, 2/8"
        assert target == "/metrics"
        lines = ["# TYPE milvus_proxy_req_count counter"]
        for (_, path, status), count in self.counts.items():
            outcome = "success" if status == 200 else "fail"
            for word in ("total", outcome):
                name = f'function_name="{path}",status="{word}",code="{status}"'
                lines.append(f"milvus_proxy_req_count{{{name}}} {count}")
        lines += self.histogram("milvus_proxy_sq_latency", 'query_type="search"', 1e3)
        return 200, {"Content-Type": "text/plain"}, "\n".join([*lines, ""]).encode()


class Weaviate(Standin):
    """Weaviate 1.38."""

    open_pages = ("/v1/.well-known/ready",)

    def __init__(self, argv):
        super().__init__()
        env = os.environ
        assert [argv[0], argv[2], *argv[4:]] == ["--host", "--port", "--scheme", "http"], argv
        assert env["AUTHENTICATION_ANONYMOUS_ACCESS_ENABLED"] == "false"
        assert env["AUTHORIZATION_ADMINLIST_USERS"] == env["AUTHENTICATION_APIKEY_USERS"]
        assert int(env["CLUSTER_DATA_BIND_PORT"]) == int(env["CLUSTER_GOSSIP_BIND_PORT"]) + 1
        assert env["DISABLE_TELEMETRY"] == env["GO_PROFILING_DISABLE"] == "true"
        assert Path(env["PERSISTENCE_DATA_PATH"]).is_dir()
        self.token = f"Bearer {env['AUTHENTICATION_APIKEY_ALLOWED_KEYS']}"
        self.listens = [
            (argv[1], int(argv[3]), self.handle),
            ("", int(env["PROMETHEUS_MONITORING_PORT"]), lambda *_: self.page()),
        ]

    def secret(self, headers, method, path):
        if headers.get("Authorization") != self.token:
            raise Refused(401, {"error": [{"message": "anonymous access not enabled"}]})

    def answer(self, method, path, query, body, headers):
        match (method, *path.removeprefix("/v1/").split("/")):
            case ("GET", ".well-known", "ready"):
                return ""
            case ("GET", "schema"):
                return {"classes": list(self.collections)}
            case ("GET", "schema", name):
                if name not in self.collections:
                    raise Refused(404, "")
                return self.collections[name]["schema"]
            case ("POST", "schema"):
                name = body["class"]
                assert name[0].isupper()
                if name in self.collections:
                    raise Refused(422, {"error": [{"message": f"class name {name} already exists"}]})
                metric = body.get("vectorIndexConfig", {}).get("distance", "cosine")
                self.collections[name] = {"schema": body, "vectors": {}, "metric": metric.partition("-")[0]}
                return body
            case ("DELETE", "schema", name):
                self.collections.pop(name, None)
                return ""
            case ("POST", "objects"):
                self.collections[body["class"]]["vectors"][body["id"]] = body["vector"]
                return body
            case ("POST", "batch", "objects"):
                for each in body["objects"]:
                    self.collections[each["class"]]["vectors"][each["id"]] = each["vector"]
                return [{"id": each["id"], "result": {"status": "SUCCESS"}} for each in body["objects"]]
            case ("GET", "nodes", name):
                assert query == {"output": ["verbose"]}
                shard = {"class": name, "vectorIndexingStatus": "READY", "vectorQueueLength": 0}
                return {"nodes": [{"name": os.environ["CLUSTER_HOSTNAME"], "shards": [shard]}]}
            case ("POST", "graphql"):
                return {"data": self.graphql(body["query"])}
        return self.undocumented(f"{method} {path}")

    def graphql(self, query):
        if count := re.fullmatch(r"\{Aggregate\{(\w+)\{meta\{count\}\}\}\}", query):
            return {"Aggregate": {count[1]: [{"meta": {"count": len(self.collections[count[1]]["vectors"])}}]}}
        form = r"\{Get\{(\w+)\(limit:(\d+)\s+nearVector:\{vector:(\[[^\]]*\])\}\)\{_additional\{id\}\}\}\}"
        match = re.fullmatch(form, query)
        if match is None:
            self.undocumented(query)
        found = self.collections[match[1]]
        ids = nearest(found["vectors"], json.loads(match[3]), int(match[2]), found["metric"])
        return {"Get": {match[1]: [{"_additional": {"id": each}} for each in ids]}}

    def page(self):
        lines = ["# TYPE requests_total counter"]
        for (_, path, status), count in self.counts.items():
            outcome = "ok" if status == 200 else "user_error"
            names = f'api="{path}",query_type="get",class_name="x",status="{outcome}"'
            lines.append(f"requests_total{{{names}}} {count}")
        lines += self.histogram("queries_durations_ms", 'class_name="x",query_type="get"', 1e3)
        return 200, {"Content-Type": "text/plain"}, "\n".join([*lines, ""]).encode()


class Minio(Standin):
    """MinIO of September 2025. The signature of a request is looked at for its access key alone."""

    def __init__(self, argv):
        super().__init__()
        assert [argv[0], argv[1], argv[3]] == ["server", "--address", "--certs-dir"], argv
        assert len(argv) == 6
        assert Path(argv[4]).is_dir()
        assert Path(argv[5]).is_dir()
        env = os.environ
        assert env["MINIO_BROWSER"] == env["MINIO_UPDATE"] == "off"
        assert env["MINIO_PROMETHEUS_AUTH_TYPE"] == "jwt"
        self.user, self.password = (
            Path(env[f"MINIO_ROOT_{name}_FILE"]).read_text().strip() for name in ("USER", "PASSWORD")
        )
        assert len(self.user) >= 3
        assert len(self.password) >= 8
        host, _, port = argv[2].rpartition(":")
        self.listens = [(host, int(port), self.handle)]

    def secret(self, headers, method, path):
        given = headers.get("Authorization", "")
        if path.startswith("/minio/metrics/"):
            signed, _, signature = given.removeprefix("Bearer ").rpartition(".")
            wanted = hmac.digest(self.password.encode(), signed.encode(), hashlib.sha512)
            if base64.urlsafe_b64encode(wanted).rstrip(b"=").decode() != signature:
                raise Refused(403, "")
            claims = json.loads(base64.urlsafe_b64decode(signed.partition(".")[2] + "=="))
            assert claims["sub"] == self.user
            assert claims["iss"] == "prometheus"
            assert claims["exp"] > time.time()
        elif f"Credential={self.user}/" not in given or "Signature=" not in given:
            raise Refused(403, "<Error><Code>AccessDenied</Code></Error>")

    def answer(self, method, path, query, body, headers):
        if path == "/minio/metrics/v3/api/requests":
            return self.page()
        bucket, _, key = path.lstrip("/").partition("/")
        objects = self.collections.get(bucket)
        match (method, bool(bucket), bool(key)):
            case ("GET", False, _):
                return "<ListAllMyBucketsResult/>"
            case ("PUT", True, False):
                if objects is not None:
                    raise Refused(409, "<Error><Code>BucketAlreadyOwnedByYou</Code></Error>")
                self.collections[bucket] = {}
                return ""
            case ("HEAD", True, False) if objects is not None:
                return ""
            case ("DELETE", True, False) if objects is not None:
                if objects:
                    raise Refused(409, "<Error><Code>BucketNotEmpty</Code></Error>")
                del self.collections[bucket]
                return "", 204, {}
            case ("GET", True, False) if objects is not None:
                return self.listing(bucket, query)
            case ("POST", True, False) if objects is not None and "delete" in query:
                for key in re.findall(r"<Key>([^<]+)</Key>", body.decode()):
                    objects.pop(key, None)
                return "<DeleteResult/>"
            case ("PUT", True, True) if objects is not None:
                objects[key] = body
                return "", 200, {"ETag": f'"{hashlib.md5(body).hexdigest()}"'}  # noqa: S324 - what S3's ETag is
            case ("GET", True, True) if objects is not None and key in objects:
                return objects[key]
            case ("DELETE", True, True) if objects is not None:
                objects.pop(key, None)
                return "", 204, {}
            case ("GET" | "HEAD" | "DELETE" | "PUT", True, _):
                raise Refused(404, "<Error><Code>NoSuchKey</Code></Error>")
        return self.undocumented(f"{method} {path}")

    def listing(self, bucket, query):
        prefix = query.get("prefix", [""])[0]
        most = int(query.get("max-keys", ["1000"])[0])
        after = query.get("continuation-token", query.get("start-after", [""]))[0]
        keys = [key for key in sorted(self.collections[bucket]) if key.startswith(prefix) and key > after]
        shown, more = keys[:most], len(keys) > most
        rows = "".join(
            f"<Contents><Key>{key}</Key><Size>{len(self.collections[bucket][key])}</Size></Contents>" for key in shown
        )
        token = f"<NextContinuationToken>{shown[-1]}</NextContinuationToken>" if more else ""
        return (
            f'<?xml version="1.0" encoding="UTF-8"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
            f"<Name>{bucket}</Name><KeyCount>{len(shown)}</KeyCount>"
            f"<IsTruncated>{str(more).lower()}</IsTruncated>{token}{rows}</ListBucketResult>"
        )

    def page(self):
        names, lines = Counter(), []
        for (method, _, status), count in self.counts.items():
            names["total", method] += count
            names["errors_total", method] += count if status >= 400 else 0
        for (what, method), count in names.items():
            labels = f'name="{method.title()}Object",type="s3",pool_index="0",server="it"'
            lines.append(f"minio_api_requests_{what}{{{labels}}} {count}")
        lines += [
            f'minio_api_requests_{name}{{type="s3",pool_index="0",server="it"}} 0'
            for name in ("waiting_total", "incoming_total")
        ]
        lines.append('minio_api_requests_inflight_total{name="GetObject",type="s3",pool_index="0",server="it"} 0')
        lines.append('minio_node_of_no_use{server="it"} 1')
        return "\n".join([*lines, ""])


KINDS = {"qdrant": Qdrant, "milvus": Milvus, "weaviate": Weaviate, "minio": Minio}


def server(host, port, handle):
    """Serve one of a stand-in's ports in a thread of its own."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _any(self):
            raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            is_json = "json" in self.headers.get("Content-Type", "")
            try:
                status, headers, data = handle(
                    self.command, self.path, json.loads(raw) if is_json and raw else raw, self.headers
                )
            except Exception as error:  # noqa: BLE001 - as a server answers 500
                print(f"undocumented: {self.command} {self.path}: {error!r}", file=sys.stderr, flush=True)
                status, headers, data = 500, {}, b""
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(data))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(b"" if self.command == "HEAD" else data)

        do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _any  # noqa: N815 - names of http.server

        def log_message(self, *_):
            """Stay quiet."""

    class Server(ThreadingHTTPServer):
        daemon_threads, request_queue_size = True, 128

    made = Server((host, port), Handler)
    threading.Thread(target=made.serve_forever, args=(0.02,), daemon=True).start()
    return made


def main(argv):
    """Serve until SIGTERM."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    if argv[1:] == ["--version"]:
        print(f"{argv[0]} version 0.0.0-standin")
        return 0
    made = KINDS[argv[0]](argv[1:])
    for each in made.listens:
        server(*each)
    print("listening", flush=True)
    signal.sigwait({signal.SIGTERM, signal.SIGINT})
    return 0


def install(folder):
    """Put programs into a folder that are started as the real ones are."""
    folder.mkdir(parents=True)
    for name in KINDS:
        (folder / name).write_text(
            f"#!/bin/sh\nexport PYTHONPATH={Path(__file__).parents[2]}\n"
            f'exec {sys.executable} -m tests.jobs.standins {name} "$@"\n'
        )
        (folder / name).chmod(0o755)
    return folder


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
