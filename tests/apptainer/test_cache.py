"""A directory of image files: what is pulled is recorded, copies are verified, a change is found."""

import json
import shutil
import subprocess

import pytest

from apptainer.cache import Cache, directory
from apptainer.image import ImageError, find
from tests.apptainer import standin


@pytest.fixture
def program(tmp_path):
    """A stand-in for apptainer."""
    return str(standin.install(tmp_path / "bin", {}))


@pytest.fixture
def cache(tmp_path):
    """An empty place, which does not exist yet."""
    return Cache(tmp_path / "shared" / "images")


def test_pull_records_what_was_made(cache, program):
    """The file, its record, and nothing half done beside them."""
    image = find("prometheus")
    assert cache.check(image).state == "missing"
    sif = cache.pull(image, program)
    path = cache.path(image)
    assert path.read_text() == image.reference
    assert sorted(file.name for file in cache.root.iterdir()) == [path.name, f"{path.name}.json"]
    told = json.loads((cache.root / f"{path.name}.json").read_text())
    sums = subprocess.run(["sha256sum", str(path)], capture_output=True, text=True, check=True).stdout
    assert told["sha256"] == sums.split()[0] == sif.sha256
    assert told["digest"] == image.digest
    assert told["apptainer"] == "1.3.6"
    assert cache.get(image) == (path, sif)


def test_copy_is_verified(cache, program, tmp_path):
    """A copy elsewhere is good by its record; a byte that changed, and one that is missing, are found."""
    image = find("qdrant")
    cache.pull(image, program)
    other = Cache(tmp_path / "airgapped")
    shutil.copytree(cache.root, other.root)
    assert other.check(image).state == "good"
    text = other.path(image).read_text()
    other.path(image).write_text(f"X{text[1:]}")
    assert other.check(image, thorough=False).state == "good"
    assert other.check(image).state == "damaged"
    other.path(image).write_text(text[1:])
    assert other.check(image, thorough=False).state == "damaged"
    with pytest.raises(ImageError, match="copy it anew"):
        other.get(image)


def test_file_without_its_record(cache, program):
    """A file of which nothing is known is not taken."""
    image = find("qdrant")
    cache.pull(image, program)
    (cache.root / f"{image.file}.json").unlink()
    assert cache.check(image).state == "unknown"
    with pytest.raises(ImageError, match="copy it too, or `dashcam images pull qdrant"):
        cache.get(image)


def test_file_of_another_digest(cache, program):
    """A pin that moved on under the same file name is found by the record."""
    image = find("qdrant")
    cache.pull(image, program)
    moved = image.model_copy(update={"digest": f"sha256:{image.digest[7:19]}{'0' * 52}"})
    assert moved.file == image.file
    assert cache.check(moved).state == "other"


def test_failed_pull_leaves_nothing(cache, program):
    """No network: the error says what is needed, and no half file is there."""
    image = find("qdrant").model_copy(update={"source": "unreachable.example/qdrant"})
    with pytest.raises(ImageError, match=r"ended with 255.*needs a network"):
        cache.pull(image, program)
    assert list(cache.root.iterdir()) == []


def test_project_folder_stays_shared(cache, program):
    """In a directory that a group writes, its members may replace files; elsewhere only the owner."""
    cache.root.mkdir(parents=True)
    cache.root.chmod(0o2775)
    cache.pull(find("k6"), program)
    assert {oct(file.stat().st_mode & 0o777) for file in cache.root.iterdir()} == {"0o664"}
    cache.root.chmod(0o755)
    cache.pull(find("qdrant"), program)
    assert cache.path(find("qdrant")).stat().st_mode & 0o777 == 0o644


def test_place_of_the_cache():
    """An option, a site's word, the variable, the user's cache: the first that is given."""
    environment = {"DASHCAM_IMAGES": "/from/variable", "HOME": "/home/u"}
    assert str(directory("/asked", "/site", environment=environment)) == "/asked"
    assert str(directory(None, "/site", environment=environment)) == "/site"
    assert str(directory(None, None, environment=environment)) == "/from/variable"
    assert str(directory(environment={"HOME": "/home/u"})) == "/home/u/.cache/dashcam/images"
