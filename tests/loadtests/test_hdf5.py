"""Datasets of ann-benchmarks: files made here, as its documentation has them."""

import h5py
import numpy as np
import pytest

from loadtests import dataset
from loadtests.dataset import DatasetOptions
from loadtests.oracle import Oracle
from loadtests.outcome import SetupError


def write(path, *, n=300, dim=8, queries=20, test_dim=None, distance="euclidean", **more):
    """Write a file with a true ground truth; returns its vectors."""
    generator = np.random.default_rng(3)
    train = generator.standard_normal((n, dim)).astype(np.float32)
    test = generator.standard_normal((queries, test_dim or dim)).astype(np.float32)
    with h5py.File(path, "w") as file:
        file.attrs["distance"] = distance
        file["train"], file["test"] = train, test
        if test_dim is None:
            if distance == "angular":
                unit = [part / np.linalg.norm(part, axis=1, keepdims=True) for part in (train, test)]
                distances = 1 - unit[1] @ unit[0].T
            else:
                distances = np.linalg.norm(test[:, None] - train[None], axis=2)
            file["neighbors"] = np.argsort(distances, axis=1)[:, :50]
            file["distances"] = np.sort(distances, axis=1)[:, :50]
        for name, value in more.items():
            if name in file:
                del file[name]
            if value is not None:
                file[name] = value
    return train, test


def read(path, queries=20, **options):
    """Read it as a load does."""
    return dataset.make(DatasetOptions(kind="hdf5", path=path, **options), queries)


@pytest.mark.parametrize(("word", "metric"), [("euclidean", "l2"), ("angular", "cosine")])
def test_a_file_gives_vectors_metric_and_truth(tmp_path, word, metric):
    """Vectors and metric are the file's, and its own truth is the oracle's."""
    train, test = write(tmp_path / "a.hdf5", distance=word)
    data = read(tmp_path / "a.hdf5")
    assert (data.base == train).all()
    assert (data.queries == test).all()
    assert data.metric == metric
    assert Oracle(data, 10, metric).agrees(data.truth)
    assert not Oracle(data, 60, metric).agrees(data.truth)  # it has 50 neighbours
    assert data.notes == ()


def test_a_wrong_truth_is_found(tmp_path):
    """A file whose `distance` attribute does not fit its distances is refused, not believed."""
    write(tmp_path / "a.hdf5")
    with h5py.File(tmp_path / "a.hdf5", "a") as file:
        file.attrs["distance"] = "angular"
    data = read(tmp_path / "a.hdf5")
    with pytest.raises(SetupError, match="differ from the exact ones"):
        Oracle(data, 10, "cosine").agrees(data.truth)


def test_some_of_a_file(tmp_path):
    """The first n vectors are taken, without a truth that is of more; fewer queries than asked are told of."""
    train, _ = write(tmp_path / "a.hdf5")
    data = read(tmp_path / "a.hdf5", queries=50, n=100)
    assert (data.base == train[:100]).all()
    assert data.truth is None
    assert data.notes == ("20 different queries, where 50 were asked for",)


def test_queries_that_are_base_vectors_are_left_out(tmp_path):
    """What a file puts among both is no held-out query."""
    train, test = write(tmp_path / "a.hdf5")
    write(tmp_path / "b.hdf5", test=np.concatenate([train[5:8], test[3:]]), neighbors=None, distances=None)
    data = read(tmp_path / "b.hdf5")
    assert (data.queries == test[3:]).all()
    assert data.notes[0] == "3 queries were left out: they are among the base vectors"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"test_dim": 7}, "base vectors have 8 dimensions and its queries 7"),
        ({"distance": "hamming"}, "its distance is 'hamming', not euclidean or angular"),
        ({"train": None}, "there is no train in it"),
        ({"train": np.zeros(5)}, "train is (5,) of float64, not rows of numbers"),
        ({"train": np.full((300, 8), np.nan)}, "some base vectors hold NaN"),
        ({"distances": np.zeros((3, 5))}, "distances is (3, 5) for 20 queries"),
    ],
)
def test_files_that_cannot_be_used(tmp_path, change, message):
    """Each is refused with what is wrong with it."""
    write(tmp_path / "a.hdf5", **change)
    with pytest.raises(SetupError) as caught:
        read(tmp_path / "a.hdf5")
    assert message in str(caught.value)


def test_a_file_that_is_none(tmp_path):
    """Another kind of file, and none at all, are SetupErrors that name the path."""
    (tmp_path / "a.hdf5").write_text("no HDF5")
    for name in ("a.hdf5", "missing.hdf5"):
        with pytest.raises(SetupError, match=name):
            read(tmp_path / name)
    write(tmp_path / "b.hdf5")
    with pytest.raises(SetupError, match="300 base vectors, 301 were asked for"):
        read(tmp_path / "b.hdf5", n=301)


@pytest.mark.parametrize(
    "options", [{"kind": "hdf5"}, {"kind": "random", "path": "x"}, {"kind": "hdf5", "path": "x", "dim": 3}]
)
def test_options_that_contradict(options):
    """A path and hdf5 go together; a file has its own dimensions."""
    with pytest.raises(ValueError, match=r"path|dimensions"):
        DatasetOptions.model_validate(options)


def test_resolved_options_read_again():
    """What a run keeps of its recipe names every key, and is read once more."""
    options = DatasetOptions.model_validate({"kind": "hdf5", "path": "/data/a.hdf5"})
    assert DatasetOptions.model_validate(options.model_dump(mode="json")) == options
