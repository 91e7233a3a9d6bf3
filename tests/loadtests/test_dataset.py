"""Vectors, and the exact answer of a search in them."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from loadtests import dataset
from loadtests.dataset import Dataset, DatasetOptions
from loadtests.generators.vector import Options
from loadtests.oracle import Oracle
from loadtests.outcome import SetupError
from loadtests.vectors.pgvector import copy_rows

metrics = st.sampled_from(["l2", "cosine"])


def make(n=500, dim=8, queries=20, seed=1, kind="random"):
    """Make a small dataset."""
    return dataset.make(DatasetOptions(kind=kind, n=n, dim=dim, seed=seed), queries)


@pytest.mark.parametrize("kind", ["random", "clustered"])
def test_a_seed_fixes_the_vectors(kind):
    """The same options give the same vectors and digest, another seed others; queries are not among the vectors."""
    data = make(kind=kind)
    assert data.base.shape == (500, 8)
    assert data.queries.shape == (20, 8)
    assert data.base.dtype == data.queries.dtype == np.float32
    assert data.digest() == make(kind=kind).digest() != make(kind=kind, seed=2).digest()
    assert not (data.queries[:, None] == data.base[None]).all(axis=2).any()


def true_order(data, query, metric):
    """Sort all vectors by their distance to a query, the slow way."""
    base, asked = data.base.astype(np.float64), data.queries[query].astype(np.float64)
    if metric == "l2":
        return np.argsort(((base - asked) ** 2).sum(axis=1))
    return np.argsort(1 - base @ asked / np.linalg.norm(base, axis=1) / np.linalg.norm(asked))


@given(metrics, st.integers(1, 40), st.integers(1, 60), st.integers(2, 9), st.integers(0, 99))
@example("cosine", 1, 55, 2, 55)  # two neighbours whose cosines differ by less than float32 tells
@settings(max_examples=60, deadline=None)
def test_the_true_neighbours_have_recall_one(metric, k, n, dim, seed):
    """The k nearest by brute force have recall 1, also where there are fewer vectors than k."""
    data = make(n, dim, 5, seed)
    oracle = Oracle(data, k, metric)
    for query in range(5):
        assert oracle.recall(query, true_order(data, query, metric)[:k].tolist()) == 1.0


@pytest.mark.parametrize("metric", ["l2", "cosine"])
def test_recall_counts_the_near_ones(metric):
    """Six of the ten nearest and four far ones are a recall of 0.6, in whatever order; doubles count once."""
    data = make()
    oracle = Oracle(data, 10, metric)
    order = true_order(data, 3, metric).tolist()
    assert oracle.recall(3, [*order[-4:], *order[:6]]) == pytest.approx(0.6)
    assert oracle.recall(3, order[:6]) == pytest.approx(0.6)
    assert oracle.recall(3, order[:1] * 10) == pytest.approx(0.1)
    assert oracle.recall(3, []) == 0.0


def test_ties_do_not_decide():
    """Of vectors that are equally near, any will do."""
    base = np.repeat(np.eye(4, dtype=np.float32), 5, axis=0)
    data = Dataset(base, np.array([[1, 0, 0, 0]], np.float32))
    assert Oracle(data, 3, "l2").recall(0, [4, 2, 0]) == 1.0
    assert Oracle(data, 8, "l2").recall(0, [0, 1, 2, 3, 4, 19, 10, 7]) == 1.0
    assert Oracle(data, 3, "l2").recall(0, [4, 2, 7]) == pytest.approx(2 / 3)


def test_large_norms_do_not_mislead_the_oracle():
    """Vectors far from the origin, where float32 loses the differences, still give the true k-th distance."""
    generator = np.random.default_rng(0)
    vectors = (generator.standard_normal((2010, 16)) + 300).astype(np.float32)
    data = Dataset(vectors[:2000], vectors[2000:])
    oracle = Oracle(data, 10, "l2")
    for query in range(10):
        distances = np.sort(np.linalg.norm(data.base.astype(float) - data.queries[query].astype(float), axis=1))
        assert oracle.bounds[query] == pytest.approx(distances[9], rel=1e-12)


def test_batches_change_nothing(monkeypatch):
    """The oracle is the same whether queries are searched together or one by one."""
    whole = Oracle(make(), 10, "l2")
    monkeypatch.setattr("loadtests.oracle._CELLS", 1)
    assert Oracle(make(), 10, "l2").bounds == pytest.approx(whole.bounds, rel=1e-12)
    assert len(whole.digest()) == 64


def test_binary_copy_rows():
    """Rows for COPY are what PostgreSQL and pgvector document, byte for byte."""
    rows = copy_rows(258, np.array([[1.0, -2.0]], np.float32))
    assert rows.hex(" ", 2) == ("0002 0000 0008 0000 0000 0000 0102 0000 000c 0002 0000 3f80 0000 c000 0000")
    rows = copy_rows(0, np.array([[1.0]], np.float32), np.array([7]))
    assert rows.hex(" ", 2) == "0003 0000 0008 0000 0000 0000 0000 0000 0008 0001 0000 3f80 0000 0000 0004 0000 0007"


def test_attributes_and_the_truth_under_a_filter():
    """Attributes come from the seed; under a filter the nearest of those that pass are the truth."""
    options = DatasetOptions(n=500, dim=8, seed=1)
    data = dataset.make(options, 20, attributes=True)
    assert (data.attributes == dataset.make(options, 20, attributes=True).attributes).all()
    assert (data.base == make().base).all()
    below = 100_000
    passes = np.flatnonzero(data.attributes < below)
    assert 25 < len(passes) < 80
    oracle = Oracle(data, 10, "l2", below=below)
    assert oracle.found == len(passes)
    order = [row for row in true_order(data, 4, "l2") if row in set(passes.tolist())]
    assert oracle.recall(4, order[:10]) == 1.0
    assert oracle.recall(4, order[10:20]) == 0.0
    assert Oracle(data, 400, "l2", below=below).k == len(passes)
    with pytest.raises(SetupError, match="no vector passes"):
        Oracle(data, 10, "l2", below=0)


def test_queries_are_never_among_the_vectors():
    """In one dimension some random floats come twice: such queries are left out, and that is told."""
    data = make(n=200_000, dim=1, queries=2000)
    assert not np.isin(data.queries, data.base).any()
    assert len(data.queries) < 2000
    assert [len(note) > 0 for note in data.notes] == [True, True]


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """Keep the cache in a directory of the test's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "dashcam" / "truth"


def test_the_truth_is_computed_once(cache, monkeypatch):
    """The same data, k, metric and filter are taken from the cache; another of any of them is computed."""
    data = dataset.make(DatasetOptions(n=500, dim=8), 20, attributes=True)
    first = Oracle(data, 10, "l2", cached=True)
    assert not first.from_cache
    with monkeypatch.context() as patched:
        patched.setattr(Oracle, "_bounds", lambda _self: pytest.fail("computed again"))
        again = Oracle(data, 10, "l2", cached=True)
    assert again.from_cache
    assert (again.bounds == first.bounds).all()
    assert again.recall(0, true_order(data, 0, "l2")[:10].tolist()) == 1.0
    for k, metric, below in ((9, "l2", None), (10, "cosine", None), (10, "l2", 500_000)):
        assert not Oracle(data, k, metric, below=below, cached=True).from_cache
    assert not Oracle(dataset.make(DatasetOptions(n=500, dim=8), 19), 10, "l2", cached=True).from_cache
    assert len(list(cache.iterdir())) == 5  # no temporary file is left


def test_a_damaged_cache_is_computed_again(cache):
    """A file that was cut or changed is replaced; a directory that cannot be written costs nothing but time."""
    bounds = Oracle(make(), 10, "l2", cached=True).bounds
    (path,) = cache.iterdir()
    whole = path.read_bytes()
    for damaged in (whole[:-8], b"", whole[:-1] + bytes([whole[-1] ^ 1])):
        path.write_bytes(damaged)
        oracle = Oracle(make(), 10, "l2", cached=True)
        assert not oracle.from_cache
        assert (oracle.bounds == bounds).all()
        assert path.read_bytes() == whole
    path.unlink()
    cache.rmdir()
    cache.write_text("in the way")
    assert (Oracle(make(), 10, "l2", cached=True).bounds == bounds).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"k": 50, "ef_search": 40}, "at least k"),
        ({"m": 40, "ef_construction": 64}, "2 m"),
        ({"collection": 'x"; DROP TABLE users; --'}, "pattern"),
        ({"collections": "x"}, "Extra inputs"),
        ({"sweep": {}}, "either ef_search or probes"),
        ({"sweep": {"ef_search": [10, 20], "probes": [1]}}, "either ef_search or probes"),
        ({"sweep": {"ef_search": [5, 20]}}, "ef_search 5 cannot find k = 10"),
        ({"sweep": {"ef_search": [20, 20]}}, "different"),
        ({"sweep": {"probes": [1, 2]}}, "index hnsw knows no probes"),
        ({"filter": {"selectivity": 0}}, "greater than 0"),
    ],
)
def test_options_that_cannot_work_are_refused(options, message):
    """What pgvector would refuse, or answer short, is refused before the run."""
    with pytest.raises(ValueError, match=message):
        Options.model_validate(options)
