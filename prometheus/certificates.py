"""Certificates of one run, for TLS between its nodes: an authority (CA) of its own, and one certificate a node.

The authority's key is in memory only and gone with the process that planned the run: nobody can issue another
certificate later. Profile: RFC 5280, 4.2; names are in subjectAltName, as RFC 6125 wants them.
"""

import contextlib
import ipaddress
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from prometheus.web import Certificate
from runs import atomic

_BEFORE, _AFTER = timedelta(hours=1), timedelta(weeks=1)
"""Clocks of nodes may differ; hardly a run lasts as long."""
_LONGEST = 64
"""Characters of a common name (RFC 5280, ub-common-name)."""
_PEM = serialization.Encoding.PEM


class Authority:
    """The CA of a run that `lasts` some seconds. Certificates and keys go into `directory`, in files of mode 0600."""

    def __init__(self, directory: Path, run_id: str, lasts: float = 0.0) -> None:
        """Make a key (ECDSA P-256) and write the CA's certificate, ca.pem. Raises OSError."""
        self.ca_file = directory / "ca.pem"
        self._directory = directory
        self._after = max(_AFTER, timedelta(seconds=lasts) + timedelta(days=1))
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name(f"dashcam CA of {run_id}")
        self._identifier = x509.SubjectKeyIdentifier.from_public_key(self._key.public_key())
        own = (
            self._builder(self._name, self._key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(signs_certificates=True), critical=True)
            .add_extension(self._identifier, critical=False)
        )
        self._write(self.ca_file, self._signed(own))

    def issue(self, name: str, hosts: Iterable[str]) -> Certificate:
        """Write a server's certificate for `hosts`, addresses and names, as NAME.crt with NAME.key. Raises OSError."""
        key = ec.generate_private_key(ec.SECP256R1())
        identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
        issuer = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(self._identifier)
        names = x509.SubjectAlternativeName([_host(host) for host in dict.fromkeys(hosts)])
        builder = (
            self._builder(_name(name), key.public_key())
            .add_extension(names, critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(identifier, critical=False)
            .add_extension(issuer, critical=False)
        )
        made = Certificate(self._directory / f"{name}.crt", self._directory / f"{name}.key", self.ca_file)
        pkcs8 = serialization.PrivateFormat.PKCS8
        self._write(made.key_file, key.private_bytes(_PEM, pkcs8, serialization.NoEncryption()))
        self._write(made.cert_file, self._signed(builder))
        return made

    def _builder(self, subject: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        builder = x509.CertificateBuilder().subject_name(subject).issuer_name(self._name).public_key(key)
        builder = builder.not_valid_before(now - _BEFORE).not_valid_after(now + self._after)
        return builder.serial_number(x509.random_serial_number())

    def _signed(self, builder: x509.CertificateBuilder) -> bytes:
        return builder.sign(self._key, hashes.SHA256()).public_bytes(_PEM)

    @staticmethod
    def _write(path: Path, pem: bytes) -> None:
        # Not synced: after a power cut there is no run left to use them.
        atomic.write(path, pem, mode=0o600, sync=False)


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common[:_LONGEST])])


def _host(host: str) -> x509.GeneralName:
    with contextlib.suppress(ValueError):
        return x509.IPAddress(ipaddress.ip_address(host))
    return x509.DNSName(host)


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )
