"""Paths in a recipe: one rule for all of them."""

from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import Field, ValidationInfo, field_validator

from jobs.catalog import catalog
from runs import paths, reader
from runs.document import RecipeError
from runs.paths import InRecipe, PathOrTiny, UserPath
from runs.recipe import Strict


class Place(Strict):
    """A group of keys in a kind's options."""

    file: UserPath | None = None


class Kind(Strict):
    """Options of a made-up kind with all ways to hold a path."""

    model: PathOrTiny = "tiny"
    place: Place = Field(default_factory=Place)
    places: dict[str, Annotated[str, InRecipe(frozenset({"run"}))]] = Field(default_factory=dict)
    command: tuple[str, ...] = ()

    @field_validator("command", mode="before")
    @classmethod
    def _words(cls, value: Any, info: ValidationInfo) -> Any:
        return paths.program(value, info)


class Generator(Strict):
    """Options of a made-up generator."""


CATALOG = reader.Catalog(services={"made": Kind}, generators={"made": Generator}, exporters=())
RECIPE = """\
name: paths
services: {it: {kind: made, %s}}
load: {generator: made, phases: [{name: steady, for: 1s, rate: 1}]}
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A recipe's folder, away from the one that the command runs in."""
    (tmp_path / "recipes").mkdir()
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return tmp_path / "recipes"


def options(folder, keys, *sets):
    """Read a recipe whose service has these keys; its path is relative, as people write it."""
    (folder / "r.yaml").write_text(RECIPE % keys)
    return reader.load(Path("../recipes/r.yaml"), CATALOG, sets)[0].services["it"].options


@pytest.mark.parametrize(
    ("keys", "found"),
    [
        ("model: m.gguf", {"model": "{recipe}/m.gguf"}),
        ("model: ../m.gguf", {"model": "{recipe}/../m.gguf"}),
        ("model: /m.gguf", {"model": "/m.gguf"}),
        ("model: ~/m.gguf", {"model": "{home}/m.gguf"}),
        ("model: tiny", {"model": "tiny"}),
        ("place: {file: a/b}", {"place": {"file": "{recipe}/a/b"}}),
        ("places: {a: run, b: data}", {"places": {"a": "run", "b": "{recipe}/data"}}),
        ("command: ./serve --port 1", {"command": ["{recipe}/serve", "--port", "1"]}),
        ("command: [bin/serve, data/x]", {"command": ["{recipe}/bin/serve", "data/x"]}),
        ("command: serve x/y", {"command": ["serve", "x/y"]}),
        ("command: '{scratch}/serve'", {"command": ["{scratch}/serve"]}),
    ],
)
def test_a_path_is_relative_to_the_recipe(folder, keys, found):
    """Wherever a path stands, `~` is the home, words with a meaning stay, of a command line the program counts."""
    told = options(folder, keys)
    base, home = "../recipes", str(folder.parent / "home")
    for key, value in found.items():
        text = repr(value).replace("{recipe}", str(Path(base).absolute())).replace("{home}", home)
        assert repr(told[key]) == text


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ("model=m.gguf", {"model": "{here}/m.gguf"}),
        ("model=tiny", {"model": "tiny"}),
        ("place.file=a/b", {"place": {"file": "{here}/a/b"}}),
        ("place={file: a/b}", {"place": {"file": "{here}/a/b"}}),
        ("places.a=data", {"places": {"a": "{here}/data", "b": "{base}/y"}}),
        ("command=./serve x", {"command": ["{here}/serve", "x"]}),
        ("command=[./serve, x]", {"command": ["{here}/serve", "x"]}),
    ],
)
def test_what_set_gives_is_relative_to_the_command(folder, given, found):
    """A path on the command line counts from where the shell stands, as others there do; the recipe's own do not."""
    told = options(folder, "model: x, place: {file: x}, places: {a: x, b: y}", f"services.it.{given}")
    for key, value in found.items():
        text = repr(value).replace("{here}", str(Path.cwd())).replace("{base}", str(Path("../recipes").absolute()))
        assert repr(told[key]) == text


def test_a_read_recipe_reads_again_as_it_is(folder, monkeypatch):
    """A resolved recipe holds absolute paths: who reads it elsewhere finds the same."""
    told = options(folder, "model: m.gguf, places: {b: data}, command: ./serve")
    monkeypatch.chdir("/")
    assert Kind.model_validate(told).model_dump(mode="json") == told


def test_text_of_set_stays_text_elsewhere(folder):
    """What --set gives is marked for paths only: names, choices and free values take it as any other text."""
    (folder / "r.yaml").write_text(RECIPE % "model: x")
    with pytest.raises(RecipeError, match="unknown kind 'mad'"):
        reader.load(folder / "r.yaml", CATALOG, ["services.it.kind=mad"])
    sets = ["services.it.kind=made", "watch.grafana='off'", "services.it.env={A: b}", "name=other"]
    recipe = reader.load(folder / "r.yaml", CATALOG, sets)[0]
    assert (recipe.name, recipe.watch.grafana.mode, recipe.services["it"].env) == ("other", "off", {"A": "b"})
    assert type(recipe.name) is str


REAL = """\
name: real
services:
  llm: {kind: llamacpp, model: m.gguf}
  infer: {kind: triton, model: repository}
  vllm: {kind: vllm, model: folder, binary: bin/vllm}
  mine: {kind: command, command: ./serve}
load: {generator: %s, phases: [{name: steady, for: 1s, rate: 1}]}
"""


@pytest.mark.parametrize(
    ("load", "key"),
    [
        ("openai, target: llm, prompts: PATH", "prompts"),
        ("sql, target: llm, statements: PATH", "statements"),
        ("vector, target: llm, dataset: {kind: hdf5, path: PATH}", "dataset.path"),
        ("k6, target: llm, script: PATH", "script"),
        ("k6, target: llm, script: s3, s3: {urls_file: PATH}", "s3.urls_file"),
        ("files, target: llm, places: {here: PATH}", "places.here"),
        ("command, target: llm, command: [./PATH]", "command"),
    ],
)
def test_every_kind_keeps_to_it(folder, load, key):
    """The paths that services and generators take."""
    (folder / "r.yaml").write_text(REAL % load.replace("PATH", "file.js"))
    recipe = reader.load(folder / "r.yaml", catalog())[0]
    value = recipe.load.options
    for step in key.split("."):
        value = value[step]
    assert value in (str(folder / "file.js"), [str(folder / "file.js")])
    services = {name: service.options for name, service in recipe.services.items()}
    assert services["llm"]["model"] == str(folder / "m.gguf")
    assert services["infer"]["model"] == str(folder / "repository")
    assert (services["vllm"]["model"], services["vllm"]["binary"]) == (str(folder / "folder"), str(folder / "bin/vllm"))
    assert services["mine"]["command"] == [str(folder / "serve")]
