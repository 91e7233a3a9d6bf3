"""A run's certificates: openssl's own verdict on them, and handshakes that succeed or are refused."""

import ssl
import stat
import subprocess
import time

import pytest

from prometheus import web
from prometheus.certificates import Authority

HOSTS = ("10.3.24.92", "mel2001", "fd00::7")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A node's certificate."""
    folder = tmp_path_factory.mktemp("live")
    return Authority(folder, "20261123-142207-vllm-a3f9").issue("node-0", HOSTS)


def openssl(*words):
    """Run openssl; returns its exit code and its words."""
    done = subprocess.run(["openssl", *map(str, words)], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def handshake(certificate, client, name):
    """Shake hands in memory; returns the protocol. Raises ssl.SSLError, as the client or the server does."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificate.cert_file, certificate.key_file)
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [client.wrap_bio(back, there, server_hostname=name), server.wrap_bio(there, back, server_side=True)]
    for _ in range(4):
        for end in ends:
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
    return ends[0].version()


@pytest.mark.parametrize(
    ("option", "name", "code"),
    [
        ("-verify_ip", "10.3.24.92", 0), ("-verify_hostname", "mel2001", 0), ("-verify_ip", "fd00::7", 0),
        ("-verify_ip", "10.3.24.93", 2), ("-verify_hostname", "mel2002", 2),
    ],
)  # fmt: skip
def test_openssl_verifies_it(made, option, name, code):
    """The strictest check of openssl takes it, for a server of these names and no other."""
    words = ("-x509_strict", "-purpose", "sslserver", "-CAfile", made.ca_file, option, name, made.cert_file)
    found, said = openssl("verify", *words)
    assert found == code, said
    assert code == 0 or "mismatch" in said


def test_it_is_no_authority(made, tmp_path):
    """A node's key cannot sign for another: it is no CA, and no client's certificate either."""
    assert openssl("verify", "-purpose", "sslclient", "-CAfile", made.ca_file, made.cert_file)[0] != 0
    forged = tmp_path / "forged"
    request = ("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=mel9")
    signed = ("-CA", made.cert_file, "-CAkey", made.key_file, "-keyout", f"{forged}.key", "-out", forged)
    assert openssl(*request, *signed)[0] == 0
    code, said = openssl("verify", "-CAfile", made.ca_file, "-untrusted", made.cert_file, forged)
    assert code != 0
    assert "invalid CA certificate" in said


def test_files(made):
    """Keys are P-256, all is 0600, and of the CA's key there is no file."""
    folder = made.ca_file.parent
    assert {path.name for path in folder.iterdir()} == {"ca.pem", "node-0.crt", "node-0.key"}
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    assert "prime256v1" in openssl("x509", "-in", made.cert_file, "-noout", "-text")[1]
    assert "BEGIN PRIVATE KEY" in made.key_file.read_text()


@pytest.mark.parametrize(("lasts", "days"), [(1200.0, 7), (10 * 86400.0, 11)])
def test_how_long(tmp_path, lasts, days):
    """From an hour ago, since clocks differ, to a week ahead, or to a day after a run that lasts longer."""
    certificate = Authority(tmp_path, "r" * 200, lasts).issue("n" * 100, ["h" * 60])
    for path in (certificate.ca_file, certificate.cert_file):
        told = openssl("x509", "-in", path, "-noout", "-dates")[1]
        begin, end = (ssl.cert_time_to_seconds(line.partition("=")[2]) for line in told.splitlines())
        assert begin == pytest.approx(time.time() - 3600, abs=10)
        assert end == pytest.approx(time.time() + days * 86400, abs=10)


@pytest.mark.parametrize("name", HOSTS)
def test_handshake(made, name):
    """Who trusts the run's CA, and it alone, is let in by any of the node's names."""
    assert handshake(made, ssl.create_default_context(cafile=made.ca_file), name) == "TLSv1.3"


def test_a_wrong_name_is_refused(made):
    """The certificate of one node is no other's."""
    with pytest.raises(ssl.SSLCertVerificationError, match="mismatch"):
        handshake(made, ssl.create_default_context(cafile=made.ca_file), "10.3.24.93")


def test_another_authority_is_refused(made, tmp_path):
    """The CA of another run, even of the same id, vouches for nothing."""
    other = Authority(tmp_path, "20261123-142207-vllm-a3f9")
    for client in (ssl.create_default_context(cafile=other.ca_file), ssl.create_default_context()):
        with pytest.raises(ssl.SSLCertVerificationError):
            handshake(made, client, "10.3.24.92")


def test_web_config(made, tmp_path):
    """promtool takes the web.config.file with the certificate; nodes have one password and a file each."""
    secret = web.Credentials.generate()
    files = [web.write_web_config(tmp_path, "node", secret, made, place=f"-{number}") for number in (0, 1)]
    assert files[0].password_file == files[1].password_file
    assert files[0].config != files[1].config
    done = subprocess.run(["promtool", "check", "web-config", str(files[1].config)], capture_output=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "min_version: TLS12" in files[1].config.read_text()
