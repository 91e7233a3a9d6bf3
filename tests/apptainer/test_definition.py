"""Definition files are read as Apptainer reads them, and held against the project's rules, in CI."""

import importlib.resources

import pytest

from apptainer import definition
from apptainer.definition import DefinitionError
from apptainer.image import ImageError, find, images

GOOD = definition.text(find("dashcam"))
BUILT = [image for image in images().values() if image.definition]


@pytest.mark.parametrize("image", BUILT, ids=lambda image: image.name)
def test_definition_is_right(image):
    """Every definition that an image names is there and has nothing wrong with it."""
    assert list(definition.check(definition.load(image), image)) == []


def test_every_file_belongs_to_an_image():
    """No definition lies about unused."""
    folder = importlib.resources.files("apptainer") / "definitions"
    assert {file.name for file in folder.iterdir()} == {image.definition for image in BUILT}


def test_definition_is_read():
    """Header, sections with their lines, variables and those without a default."""
    made = definition.parse(GOOD, "it")
    assert made.header["bootstrap"] == "docker"
    assert made.sections["post"].lines[0][1] == "set -eu"
    assert made.variables == {"constraints", "wheel"}
    assert made.defaults == {"constraints": "requirements/constraints.txt"}
    assert made.needed == ["wheel"]


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("Bootstrap: docker", "Bootstrap: yum", "Bootstrap: yum"),
        ("From: python@sha256:593", "From: python@sha256:000", "not pinned by the image's own digest"),
        ("%post", "%setup\n    touch x\n\n%post", "%setup runs on the building machine"),
        ("    set -eu\n", "", "begins with `set -eu`"),
        ("--require-hashes ", "", "pip without --require-hashes"),
        ("rm -rf /usr/src/dashcam", "curl -O https://example.org/x", "not checked by sha256sum"),
        ("    exec /opt", "    /opt", "has no `exec`"),
        ("%test", "%startscript", "%test is missing"),
        ("export PYTHONDONTWRITEBYTECODE=1", "export API_TOKEN=abc", "looks like a secret"),
    ],
)
def test_faults_are_found(old, new, words):
    """Each rule of the check finds its own fault, and only that."""
    assert old in GOOD
    found = list(definition.check(definition.parse(GOOD.replace(old, new), "it"), find("dashcam")))
    assert len(found) == 1, found
    assert words in found[0]


def test_unreadable_lines_are_all_named():
    """Every line that is wrong is told, with its number."""
    with pytest.raises(DefinitionError) as caught:
        definition.parse("Bootstrap: docker\nnonsense\n%pst\n    x\n%test\n%test\n", "it.def")
    text = str(caught.value)
    assert "line 2: 'nonsense'" in text
    assert "line 3: no section %pst" in text
    assert "line 6: %test is there twice" in text


def test_an_image_without_a_definition():
    """What is taken as it is says so."""
    with pytest.raises(ImageError, match="images pull prometheus"):
        definition.load(find("prometheus"))
