"""Site profiles: those that come with dashcam are right; a file of one's own is checked, all errors at once."""

import pytest

from runs import site
from runs.site import Login, Site, SiteError


@pytest.mark.parametrize("name", site.names())
def test_shipped_profiles(name):
    """Each is read, and is named as its file."""
    assert site.load(name).name == name


def test_meluxina():
    """MeluXina's login host and port are those of its documentation."""
    assert site.load("meluxina").login == Login(host="login.lxp.lu", port=8822, jump=True)


def test_own_file(tmp_path):
    """A path is a file."""
    path = tmp_path / "ours.yaml"
    path.write_text("{name: ours, login: {host: a.example.org, user: me}}")
    assert site.load(str(path)) == Site(name="ours", login=Login(host="a.example.org", user="me"))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{name: X, login: {port: 0}}", ["name:", "login.host: Field required", "login.port:"]),
        ("{name: x, login: {host: '-oProxyCommand=x'}}", ["login.host:"]),
        ("{name: x, logn: {}}", ["logn: Extra inputs"]),
        ("[", ["is not valid YAML"]),
        ("", ["it: Input should be"]),
    ],
)
def test_errors(tmp_path, text, words):
    """Every error is told, with the file's name."""
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    with pytest.raises(SiteError) as caught:
        site.load(str(path))
    assert all(word in str(caught.value) for word in [str(path), *words])


def test_unknown():
    """An unknown name lists the known ones; a file that is not there says so."""
    with pytest.raises(SiteError, match="no site profile 'mel': there are generic-slurm, lab, meluxina"):
        site.load("mel")
    with pytest.raises(SiteError, match=r"nowhere\.yaml cannot be read"):
        site.load("nowhere.yaml")
