"""Certificates for tests: authorities and certificates signed by them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class IssuedCertificate:
    """A certificate and its key, in memory and in files."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey
    cert_file: Path
    key_file: Path


class CertificateAuthority:
    """A certificate authority; each signed certificate is two files in the folder."""

    def __init__(self, folder: Path, name: str = "authority") -> None:
        self._folder = folder
        self._own = self._issue(name, None, (-DAY, 365 * DAY), ())
        self.file = self._own.cert_file

    def issue(self, name: str, *hosts: str, begins: timedelta = -DAY, ends: timedelta = 90 * DAY) -> IssuedCertificate:
        """Return a certificate for the hosts, valid for the given period relative to now."""
        return self._issue(name, self._own, (begins, ends), hosts or ("localhost", "127.0.0.1"))

    def _issue(
        self, name: str, by: IssuedCertificate | None, holds: tuple[timedelta, timedelta], hosts: tuple[str, ...]
    ) -> IssuedCertificate:
        key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(by.certificate.subject if by else subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + holds[0])
            .not_valid_after(now + holds[1])
            .add_extension(x509.BasicConstraints(by is None, None), critical=True)
        )
        if hosts:
            builder = builder.add_extension(x509.SubjectAlternativeName([_named(host) for host in hosts]), False)
        certificate = builder.sign(by.key if by else key, SHA256())
        made = IssuedCertificate(certificate, key, self._folder / f"{name}.pem", self._folder / f"{name}.key")
        made.cert_file.write_bytes(certificate.public_bytes(Encoding.PEM))
        made.key_file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        made.key_file.chmod(0o600)
        return made


def _named(host: str) -> x509.GeneralName:
    return x509.IPAddress(ip_address(host)) if host[0].isdigit() else x509.DNSName(host)
