"""Reads and checks the server's certificate, its key and the CA of its clients. Knows no gRPC."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from stt_service.access.file_watcher import read_file
from stt_service.errors import ConfigError

MAX_PEM_BYTES = 2**22  # all CAs of a system are 200 kB
EXPIRY_WARNING = timedelta(days=14)  # time to replace a certificate; automatic renewal happens 30 days before expiry


@dataclass(frozen=True, slots=True)
class CertificateFiles:
    """Paths of the PEM files; `client_ca` None: no client certificates."""

    certificate: Path
    key: Path
    client_ca: Path | None = None

    @property
    def all(self) -> tuple[Path, ...]:
        return tuple(path for path in (self.certificate, self.key, self.client_ca) if path)


@dataclass(frozen=True, slots=True)
class Pem:
    """Content of the files: a certificate chain with its key, and the CA of the clients."""

    chain: bytes
    key: bytes
    client_ca: bytes | None
    valid_from: datetime
    valid_until: datetime


def read(files: CertificateFiles) -> Pem:
    """Return the content of the files.

    Raises:
        ConfigError: a file is missing or not PEM, or the key does not belong to the certificate.
    """
    chain = _bytes("TLS_CERT", files.certificate)
    key = _bytes("TLS_KEY", files.key)
    certificate = _certificates("TLS_CERT", files.certificate, chain)[0]
    _check_key(files, key, certificate)
    client_ca = None
    if files.client_ca is not None:
        client_ca = _bytes("TLS_CLIENT_CA", files.client_ca)
        _certificates("TLS_CLIENT_CA", files.client_ca, client_ca)
    return Pem(chain, key, client_ca, certificate.not_valid_before_utc, certificate.not_valid_after_utc)


def warnings(files: CertificateFiles, pem: Pem, now: datetime) -> list[str]:
    """Return a warning if clients reject the certificate, or will soon."""
    setting = f"TLS_CERT={files.certificate}"
    if pem.valid_from > now:
        return [f"{setting} is not valid before {pem.valid_from:%Y-%m-%d}, clients reject it: check the system clock"]
    if pem.valid_until <= now:
        return [f"{setting} expired on {pem.valid_until:%Y-%m-%d}, clients reject it: replace it, no restart needed"]
    if pem.valid_until - now <= EXPIRY_WARNING:
        return [f"{setting} expires on {pem.valid_until:%Y-%m-%d}: replace it, no restart needed"]
    return []


def _check_key(files: CertificateFiles, pem: bytes, certificate: x509.Certificate) -> None:
    try:
        key = load_pem_private_key(pem, password=None)
    except TypeError as error:
        raise ConfigError(
            f"TLS_KEY={files.key} is encrypted and the server has no password for it: store it unencrypted, "
            "readable only by the server's user."
        ) from error
    except ValueError as error:
        raise ConfigError(f"Invalid TLS_KEY={files.key}: must be a private key in PEM.") from error
    encoding = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if key.public_key().public_bytes(*encoding) != certificate.public_key().public_bytes(*encoding):
        raise ConfigError(
            f"TLS_KEY={files.key} is not the key of TLS_CERT={files.certificate}: "
            "the first certificate in the file must belong to the key."
        )


def _certificates(setting: str, path: Path, pem: bytes) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(pem)
    except ValueError as error:
        raise ConfigError(f"Invalid {setting}={path}: must contain a certificate in PEM.") from error


def _bytes(setting: str, path: Path) -> bytes:
    try:
        content = read_file(path, MAX_PEM_BYTES)
    except OSError as error:
        raise ConfigError(f"{setting}={path} cannot be read: {error.strerror}.") from error
    if len(content) > MAX_PEM_BYTES:
        raise ConfigError(f"{setting}={path} is larger than {MAX_PEM_BYTES} bytes: is it the right file?")
    return content
