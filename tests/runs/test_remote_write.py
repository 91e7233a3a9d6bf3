"""`watch.remote_write`: read, and refused where a secret would end up in the recording."""

import pytest
from pydantic import ValidationError

from runs import paths
from runs.document import RecipeError
from runs.recipe import Recipe
from runs.remote_write import RemoteWrite
from tests.runs.test_reader import GOOD, read

URL = "https://mimir.site/api/v1/push"


def test_of_a_recipe():
    """It is part of `watch`, can be given by --set, and a resolved recipe reads again."""
    recipe = read(GOOD, [f"watch.remote_write.url={URL}", "watch.remote_write.bearer_env=SITE_TOKEN"])
    asked = recipe.watch.remote_write
    assert asked is not None
    assert (asked.url, asked.bearer_env, asked.labels, asked.keep) == (URL, "SITE_TOKEN", {}, None)
    assert Recipe.model_validate(recipe.model_dump(mode="json")) == recipe


@pytest.mark.parametrize(
    ("given", "word"),
    [
        ({"url": "https://me:s3cret@mimir/push"}, "password_file or password_env"),
        ({"url": "mimir:9009"}, "is no address"),
        ({"user": "me"}, "goes with password_file or password_env"),
        ({"password_env": "X"}, "either of them with user"),
        ({"bearer_file": "/a", "bearer_env": "B"}, "give one of"),
        ({"bearer_env": "eyJhbGciOi.s3cret"}, "never the secret itself"),
        ({"headers": {"Authorization": "Bearer s3cret"}}, "bearer_file or password_file"),
        ({"labels": {"node": "x"}}, "the run's own"),
        ({"labels": {"a-b": "x"}}, "cannot be set"),
        ({"keep": "("}, "not a regular expression"),
    ],
)
def test_refused(given, word):
    """Secrets in the open, half a login, labels that are ours: refused, and no secret is repeated in the words."""
    with pytest.raises(ValidationError) as caught:
        RemoteWrite.model_validate({"url": URL} | given)
    message = "; ".join(error["msg"] for error in caught.value.errors())
    assert word in message
    assert "s3cret" not in message


def test_files_are_those_beside_the_recipe():
    """A relative path starts at the recipe's file, since the run does not start where that lies."""
    found = RemoteWrite.model_validate({"url": URL, "bearer_file": "token"}, context={paths.BASE: "/home/me/recipes"})
    assert found.bearer_file == "/home/me/recipes/token"


def test_every_fault_at_once():
    """A recipe names each with its place."""
    with pytest.raises(RecipeError) as caught:
        read(GOOD, ["watch.remote_write.url=x", "watch.remote_write.bearer_env=a b", "watch.interval=no"])
    assert len(caught.value.problems) == 3
