"""A small vector server over Faiss, so that Faiss is measured as databases are: over HTTP, with metrics of its own.

All paths want the secret as bearer token. JSON but where said; vectors are little-endian float32, attributes int64.

PUT /collections/NAME {"dim", "made_by", "metric", "index", "m", "ef_construction", "lists"}; 409: it is there
GET, DELETE /collections/NAME -> {"dim", "made_by", "vectors", "built"}
POST /collections/NAME/vectors?attributes=0|1, binary: rows of `dim` numbers, then an attribute for each row
POST /collections/NAME/build -> {"vectors"}, when the index is built; then no vectors are taken any more
POST /collections/NAME/search?k=&ef_search=&probes=[&below=], binary: one vector, or JSON {"vector": [...]}
  -> {"ids": [...], "distances": [...]}, nearest first; `below`: only those whose attribute is less
GET /metrics
"""

import argparse
import asyncio
import hmac
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import prometheus_client
from aiohttp import web
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import generate_latest
from pydantic import ValidationError

from loadtests.faiss_index import FaissIndex
from loadtests.vectors.base import IndexOptions, Search

_LARGEST = 64 << 20
_BUCKETS = (0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Metrics:
    """What the server tells of itself."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "faiss_requests",
            "Requests by what they asked and how it ended.",
            ("operation", "code"),
            registry=self.registry,
        )
        self.search = Histogram(
            "faiss_search_seconds", "Time in Faiss of one search.", buckets=_BUCKETS, registry=self.registry
        )
        self.wait = Histogram(
            "faiss_wait_seconds", "Time that a search waited for a thread.", buckets=_BUCKETS, registry=self.registry
        )
        self.open = Gauge("faiss_requests_in_flight", "Requests that are worked on or wait.", registry=self.registry)
        self.vectors = Gauge("faiss_vectors", "Vectors of all collections.", registry=self.registry)
        self.build = Gauge("faiss_build_seconds", "Time that the last index took to build.", registry=self.registry)


class Server:
    """Collections by name. Searches run on `threads` threads, each search on one; building takes all cores."""

    def __init__(self, token: str, threads: int) -> None:
        self._expected = f"Bearer {token}".encode()
        self._collections: dict[str, tuple[FaissIndex, str]] = {}
        self._metrics = Metrics()
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="search")

    def application(self) -> web.Application:
        """Return the routes, all of them behind the secret."""
        application = web.Application(middlewares=[self._guard], client_max_size=_LARGEST)
        place = "/collections/{name:[a-z0-9_]+}"
        application.add_routes(
            [
                web.get("/metrics", self._page),
                web.put(place, self._make),
                web.get(place, self._tell),
                web.delete(place, self._delete),
                web.post(f"{place}/vectors", self._add),
                web.post(f"{place}/build", self._build),
                web.post(f"{place}/search", self._search),
            ]
        )
        return application

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        given = request.headers.get("Authorization", "").encode(errors="replace")
        if not hmac.compare_digest(given, self._expected):
            return web.Response(status=401, headers={"WWW-Authenticate": "Bearer"})
        operation, code = request.path.rpartition("/")[2] if request.method == "POST" else request.method.lower(), 500
        try:
            with self._metrics.open.track_inprogress():
                answer = await handler(request)
            code = answer.status
        except web.HTTPException as error:
            code = error.status
            raise
        finally:
            known = operation in {"get", "put", "delete", "vectors", "build", "search"}
            self._metrics.requests.labels(operation if known else "other", str(code)).inc()
        return answer

    def _index(self, request: web.Request) -> FaissIndex:
        found = self._collections.get(request.match_info["name"])
        if found is None:
            raise web.HTTPNotFound(text="there is no such collection")
        return found[0]

    async def _page(self, _request: web.Request) -> web.Response:
        self._metrics.vectors.set(sum(index.count for index, _ in self._collections.values()))
        page = await asyncio.to_thread(generate_latest, self._metrics.registry)
        return web.Response(body=page, headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"})

    async def _make(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if name in self._collections:
            raise web.HTTPConflict(text="there is a collection of that name")
        try:
            asked = orjson.loads(await request.read())
            dim, made_by = int(asked.pop("dim")), str(asked.pop("made_by", ""))
            options = IndexOptions.model_validate(asked)
        except (ValueError, KeyError, TypeError, AttributeError, ValidationError) as error:
            raise web.HTTPBadRequest(text=f"no collection can be made of that: {error}") from error
        self._collections[name] = (FaissIndex(dim, options), made_by)
        return _json({})

    async def _tell(self, request: web.Request) -> web.Response:
        index, made_by = self._index(request), self._collections[request.match_info["name"]][1]
        return _json({"dim": index.dim, "made_by": made_by, "vectors": index.count, "built": index.built})

    async def _delete(self, request: web.Request) -> web.Response:
        self._index(request)
        del self._collections[request.match_info["name"]]
        return _json({})

    async def _add(self, request: web.Request) -> web.Response:
        index, body = self._index(request), await request.read()
        if index.built:
            raise web.HTTPConflict(text="the index is built: make the collection anew")
        row = 4 * index.dim + (8 if (attributed := request.query.get("attributes") == "1") else 0)
        if not body or len(body) % row:
            raise web.HTTPBadRequest(
                text=f"{len(body)} bytes are no rows of {row}: {index.dim} dimensions are expected"
            )
        count = len(body) // row
        vectors = np.frombuffer(body, "<f4", count * index.dim).reshape(count, index.dim)
        index.add(vectors, np.frombuffer(body, "<i8", count, 4 * count * index.dim) if attributed else None)
        return _json({})

    async def _build(self, request: web.Request) -> web.Response:
        index, begin = self._index(request), time.perf_counter()
        if not index.built:
            try:
                await asyncio.to_thread(index.build)
            except RuntimeError as error:  # Faiss's own
                raise web.HTTPBadRequest(text=str(error)) from error
            self._metrics.build.set(time.perf_counter() - begin)
        return _json({"vectors": index.count})

    async def _search(self, request: web.Request) -> web.Response:
        index, body = self._index(request), await request.read()
        if not index.built:
            raise web.HTTPConflict(text="the index is not built")
        try:
            if request.content_type == "application/json":
                vector = np.asarray(orjson.loads(body)["vector"], dtype=np.float32)
            else:
                vector = np.frombuffer(body, "<f4")
            query = request.query
            below = int(query["below"]) if "below" in query else None
            how = Search(int(query["k"]), int(query.get("ef_search", 40)), int(query.get("probes", 10)), below)
            if how.k < 1 or (below is not None and not index.attributed):
                raise ValueError("k must be at least 1, and `below` needs attributes")  # noqa: TRY301 - one answer for all
            begin = time.perf_counter()
            loop = asyncio.get_running_loop()
            ids, distances, waited, took = await loop.run_in_executor(self._pool, _timed, index, vector, how, begin)
        except (ValueError, KeyError, TypeError) as error:
            raise web.HTTPBadRequest(text=f"no search can be made of that: {error}") from error
        self._metrics.wait.observe(waited)
        self._metrics.search.observe(took)
        return _json({"ids": ids, "distances": distances})


def _timed(index: FaissIndex, vector: Any, how: Search, asked: float) -> tuple[list[int], list[float], float, float]:
    """Search; returns ids, distances, and the seconds that it waited for this thread and took."""
    begin = time.perf_counter()
    ids, distances = index.search(vector, how)
    return ids, distances, begin - asked, time.perf_counter() - begin


def _json(value: Any) -> web.Response:
    return web.Response(body=orjson.dumps(value), content_type="application/json")


async def _serve(server: Server, host: str, port: int) -> None:
    runner = web.AppRunner(server.application(), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, host, port).start()
    print(f"listening on {host}:{port}", flush=True)  # noqa: T201 - the log's first line
    ended, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    await ended.wait()
    await runner.cleanup()


def main(argv: list[str]) -> int:
    """Serve until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="faiss_server")
    parser.add_argument("--host", required=True)
    parser.add_argument("--port", required=True, type=int)
    parser.add_argument("--token-file", required=True, type=Path)
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args(argv)
    token = options.token_file.read_text().strip()
    if not token:
        print(f"{options.token_file} is empty: nothing is served without a secret", file=sys.stderr)  # noqa: T201 - the log
        return 2
    prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call] # the library leaves it untyped
    asyncio.run(_serve(Server(token, options.threads), options.host, options.port))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
