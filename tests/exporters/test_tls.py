"""/metrics by TLS, by a real sidecar: the same answers for the same clients, and nothing in plain text."""

import contextlib
import socket
import ssl
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from exporters import cli
from prometheus.certificates import Authority
from prometheus.web import Certificate
from tests.exporters.exposition import Samples
from tests.exporters.sidecar import TOKEN, Answer, Sidecar, read_answer, serving, token_file

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """Issue one for loopback."""
    return Authority(tmp_path_factory.mktemp("ca"), "run").issue("node-0", ["127.0.0.1", "here"])


@pytest.fixture(scope="module")
def sidecar(tmp_path_factory: pytest.TempPathFactory, certificate: Certificate) -> Iterator[Sidecar]:
    """Serve by TLS for this module."""
    files = ("--tls-cert", str(certificate.cert_file), "--tls-key", str(certificate.key_file))
    with serving(tmp_path_factory.mktemp("sidecar"), "cgroup", *files) as one:
        yield one


def ask(sidecar: Sidecar, certificate: Certificate, *parts: bytes, pause: float = 0.0, last: str = "") -> Answer:
    """Send the parts of a request by TLS; returns the whole answer. `last`: the latest version to speak."""
    context = ssl.create_default_context(cafile=certificate.ca_file)
    context.maximum_version = ssl.TLSVersion[last] if last else context.maximum_version
    with context.wrap_socket(sidecar.connect(), server_hostname="127.0.0.1") as connection:
        for part in parts:
            connection.sendall(part)
            time.sleep(pause)
        return read_answer(connection)


REQUEST = f"GET /metrics HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n\r\n".encode()


@pytest.mark.parametrize("last", ["TLSv1_2", "TLSv1_3"])
def test_metrics(sidecar: Sidecar, certificate: Certificate, last: str) -> None:
    """A whole page, whose end is told by TLS too, in both versions; and in pieces."""
    answer = ask(sidecar, certificate, REQUEST, last=last)
    assert answer.status == 200
    assert int(answer.headers["content-length"]) == len(answer.body)
    assert Samples.parse(answer.body)("exporter_collector_success", collector="cgroup") == 1
    pieces = [REQUEST[at : at + 9] for at in range(0, len(REQUEST), 9)]
    assert ask(sidecar, certificate, *pieces, pause=0.005, last=last).status == 200


def test_strangers_learn_nothing(sidecar: Sidecar, certificate: Certificate) -> None:
    """TLS takes no one's word: without the token it is 401."""
    assert ask(sidecar, certificate, b"GET /metrics HTTP/1.1\r\n\r\n").status == 401


def test_who_does_not_know_the_authority(sidecar: Sidecar) -> None:
    """Clients without the run's CA refuse the server."""
    with pytest.raises(ssl.SSLCertVerificationError), sidecar.connect() as plain:
        ssl.create_default_context().wrap_socket(plain, server_hostname="127.0.0.1")


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated:DeprecationWarning")
def test_old_versions(sidecar: Sidecar, certificate: Certificate) -> None:
    """TLS 1.1 is refused, by an alert."""
    context = ssl.create_default_context(cafile=certificate.ca_file)
    context.set_ciphers("DEFAULT@SECLEVEL=0")
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises(ssl.SSLError, match=r"(?i)alert|version"), sidecar.connect() as plain:
        context.wrap_socket(plain, server_hostname="127.0.0.1")


@pytest.mark.parametrize("words", [REQUEST, b"\x16\x03\x01\xff\xff" + b"x" * 40_000, b"", b"\x00" * 30_000])
def test_what_is_no_tls(sidecar: Sidecar, certificate: Certificate, words: bytes) -> None:
    """Plain HTTP and noise get no page and do no harm."""
    with sidecar.connect() as connection:
        try:
            connection.sendall(words)
            connection.shutdown(socket.SHUT_WR)
            said = b"".join(iter(lambda: connection.recv(65536), b""))
        except ConnectionError:
            said = b""
    assert b"HTTP" not in said
    assert len(said) < 100
    assert ask(sidecar, certificate, REQUEST).status == 200


def test_a_head_that_is_too_large(sidecar: Sidecar, certificate: Certificate) -> None:
    """It is cut off, as in plain text."""
    with pytest.raises((OSError, ValueError, IndexError)):
        ask(sidecar, certificate, b"GET /metrics HTTP/1.1\r\nX: " + b"x" * 100_000)
    assert ask(sidecar, certificate, REQUEST).status == 200


def test_connections_that_never_shake_hands(sidecar: Sidecar, certificate: Certificate) -> None:
    """Hundreds that open a connection and say nothing, or half a hello, do not stop a scrape."""
    silent: list[socket.socket] = []
    try:
        for number in range(600):
            silent.append(sidecar.connect())
            if number % 2:
                silent[-1].sendall(b"\x16\x03\x01\x02\x00\x01")
        begun = time.monotonic()
        assert ask(sidecar, certificate, REQUEST).status == 200
        assert time.monotonic() - begun < 2.0
    finally:
        for one in silent:
            one.close()


def test_a_slow_handshake_is_cut_off(tmp_path: Path, certificate: Certificate) -> None:
    """The deadline for the head counts from the connection."""
    files = ("--tls-cert", str(certificate.cert_file), "--tls-key", str(certificate.key_file))
    code = "import exporters.server\nexporters.server.HEAD_WITHIN = 0.4"
    with serving(tmp_path, "cgroup", *files, code=code) as sidecar, sidecar.connect() as connection:
        begun = time.monotonic()
        connection.settimeout(5)
        with contextlib.suppress(ConnectionError):
            assert connection.recv(1) == b""
        assert 0.3 < time.monotonic() - begun < 3


def test_bad_options(tmp_path: Path, certificate: Certificate, capsys: pytest.CaptureFixture[str]) -> None:
    """One without the other, and files that are no certificate, are said before anything listens."""
    given = ["cgroup", "--token-file", str(token_file(tmp_path))]
    assert cli.run([*given, "--tls-cert", str(certificate.cert_file)]) == 2
    assert "--tls-cert and --tls-key go together" in capsys.readouterr().err
    for path, why in ((tmp_path / "none", "No such file"), (tmp_path / "token", "give a certificate and its key")):
        assert cli.run([*given, "--tls-cert", str(path), "--tls-key", str(certificate.key_file)]) == 1
        assert why in capsys.readouterr().err
