"""The server's certificate, its key and its clients' authorities: files in, checked PEM out. Knows no gRPC."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from stt_service.access.file_watcher import read_file
from stt_service.errors import ConfigError

MAX_PEM_BYTES = 2**22  # all authorities of a system are 200 kB
EXPIRY_WARNING = timedelta(days=14)  # to replace a certificate in peace; what renews them by itself does so at 30 days


@dataclass(frozen=True, slots=True)
class Files:
    """Where they lie; None: clients show no certificate."""

    certificate: Path
    key: Path
    client_ca: Path | None = None

    @property
    def all(self) -> tuple[Path, ...]:
        return tuple(path for path in (self.certificate, self.key, self.client_ca) if path)


@dataclass(frozen=True, slots=True)
class Pem:
    """What the files hold: a chain and a key that belong together, and the clients' authorities."""

    chain: bytes
    key: bytes
    client_ca: bytes | None
    begins: datetime
    ends: datetime


def read(files: Files) -> Pem:
    """Return the content of the files.

    Raises:
        InvalidSetting: a file is missing or no PEM, or the key is another certificate's.
    """
    chain = _bytes("TLS_CERT", files.certificate)
    key = _bytes("TLS_KEY", files.key)
    certificate = _certificates("TLS_CERT", files.certificate, chain)[0]
    _check_key(files, key, certificate)
    authorities = None
    if files.client_ca is not None:
        authorities = _bytes("TLS_CLIENT_CA", files.client_ca)
        _certificates("TLS_CLIENT_CA", files.client_ca, authorities)
    return Pem(chain, key, authorities, certificate.not_valid_before_utc, certificate.not_valid_after_utc)


def warnings(files: Files, pem: Pem, now: datetime) -> list[str]:
    """Return a sentence if clients refuse the certificate, or soon will."""
    which = f"TLS_CERT={files.certificate}"
    if pem.begins > now:
        return [f"{which} holds from {pem.begins:%Y-%m-%d} on, clients refuse it until then: is the clock right?"]
    if pem.ends <= now:
        return [f"{which} expired on {pem.ends:%Y-%m-%d}, clients refuse it: replace it, which needs no restart"]
    if pem.ends - now <= EXPIRY_WARNING:
        return [f"{which} expires on {pem.ends:%Y-%m-%d}: replace it, which needs no restart"]
    return []


def _check_key(files: Files, pem: bytes, certificate: x509.Certificate) -> None:
    try:
        key = load_pem_private_key(pem, password=None)
    except TypeError as error:
        raise ConfigError(
            f"TLS_KEY={files.key} asks for a password, which nobody gives at a start: store it without one, "
            "readable by the server's user alone."
        ) from error
    except ValueError as error:
        raise ConfigError(f"Invalid TLS_KEY={files.key}: must be a private key in PEM.") from error
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if key.public_key().public_bytes(*form) != certificate.public_key().public_bytes(*form):
        raise ConfigError(
            f"TLS_KEY={files.key} is not the key of TLS_CERT={files.certificate}: "
            "the first certificate in the file should be the one that was made with the key."
        )


def _certificates(setting: str, path: Path, pem: bytes) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(pem)
    except ValueError as error:
        raise ConfigError(f"Invalid {setting}={path}: must hold a certificate in PEM.") from error


def _bytes(setting: str, path: Path) -> bytes:
    try:
        content = read_file(path, MAX_PEM_BYTES)
    except OSError as error:
        raise ConfigError(f"{setting}={path} cannot be read: {error.strerror}.") from error
    if len(content) > MAX_PEM_BYTES:
        raise ConfigError(f"{setting}={path} is larger than {MAX_PEM_BYTES} bytes: is it the right file?")
    return content
