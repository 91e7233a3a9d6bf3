"""Vectors, and the exact answer of a search in them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadtests import dataset
from loadtests.dataset import Dataset, DatasetOptions
from loadtests.generators.vector import Options, copy_rows
from loadtests.oracle import Oracle

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


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"k": 50, "ef_search": 40}, "at least k"),
        ({"m": 40, "ef_construction": 64}, "2 m"),
        ({"table": 'x"; DROP TABLE users; --'}, "pattern"),
        ({"tables": "x"}, "Extra inputs"),
    ],
)
def test_options_that_cannot_work_are_refused(options, message):
    """What pgvector would refuse, or answer short, is refused before the run."""
    with pytest.raises(ValueError, match=message):
        Options.model_validate(options)
