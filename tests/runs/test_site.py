"""Site profiles: those that come with dashcam are right; a file of one's own is checked, all errors at once."""

from pathlib import Path

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


def test_meluxina_profile():
    """MeluXina's facts are those of its documentation, and what it does not say is marked."""
    profile = site.load("meluxina")
    assert profile.account_required
    assert profile.partitions["gpu"].gpus == 4
    assert profile.partitions["cpu"].nodes == 573
    assert profile.modules.load[-1].startswith("Apptainer/")
    assert profile.paths.binds == ("/mnt/tier1", "/mnt/tier2")
    assert profile.launcher.kind == "psmgmt"
    assert profile.doubted("qos", "long", "time")
    assert profile.doubted("launcher")
    assert not profile.doubted("partitions", "gpu", "gpus")
    assert not profile.doubted("partitions", "gpu")


def test_the_documented_profile():
    """The example of docs/sites.md is one."""
    text = (Path(__file__).parents[2] / "docs" / "sites.md").read_text()
    profile = site.parse(text.partition("```yaml\n")[2].partition("```")[0], "docs/sites.md")
    assert profile.launcher.step == site.load("meluxina").launcher.step
    assert profile.doubted("launcher", "step")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{name: x, modules: {load: ['a; id', '-f', 'a b', '$(id)']}}", ["load.0", "load.1", "load.2", "load.3"]),
        ("{name: x, modules: {use: [relative]}}", ["'relative' is not an absolute path"]),
        ("{name: x, local_disk: []}", ["local_disk:"]),
        ("{name: x, partitions: {'a,b': {gpus: -1}}}", ["partitions.a,b.[key]", "partitions.a,b.gpus"]),
        ("{name: x, launcher: {step: ['--overlap; id']}}", ["launcher.step.0"]),
        ("{name: x, unverified: [launcher, name.x]}", ["unverified names 'launcher', which is no key of this file"]),
    ],
)
def test_words_for_slurm_and_shell(tmp_path, text, words):
    """Names that Slurm or a shell would read otherwise are refused; so are marks on nothing."""
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    with pytest.raises(SiteError) as caught:
        site.load(str(path))
    assert all(word in str(caught.value) for word in words)
