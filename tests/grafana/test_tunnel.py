"""`dashcam watch --open` through real sshd: a login host, and a node behind it that a jump leads to."""

import contextlib
import fcntl
import json
import os
import pty
import re
import select
import signal
import ssl
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import requests

from prometheus.certificates import Authority
from runs import seal
from runs.directory import RunDirectory
from runs.manifest import Manifest, Node, Process, now
from tests.grafana.sshd import Sshd, free_port, key

pytestmark = [pytest.mark.real, pytest.mark.timing]


class Page(BaseHTTPRequestHandler):
    """A page that only the far side reaches, as far as the test is concerned."""

    def do_GET(self):
        """Answer as Grafana's health does."""
        with contextlib.suppress(BrokenPipeError):  # a tunnel that is cut
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b'{"database": "ok"}')

    def log_message(self, *_):
        """Say nothing."""


class Scene:
    """A run on node mel0001 behind a login host, and the person's ssh configuration."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder
        user_key = key(folder / "id_ed25519")
        self.login, self.node = Sshd(folder / "login", user_key).start(), Sshd(folder / "node", user_key).start()
        self.known = folder / "known_hosts"
        self.known.write_text(self.login.known_as(f"[127.0.0.1]:{self.login.port}") + self.node.known_as("mel0001"))
        self.short = tempfile.TemporaryDirectory(prefix="ssh-")  # a socket's path has 108 bytes at most
        self.config = folder / "ssh_config"
        self.config.write_text(
            f"Host mel0001\n  HostName 127.0.0.1\n  Port {self.node.port}\n  HostKeyAlias mel0001\n"
            f"Host *\n  IdentityFile {user_key}\n  IdentitiesOnly yes\n  UserKnownHostsFile {self.known}\n"
            f"  GlobalKnownHostsFile /dev/null\n  StrictHostKeyChecking yes\n  GatewayPorts yes\n"
            f"  ControlMaster auto\n  ControlPath {self.short.name}/%C\n  ControlPersist 60\n"
        )
        self.site = folder / "site.yaml"
        self.site.write_text(f"{{name: here, login: {{host: 127.0.0.1, port: {self.login.port}}}}}")
        self.run = RunDirectory.create(folder / "recordings", "20260101-000000-x-abcd")
        self.place(url)
        self.children: list[subprocess.Popen[str]] = []

    def place(self, url: str, what: str = "grafana", ca_file: Path | None = None) -> None:
        """Write where the run's Grafana, or its Prometheus, is."""
        ends = {what: url, f"{what}_user": "dashcam", f"{what}_password_file": f"/x/{what}.password"}
        ends |= {f"{what}_ca": str(ca_file)} if ca_file else {}
        process = Process(name=what, role=what, node=0, pid=1, start_ticks=1, log="x", started=now())
        process.ready = now()
        Manifest(
            id=self.run.id, recipe={}, state="running", created=now(), allocation="slurm", processes=[process],
            nodes=[Node(index=0, name="mel0001", address="127.0.0.1")],
            endpoints=ends,
        ).save(self.run.manifest)  # fmt: skip

    def watch(
        self, *options: str, run: str = "last", stdin: str | None = None, screen: int = subprocess.PIPE
    ) -> "subprocess.Popen[str]":
        """Start `dashcam watch`; `screen`: the terminal for what it shows."""
        child = subprocess.Popen(
            [sys.executable, "-m", "dashcam", "watch", run, "--root", str(self.run.path.parent), "--site",
             str(self.site), "--ssh-config", str(self.config), *options],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=screen, text=True,
            env={**os.environ, "SCENE": str(self.folder), "TERM": "xterm"},
        )  # fmt: skip
        assert child.stdin is not None
        if stdin:
            child.stdin.write(stdin)
        child.stdin.close()
        child.stdin = None
        self.children.append(child)
        return child

    def ssh_left(self) -> list[int]:
        """Return the ssh processes that a `watch` of this scene started."""
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    command, environment = (entry / "cmdline").read_bytes(), (entry / "environ").read_bytes()
                except OSError:
                    continue
                if command.startswith((b"ssh\0", b"ssh:")) and f"SCENE={self.folder}\0".encode() in environment:
                    found.append(int(entry.name))
        return found

    def close(self) -> None:
        """Stop what is still there."""
        for child in self.children:
            if child.poll() is None:
                child.kill()
            child.communicate()
        self.login.stop()
        self.node.stop()

    def sockets(self) -> list[Path]:
        """Return the sockets of connections that are shared as the person's configuration asks."""
        return [path for path in Path(self.short.name).iterdir() if path.is_socket()]


def opened(child):
    """Return the local URL that a `watch --open` prints."""
    line = child.stdout.readline()
    found = re.search(r"https?://127\.0\.0\.1:\d+", line)
    assert found, line + (child.communicate()[1] if child.poll() is not None else "")
    return found[0]


def get(url):
    """Ask the page through the tunnel."""
    with requests.Session() as session:
        session.trust_env = False
        return session.get(f"{url}/api/health", timeout=5).json()


def until(what, ask, within=20.0):
    """Poll until `ask` gives something true."""
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        try:
            if found := ask():
                return found
        except OSError:
            pass
        time.sleep(0.05)
    raise AssertionError(f"waited {within} s for {what}")


@pytest.fixture
def page():
    """A page, at an address that is no node's loopback in the eyes of `watch`."""
    server = ThreadingHTTPServer(("127.0.0.2", 0), Page)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.2:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


@pytest.fixture
def scene(tmp_path, page):
    """A scene; no ssh of it is left when a test is over."""
    made = Scene(tmp_path, page)
    yield made
    made.close()
    until("every ssh is gone", lambda: not made.ssh_left(), 5)


def heard(child, words):
    """Read what a `watch` says until it says these words; returns all of it."""
    said = ""
    while words not in said:
        line = child.stderr.readline()
        assert line, said
        said += line
    return said


def interrupt(child):
    """Ctrl-C; returns what was said."""
    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=20)
    assert child.returncode == 0, out + err
    return out + err


@pytest.mark.parametrize(("via", "logins"), [("forward", (1, 0)), ("jump", (1, 1))])
def test_open(scene, via, logins):
    """The page answers through the tunnel, by the login host or by a jump to the node; Ctrl-C leaves no ssh."""
    child = scene.watch("--open", "--via", via)
    url = opened(child)
    assert get(url) == {"database": "ok"}
    assert (scene.login.logins, scene.node.logins) == logins
    assert scene.ssh_left()
    interrupt(child)
    assert scene.ssh_left() == []
    assert scene.sockets() == []


def test_the_view_is_shown_beside_the_tunnel(scene):
    """On a terminal: the run, and at the foot where the page is; Ctrl-C gives the screen back and leaves no ssh."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 100, 0, 0))
    try:
        child = scene.watch("--open", screen=theirs)
        url = opened(child)
        shown = b""
        while not (scene.run.id.encode() in shown and url.encode() in shown):
            assert select.select([ours], [], [], 20)[0], shown
            shown += os.read(ours, 65536)
        assert get(url) == {"database": "ok"}
        child.send_signal(signal.SIGINT)
        while b"\x1b[?1049l" not in shown:
            assert select.select([ours], [], [], 20)[0], shown
            shown += os.read(ours, 65536)
        assert child.wait(20) == 0
    finally:
        os.close(ours)
        os.close(theirs)
    assert scene.ssh_left() == []


def test_loopback_is_reached_by_a_jump(scene):
    """A Grafana on the node's loopback is reached by the node; the login host alone is refused in words."""
    loop = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    threading.Thread(target=loop.serve_forever, daemon=True).start()
    try:
        scene.place(f"http://127.0.0.1:{loop.server_address[1]}")
        child = scene.watch("--open")
        assert get(opened(child)) == {"database": "ok"}
        assert scene.node.logins == 1
        interrupt(child)
        _, err = scene.watch("--open", "--via", "forward").communicate(timeout=20)
        assert "no tunnel to it can be opened by forward" in err
    finally:
        loop.shutdown()
        loop.server_close()


def test_from_another_machine(scene):
    """What `watch --json` said on the cluster is enough for `watch - --open` elsewhere."""
    told, _ = scene.watch("--json").communicate(timeout=20)
    facts = json.loads(told)
    assert (facts["what"], facts["local_url"], sorted(facts["tunnels"])) == ("grafana", None, ["forward", "jump"])
    child = scene.watch("--open", "--local-port", str(wanted := free_port()), run="-", stdin=told)
    assert opened(child) == f"http://127.0.0.1:{wanted}"
    assert get(f"http://127.0.0.1:{wanted}") == {"database": "ok"}
    interrupt(child)
    _, err = scene.watch("--open", run="-", stdin="{}").communicate(timeout=20)
    assert "not the answer of `dashcam watch RUN --json`: run: Field required" in err


def test_prometheus_by_tls(scene, tmp_path):
    """A page by TLS is ready when it shows a certificate of the run's CA, which is at hand while the tunnel is open."""
    made = Authority(tmp_path, "run").issue("node-0", ["127.0.0.2", "localhost", "127.0.0.1"])
    server = ThreadingHTTPServer(("127.0.0.2", 0), Page)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made.cert_file, made.key_file)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        scene.place(f"https://127.0.0.2:{server.server_address[1]}", what="prometheus", ca_file=made.ca_file)
        told, _ = scene.watch("--json").communicate(timeout=20)
        made.ca_file.unlink()  # this machine has no run directory
        child = scene.watch("--open", run="-", stdin=told)
        url = opened(child)
        assert "user dashcam" in child.stdout.readline()
        ca_file = re.search(r"own CA, here in (\S+)", child.stdout.readline())[1]
        assert requests.get(url, timeout=5, verify=ca_file).json() == {"database": "ok"}
        interrupt(child)
        assert not Path(ca_file).exists()
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("via", ["forward", "jump"])
def test_connects_again(scene, via):
    """A connection that is cut is made again, at the same port, and that is said."""
    child = scene.watch("--open", "--via", via)
    url = opened(child)
    (scene.login if via == "forward" else scene.node).drop()
    until("a second login", lambda: scene.login.logins == 2)
    until("the page again", lambda: get(url) == {"database": "ok"})
    until("no more ssh than before", lambda: len(scene.ssh_left()) == (1 if via == "forward" else 2))
    said = heard(child, "the tunnel is up again")
    assert re.search(r"the tunnel is down \(.+\); again in 1 s", said, re.DOTALL), said
    interrupt(child)


def test_waits_for_a_host_that_is_down(scene):
    """While the login host is down the pause grows; when it is back the tunnel is."""
    child = scene.watch("--open", "--via", "forward")
    url = opened(child)
    scene.login.stop()
    assert "Connection refused" in heard(child, "again in 2 s")
    scene.login.start()
    until("the page again", lambda: get(url) == {"database": "ok"})
    heard(child, "the tunnel is up again")
    interrupt(child)


def test_the_end_of_the_run_closes_it(scene):
    """A run that is sealed needs no tunnel any more."""
    child = scene.watch("--open", "--json")
    facts = ""
    while not facts.endswith("}\n"):
        facts += child.stdout.readline()
    assert get(json.loads(facts)["local_url"]) == {"database": "ok"}
    seal.seal(scene.run)
    _, err = child.communicate(timeout=20)
    assert child.returncode == 0
    assert err == f"the run has ended: `dashcam report {scene.run.id}`\n"
    assert scene.ssh_left() == []


def test_a_taken_port(scene):
    """A port that is asked for and taken is an error before any ssh."""
    taken = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    try:
        port = taken.server_address[1]
        _, err = (child := scene.watch("--open", "--local-port", str(port))).communicate(timeout=20)
        assert child.returncode == 1
        assert err == (
            f"dashcam: port {port} of this machine is taken: name another by --local-port, or leave it out\n"
        )
        assert scene.login.logins == 0
    finally:
        taken.server_close()


def test_a_wrong_host_key(scene):
    """A host that is not who it was is refused in ssh's own words."""
    scene.known.write_text(scene.node.known_as(f"[127.0.0.1]:{scene.login.port}"))
    _, err = (child := scene.watch("--open", "--via", "forward")).communicate(timeout=20)
    assert child.returncode == 1
    assert err.startswith("dashcam: ")
    assert "Host key verification failed." in err
    assert scene.ssh_left() == []


def test_an_unreachable_host(scene):
    """So is a host that does not answer, also behind the jump."""
    scene.node.stop()
    _, err = (child := scene.watch("--open", "--via", "jump")).communicate(timeout=20)
    assert child.returncode == 1
    assert "connect failed: Connection refused" in err
    scene.login.stop()
    _, err = (child := scene.watch("--open")).communicate(timeout=20)
    assert child.returncode == 1
    assert f"connect to host 127.0.0.1 port {scene.login.port}: Connection refused" in err


def test_a_key_that_is_not_let_in(scene):
    """Who is not let in is told so; nobody is asked for a password."""
    (scene.login.folder / "authorized_keys").write_text("")
    _, err = (child := scene.watch("--open", "--via", "forward")).communicate(timeout=20)
    assert child.returncode == 1
    assert "Permission denied (publickey)" in err


def test_killed_hard(scene):
    """A `watch` that is killed takes its ssh along."""
    child = scene.watch("--open", "--via", "jump")
    opened(child)
    child.kill()
    child.wait()
    until("every ssh is gone", lambda: not scene.ssh_left(), 5)


def test_printed_commands_work(scene, page):
    """The commands that are printed are right as they stand: run by a shell, they lead to the page."""
    told, _ = scene.watch().communicate(timeout=20)
    commands = [line.strip() for line in told.splitlines() if line.strip().startswith("ssh -N")]
    assert len(commands) == 2
    for command in commands:
        port = free_port()
        words = command.replace("127.0.0.1:3000:", f"127.0.0.1:{port}:").replace("ssh -N", f"ssh -F {scene.config} -N")
        child = subprocess.Popen(
            ["/bin/sh", "-c", f"exec {words} -o ControlPath=none"], env={**os.environ, "SCENE": str(scene.folder)}
        )
        try:
            until(command, lambda port=port: get(f"http://127.0.0.1:{port}") == {"database": "ok"})
        finally:
            child.terminate()
            child.wait()
    assert page.removeprefix("http://") in told
