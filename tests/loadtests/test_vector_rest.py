"""What is sent to Qdrant, Milvus and Weaviate, and how their documented answers are read: by stand-ins.

None of the three was ever run here; see `tests.loadtests.standin`.
"""

import numpy as np
import pytest

from loadtests import dataset, vectors
from loadtests.dataset import Dataset, DatasetOptions
from loadtests.generators.vector import Options
from loadtests.outcome import Outcome, RequestFailed, SetupError
from loadtests.plan import Target
from loadtests.vectors.base import MADE_BY, IndexOptions, Search
from tests.loadtests.standin import standin

DATA = Dataset(
    np.array([[0, 0.5], [1, 2], [3, 4]], np.float32), np.array([[0.1, -1]], np.float32), np.array([5, 700_000, 9])
)
PLAIN, FILTERED = Search(k=2, ef_search=50, probes=3), Search(k=2, ef_search=50, probes=3, below=100_000)


def backend(protocol, url, tmp_path, searches=(PLAIN, FILTERED), **options):
    """Make a backend with a secret."""
    (tmp_path / "key").write_text("made-up")
    target = Target(protocol=protocol, url=url, secret_file=tmp_path / "key")
    options = IndexOptions.model_validate({"metric": "l2", "collection": "items", "index_within": "1s", **options})
    return vectors.registry()[protocol].create(target, options, list(searches), 5.0)


async def ask(made, how):
    """Search once, with the query of DATA."""
    outcome = Outcome()
    found = await made.search(made.encode(DATA.queries[0]), how, outcome)
    assert outcome.sent is not None
    assert outcome.done is not None
    return found


@pytest.fixture
def qdrant():
    """Answer as Qdrant's reference has it; `there` is what stands before."""
    state = {"there": False, "aliases": [], "green": 0, "indexed": 3, "hits": [{"id": 2}, {"id": 0}]}

    def answer(line, _body):
        if line == "GET /collections/items":
            if not state["there"]:
                return 404, {"status": {"error": "Not found: Collection `items` doesn't exist!"}, "time": 1e-5}
            state["green"] += 1
            status = "green" if state["green"] > 2 else "yellow"
            info = {"status": status, "optimizer_status": "ok", "points_count": 3, "segments_count": 2}
            return {"result": info | {"indexed_vectors_count": state["indexed"]}, "status": "ok", "time": 1e-5}
        if line == "GET /collections/items/aliases":
            names = [{"alias_name": name, "collection_name": "items"} for name in state["aliases"]]
            return {"result": {"aliases": names}, "status": "ok", "time": 1e-5}
        if line == "PUT /collections/items":
            state["there"] = True
        if line.endswith("/points/query"):
            hits = [{"version": 0, "score": 0.5, **hit} for hit in state["hits"]]
            return {"result": {"points": hits}, "status": "ok", "time": 1e-5}
        return {"result": True, "status": "ok", "time": 1e-5}

    return state, answer


async def test_qdrant(qdrant, tmp_path):
    """The collection, its mark, the payload index before the points, the gate, and a search with and without filter."""
    _, answer = qdrant
    async with standin(answer) as seen:
        made = backend("qdrant", seen.url, tmp_path, m=8, ef_construction=32)
        notes = await made.fill(DATA)
        assert seen.headers["api-key"] == "made-up"
        assert [line for line, _ in seen[:5]] == [
            "GET /collections/items",
            "PUT /collections/items",
            "POST /collections/aliases",
            "PUT /collections/items/index?wait=true",
            "PUT /collections/items/points?wait=true",
        ]
        assert seen[1][1] == {
            "vectors": {"size": 2, "distance": "Euclid"},
            "hnsw_config": {"m": 8, "ef_construct": 32, "full_scan_threshold": 10},
            "optimizers_config": {"indexing_threshold": 1},
        }
        mark = {"collection_name": "items", "alias_name": "made_by_dashcam__items"}
        assert seen[2][1] == {"actions": [{"create_alias": mark}]}
        assert seen[3][1] == {"field_name": "attribute", "field_schema": "integer"}
        assert seen[4][1]["points"][1] == {"id": 1, "vector": [1.0, 2.0], "payload": {"attribute": 700_000}}
        assert len(seen) == 5 + 5  # two yellow, three green
        assert notes["indexed_vectors"] == 3
        assert await ask(made, PLAIN) == [2, 0]
        assert seen[-1] == (
            "POST /collections/items/points/query",
            {"query": [0.1, -1.0], "limit": 2, "params": {"hnsw_ef": 50}, "with_payload": False, "with_vector": False},
        )
        assert await ask(made, FILTERED) == [2, 0]
        assert seen[-1][1]["filter"] == {"must": [{"key": "attribute", "range": {"lt": 100_000}}]}
        await made.close()
        exact = backend("qdrant", seen.url, tmp_path, index="none", metric="cosine")
        assert await ask(exact, PLAIN) == [2, 0]
        assert seen[-1][1]["params"] == {"exact": True}
        await exact.close()


async def test_qdrant_that_does_not_index(qdrant, tmp_path):
    """Green alone is not enough: a collection whose vectors are not in the index is not measured."""
    state, answer = qdrant
    state["indexed"] = 1
    async with standin(answer) as seen:
        made = backend("qdrant", seen.url, tmp_path)
        with pytest.raises(SetupError, match="not indexed the vectors within 1 s: it is green, 1 of 3 points"):
            await made.fill(DATA)
        await made.close()


async def test_qdrant_leaves_others_alone(qdrant, tmp_path):
    """A collection without our mark is not deleted; one with it is made anew."""
    state, answer = qdrant
    state["there"] = True
    async with standin(answer) as seen:
        made = backend("qdrant", seen.url, tmp_path)
        with pytest.raises(SetupError, match="not of our making"):
            await made.fill(DATA)
        assert not seen.of("DELETE")
        state["aliases"] = ["made_by_dashcam__items"]
        await made.fill(DATA)
        assert "DELETE /collections/items" in [line for line, _ in seen]
        await made.close()


@pytest.fixture
def milvus():
    """Answer as Milvus's reference has it."""
    hits = [{"id": 2, "distance": 0.1}, {"id": "0", "distance": 0.2}]
    state = {"there": False, "aliases": [], "asked": 0, "search": {"code": 0, "cost": 0, "data": hits}}

    def answer(line, body):
        path = line.removeprefix("POST /v2/vectordb")
        if path == "/entities/search":
            return state["search"]
        data = {}
        if path == "/collections/has":
            data = {"has": state["there"]}
        elif path == "/aliases/list":
            data = state["aliases"]
        elif path == "/entities/insert":
            data = {"insertCount": len(body["data"]), "insertIds": [entity["id"] for entity in body["data"]]}
        elif path == "/indexes/describe":
            state["asked"] += 1
            word, rows = ("Finished", 3) if state["asked"] > 1 else ("InProgress", 1)
            facts = {"indexName": "vector", "fieldName": "vector", "indexState": word, "failReason": ""}
            data = [facts | {"totalRows": 3, "indexedRows": rows, "pendingRows": 0}]
        elif path == "/collections/get_load_state":
            state["asked"] += 1
            loaded = state["asked"] > 3
            data = {"loadState": "LoadStateLoaded" if loaded else "LoadStateLoading", "loadProgress": 50 + 50 * loaded}
        return {"code": 0, "data": data}

    return state, answer


async def test_milvus(milvus, tmp_path):
    """Schema, mark, rows, flush, index, load, each in its turn; then a search with and without filter."""
    state, answer = milvus
    async with standin(answer) as seen:
        made = backend("milvus", seen.url, tmp_path, metric="cosine", m=8, ef_construction=32)
        await made.fill(DATA)
        assert seen.headers["Authorization"] == "Bearer made-up"
        assert [line.removeprefix("POST /v2/vectordb/") for line, _ in seen] == [
            *("collections/has", "collections/create", "aliases/create", "entities/insert", "collections/flush"),
            *("indexes/create", "indexes/describe", "indexes/describe"),
            *("collections/load", "collections/get_load_state", "collections/get_load_state"),
        ]
        assert all(body.get("collectionName") == "items" for _, body in seen)
        assert seen[1][1]["schema"] == {
            "autoID": False,
            "enableDynamicField": False,
            "fields": [
                {"fieldName": "id", "dataType": "Int64", "isPrimary": True},
                {"fieldName": "vector", "dataType": "FloatVector", "elementTypeParams": {"dim": "2"}},
                {"fieldName": "attribute", "dataType": "Int64"},
            ],
        }
        assert seen[2][1]["aliasName"] == "made_by_dashcam__items"
        assert seen[3][1]["data"][1] == {"id": 1, "vector": [1.0, 2.0], "attribute": 700_000}
        (index,) = seen[5][1]["indexParams"]
        assert index == {
            "fieldName": "vector",
            "indexName": "vector",
            "metricType": "COSINE",
            "indexType": "HNSW",
            "params": {"M": 8, "efConstruction": 32},
        }
        assert await ask(made, PLAIN) == [2, 0]
        assert seen[-1][1] == {
            "data": [[0.1, -1.0]],
            "collectionName": "items",
            "annsField": "vector",
            "limit": 2,
            "outputFields": ["id"],
            "searchParams": {"metricType": "COSINE", "params": {"ef": 50}},
        }
        await ask(made, FILTERED)
        assert seen[-1][1]["filter"] == "attribute < 100000"
        await made.close()
        lists = backend("milvus", seen.url, tmp_path, index="ivfflat")
        await ask(lists, PLAIN)
        assert seen[-1][1]["searchParams"] == {"metricType": "L2", "params": {"nprobe": 3}}
        state["search"] = {"code": 1100, "message": "invalid parameter"}
        with pytest.raises(RequestFailed, match="milvus_1100: invalid parameter"):  # under status 200
            await ask(lists, PLAIN)
        state["search"] = {"code": 0, "data": [{"id": "none"}]}
        with pytest.raises(RequestFailed, match="malformed"):
            await ask(lists, PLAIN)
        await lists.close()


async def test_milvus_leaves_others_alone(milvus, tmp_path):
    """A collection without our mark is not dropped; one with it loses its alias first, as Milvus wants it."""
    state, answer = milvus
    state["there"] = True
    async with standin(answer) as seen:
        made = backend("milvus", seen.url, tmp_path)
        with pytest.raises(SetupError, match="not of our making"):
            await made.fill(DATA)
        assert not seen.of("drop")
        state["aliases"] = ["made_by_dashcam__items"]
        await made.fill(DATA)
        assert [line.rpartition("vectordb")[2] for line, _ in seen if "drop" in line] == [
            *("/aliases/drop", "/collections/drop"),
        ]
        await made.close()


def uuid(number):
    """Return the id of a vector in Weaviate."""
    return f"00000000-0000-4000-8000-{number:012x}"


@pytest.fixture
def weaviate():
    """Answer as Weaviate's reference has it."""
    hits = [{"_additional": {"id": uuid(2)}}, {"_additional": {"id": uuid(0)}}]
    state = {"class": None, "queue": 2, "search": {"data": {"Get": {"Items": hits}}}, "refused": None}

    def answer(line, body):
        if line == "GET /v1/schema/Items":
            return state["class"] or (404, {})
        if line == "POST /v1/batch/objects":
            return [{**item, "result": {"status": "SUCCESS", "errors": state["refused"]}} for item in body["objects"]]
        if line == "POST /v1/graphql" and "Aggregate" in body["query"]:
            return {"data": {"Aggregate": {"Items": [{"meta": {"count": 3}}]}}}
        if line == "POST /v1/graphql":
            return state["search"]
        if line == "GET /v1/nodes/Items?output=verbose":
            state["queue"] -= 1
            word = "INDEXING" if state["queue"] else "READY"
            shard = {"class": "Items", "objectCount": 3, "vectorIndexingStatus": word}
            return {"nodes": [{"name": "node1", "shards": [{**shard, "vectorQueueLength": state["queue"]}]}]}
        return {}

    return state, answer


async def test_weaviate(weaviate, tmp_path):
    """The class, its objects, the gate on the queue, and a GraphQL search with and without filter."""
    state, answer = weaviate
    async with standin(answer) as seen:
        made = backend("weaviate", seen.url, tmp_path, m=8, ef_construction=32)
        await made.fill(DATA)
        assert seen.headers["Authorization"] == "Bearer made-up"
        assert seen[1] == (
            "POST /v1/schema",
            {
                "class": "Items",
                "description": MADE_BY,
                "vectorizer": "none",
                "vectorIndexType": "hnsw",
                "vectorIndexConfig": {"distance": "l2-squared", "maxConnections": 8, "efConstruction": 32, "ef": 50},
                "properties": [
                    {"name": "attribute", "dataType": ["int"], "indexFilterable": True, "indexRangeFilters": True}
                ],
            },
        )
        assert seen[2][1]["objects"][1] == {
            "class": "Items",
            "id": uuid(1),
            "vector": [1.0, 2.0],
            "properties": {"attribute": 700_000},
        }
        assert len(seen.of("/v1/nodes/Items")) == 2
        assert await ask(made, PLAIN) == [2, 0]
        query = "{Get{Items(limit:2  nearVector:{vector:[0.1,-1.0]}){_additional{id}}}}"
        assert seen[-1] == ("POST /v1/graphql", {"query": query})
        await ask(made, FILTERED)
        where = 'where:{path:["attribute"],operator:LessThan,valueInt:100000}'
        assert seen[-1][1] == {"query": query.replace("limit:2 ", f"limit:2 {where}")}
        state["search"] = {"errors": [{"message": "vector lengths don't match"}]}
        with pytest.raises(RequestFailed, match=r"graphql.*don't match"):  # under status 200
            await ask(made, PLAIN)
        state["search"] = {"data": {"Get": {"Items": [{"_additional": {"id": "x"}}]}}}
        with pytest.raises(RequestFailed, match="wrong_answer"):
            await ask(made, PLAIN)
        await made.close()


async def test_weaviate_leaves_others_alone(weaviate, tmp_path):
    """A class with another description is not deleted; a vector that is refused in a good answer ends the set-up."""
    state, answer = weaviate
    state["class"] = {"class": "Items", "description": "precious"}
    async with standin(answer) as seen:
        made = backend("weaviate", seen.url, tmp_path)
        with pytest.raises(SetupError, match="not of our making"):
            await made.fill(DATA)
        assert not seen.of("DELETE")
        state["class"] = {"class": "Items", "description": MADE_BY}
        state["refused"] = {"error": [{"message": "vector length 2, class has 3"}]}
        with pytest.raises(SetupError, match=r"refused a vector.*class has 3"):
            await made.fill(DATA)
        assert "DELETE /v1/schema/Items" in [line for line, _ in seen]
        await made.close()


@pytest.mark.parametrize("protocol", ["qdrant", "milvus", "weaviate", "chroma", "faiss"])
@pytest.mark.parametrize("answer", [{}, [], {"result": None, "code": 0, "data": None, "ids": None}, "text"])
async def test_answers_of_another_shape(protocol, answer, tmp_path):
    """Whatever JSON comes, it is a failure with a name."""
    async with standin(lambda *_: answer) as seen:
        made = backend(protocol, seen.url, tmp_path)
        with pytest.raises(RequestFailed, match="malformed"):
            await ask(made, PLAIN)
        await made.close()


@pytest.mark.parametrize("protocol", ["qdrant", "milvus", "weaviate", "chroma", "faiss"])
async def test_servers_that_refuse(protocol, tmp_path):
    """A refusal of a search has its status, one of the set-up ends the load, and neither shows the secret."""
    async with standin(lambda *_: (403, {"error": "no"})) as seen:
        made = backend(protocol, seen.url, tmp_path)
        with pytest.raises(RequestFailed, match="http_403"):
            await ask(made, PLAIN)
        with pytest.raises(SetupError, match=f"{seen.url}.*http_403") as caught:
            await made.fill(DATA)
        assert "made-up" not in str(caught.value)
        await made.close()


@pytest.mark.parametrize(
    ("protocol", "options", "message"),
    [
        ("chroma", {"index": "ivfflat"}, "Chroma has no index 'ivfflat'"),
        ("qdrant", {"index": "ivfflat"}, "Qdrant has no index 'ivfflat'"),
        ("weaviate", {"index": "ivfflat"}, "Weaviate has no index 'ivfflat'"),
        ("chroma", {"sweep": {"ef_search": [20, 40]}}, "Chroma fixes ef_search for a whole collection"),
        ("weaviate", {"sweep": {"ef_search": [20, 40]}}, "Weaviate fixes ef_search for a whole collection"),
    ],
)
def test_what_a_database_does_not_know(protocol, options, message, tmp_path):
    """It is a SetupError that says so, before anything is sent."""
    checked = Options.model_validate(options)
    with pytest.raises(SetupError, match=message):
        backend(protocol, "http://127.0.0.1:1", tmp_path, checked.searches().values(), index=checked.index)


def test_large_vectors_go_in_small_batches():
    """No call holds more than about 4 MB of vectors, nor more rows than the server takes."""
    data = dataset.make(DatasetOptions(n=3000, dim=1500), 1)
    parts = list(vectors.rest.batches(data))
    assert [len(part) for part in parts[:2]] == [233, 233]
    assert sum(map(len, parts)) == 3000
    assert max(len(part) for part in vectors.rest.batches(data, 100)) == 100
