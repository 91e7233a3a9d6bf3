"""The pins: every image says where it is from, and no digest is without evidence."""

import pytest

from apptainer.image import ImageError, find, images, parse

WANTED = {
    *("prometheus", "grafana", "node-exporter", "dcgm-exporter", "postgres-exporter", "k6", "vllm", "triton", "qdrant"),
    *("milvus", "weaviate", "chroma", "pgvector", "minio", "seaweedfs", "llamacpp", "dashcam"),
}
GOOD = """\
title: A program
source: docker.io/some/program
tag: v1.2.3
digest: sha256:{digest}
stated_by: 2
version: 1.2.3
program: program
"""


def unpinned():
    """Return an image whose digest nobody states."""
    return parse("it", GOOD.replace("sha256:{digest}\nstated_by: 2", "null\nunpinned: nobody states it"))


def test_images_of_the_catalogue_are_there():
    """What the recorder and the services need has a pin."""
    assert set(images()) == WANTED


@pytest.mark.parametrize("image", images().values(), ids=images())
def test_pin_is_honest(image):
    """A digest has its evidence; without one there is the reason; a tag is a release."""
    assert image.digest is None or image.stated_by >= 2
    assert bool(image.digest) != bool(image.unpinned)
    assert image.tag != "latest"


def test_reference_holds_no_tag_beside_a_digest():
    """Apptainer refuses name:tag@digest; without a digest the tag is all there is."""
    assert find("prometheus").reference == (
        "docker://docker.io/prom/prometheus@sha256:63805ebb8d2b3920190daf1cb14a60871b16fd38bed42b857a3182bc621f4996"
    )
    assert unpinned().reference == "docker://docker.io/some/program:v1.2.3"


def test_file_names_differ_by_digest():
    """A cache may hold two releases, and two images of one tag."""
    one, two = (parse("it", GOOD.format(digest=letter * 64)) for letter in "ab")
    assert one.file == "it-v1.2.3-aaaaaaaaaaaa.sif"
    assert one.file != two.file
    assert unpinned().file == "it-v1.2.3-unpinned.sif"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("digest: sha256:{digest}", "digest: null"), "`unpinned` says why"),
        (("stated_by: 2\n", ""), "a digest needs `stated_by`"),
        (("{digest}", "abc"), "digest"),
        (("v1.2.3", "latest"), "another image every week"),
        (("title: A program", "titel: A program"), "titel"),
        (("docker.io/some/program", "docker://some/program"), "source"),
    ],
)
def test_bad_pin_is_refused(change, words):
    """Each fault is named, with the file."""
    with pytest.raises(ImageError, match=words) as caught:
        parse("it", GOOD.replace(*change).format(digest="0" * 64))
    assert "apptainer/images/it.yaml" in str(caught.value)


def test_unknown_image_names_the_known():
    """A wrong name gets those that there are."""
    with pytest.raises(ImageError, match="no image 'promethius': there are chroma"):
        find("promethius")
