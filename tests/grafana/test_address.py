"""What a person is told: where the page is, and ssh commands that are right for the site."""

import socket
from pathlib import Path

import pytest

from grafana import address
from grafana.address import Ssh
from runs import site
from runs.manifest import Manifest, Node, Process, now
from runs.site import Login, Site

GOLDEN = Path(__file__).parent / "golden"


def process(name, **facts):
    """A recorded process."""
    base = {"name": name, "role": name, "node": 0, "pid": 1, "start_ticks": 1, "log": "x", "started": now()}
    return Process(**base, ready=now(), **facts)


def manifest(url="http://10.3.24.92:23000", *processes, node="mel2345", **fields):
    """A run that lives on a node."""
    ends = {}
    for what, place in (("prometheus", "http://10.3.24.92:20090"), ("grafana", url)):
        ends |= {what: place, f"{what}_user": "dashcam", f"{what}_password_file": f"/project/r/live/{what}.password"}
    return Manifest(
        id="20261123-142207-vllm-a3f9", recipe={}, created=now(), allocation="slurm", endpoints=ends,
        nodes=[Node(index=0, name=node, address="10.3.24.92")],
        processes=list(processes) or [process("prometheus"), process("grafana")], **fields,
    )  # fmt: skip


def of(found, profile="meluxina"):
    """The address as a person u101 is told it."""
    return address.of(found, site.load(profile), "u101")


@pytest.mark.parametrize(
    ("name", "url", "profile"),
    [
        ("meluxina", "http://10.3.24.92:23000", "meluxina"),
        ("loopback", "http://127.0.0.1:23000", "meluxina"),
        ("unknown", "http://10.3.24.92:23000", "generic-slurm"),
        ("no-way", "http://127.0.0.1:23000", "lab"),
    ],
)
def test_words(name, url, profile, golden):
    """What is printed is as it was looked at."""
    golden(GOLDEN / f"watch-{name}.txt", address.describe(of(manifest(url), profile)) + "\n")


def test_prometheus_where_there_is_no_grafana():
    """A Grafana that does not run (any more) is not shown; a Prometheus that does not run is nothing to see."""
    assert of(manifest()).what == "grafana"
    dead = manifest("http://x:1", process("prometheus"), process("grafana", ended=now()))
    assert (of(dead).what, of(dead).url, of(dead).local_port) == ("prometheus", "http://10.3.24.92:20090", 9090)
    assert of(manifest("http://x:1", process("grafana", ended=now()))) is None


def test_prometheus_by_tls(golden):
    """Where Prometheus speaks TLS, so does the near end of the tunnel; its CA is named. Grafana stays as it is."""
    found = manifest("http://x:1", process("prometheus"))
    found.endpoints |= {"prometheus": "https://10.3.24.92:20090", "prometheus_ca": "/project/r/live/ca.pem"}
    golden(GOLDEN / "watch-tls.txt", address.describe(of(found)) + "\n")
    assert of(found).local(9090) == "https://127.0.0.1:9090"
    both = manifest()
    both.endpoints |= {"prometheus_ca": "/project/r/live/ca.pem"}
    assert (of(both).ca_file, of(both).local(3000)) == (None, "http://127.0.0.1:3000")


def test_here():
    """A run of this machine needs no tunnel."""
    told = address.describe(of(manifest(node=socket.gethostname())))
    assert "ssh" not in told
    assert "password in /project/r/live/grafana.password" in told


def test_submit_host_is_the_login_host():
    """Where no profile says it, the host that the job came from is the login host."""
    found = of(manifest(slurm={"SLURM_SUBMIT_HOST": "login03"}), "generic-slurm")
    assert Ssh(found).forward(3000)[-1] == "u101@login03"


def test_users_differ():
    """A profile's user is the one of ssh."""
    profile = Site(name="x", login=Login(host="login.example.org", user="rp42"))
    found = address.of(manifest(), profile, "u101")
    assert Ssh(found).jump(3000)[-5:] == (
        *("-J", "rp42@login.example.org:22", "-L", "127.0.0.1:3000:10.3.24.92:23000"),
        "rp42@mel2345",
    )


@pytest.mark.parametrize("field", ["node", "ssh_user"])
def test_no_name_is_an_option(field):
    """A name that ssh would take for an option is refused: an answer may come from another machine."""
    good = of(manifest()).model_dump()
    with pytest.raises(ValueError, match=field):
        address.Address.model_validate({**good, field: "-oProxyCommand=touch x"})
