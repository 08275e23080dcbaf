"""Certificates: each possible fault is one error message, before a port is bound."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat

from stt_service.access.certificates import CertificateFiles, Pem, read, warnings
from stt_service.errors import ConfigError
from tests.support.environment.certificates import DAY, CertificateAuthority, IssuedCertificate

NOW = datetime(2026, 11, 26, tzinfo=UTC)


@pytest.fixture
def authority(tmp_path: Path) -> CertificateAuthority:
    return CertificateAuthority(tmp_path)


@pytest.fixture
def made(authority: CertificateAuthority) -> IssuedCertificate:
    return authority.issue("server")


def error_for(certificate: Path, key: Path, client_ca: Path | None = None) -> str:
    with pytest.raises(ConfigError) as raised:
        read(CertificateFiles(certificate, key, client_ca))
    return str(raised.value)


def test_matching_certificate_key_and_ca_are_read(authority: CertificateAuthority, made: IssuedCertificate) -> None:
    pem = read(CertificateFiles(made.cert_file, made.key_file, authority.file))
    assert pem.chain == made.cert_file.read_bytes()
    assert pem.client_ca == authority.file.read_bytes()


def test_missing_file_is_named_in_the_error(tmp_path: Path, made: IssuedCertificate) -> None:
    none = tmp_path / "none"
    assert error_for(none, made.key_file) == f"TLS_CERT={none} cannot be read: No such file or directory."
    assert error_for(made.cert_file, none) == f"TLS_KEY={none} cannot be read: No such file or directory."
    assert error_for(made.cert_file, made.key_file, none).startswith(f"TLS_CLIENT_CA={none} cannot be read")


def test_file_that_is_not_pem_is_named_in_the_error(tmp_path: Path, made: IssuedCertificate) -> None:
    other = tmp_path / "other"
    other.write_text("not PEM")
    assert error_for(other, made.key_file) == f"Invalid TLS_CERT={other}: must contain a certificate in PEM."
    assert error_for(made.cert_file, other) == f"Invalid TLS_KEY={other}: must be a private key in PEM."
    assert "must contain a certificate in PEM" in error_for(made.cert_file, made.key_file, other)


def test_key_of_another_certificate_is_rejected(authority: CertificateAuthority, made: IssuedCertificate) -> None:
    other = authority.issue("other")
    message = error_for(made.cert_file, other.key_file)
    assert message.startswith(f"TLS_KEY={other.key_file} is not the key of TLS_CERT={made.cert_file}")


def test_encrypted_key_is_rejected(tmp_path: Path, made: IssuedCertificate) -> None:
    locked = tmp_path / "locked.key"
    locked.write_bytes(made.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"sesame")))
    assert error_for(made.cert_file, locked).startswith(f"TLS_KEY={locked} is encrypted")


@pytest.mark.parametrize(
    ("begins", "ends", "expected"),
    [
        (-DAY, 90 * DAY, []),
        (
            -9 * DAY,
            -2 * DAY,
            ["TLS_CERT=c expired on 2026-11-24, clients reject it: replace it, no restart needed"],
        ),
        (-DAY, 7 * DAY, ["TLS_CERT=c expires on 2026-12-03: replace it, no restart needed"]),
        (2 * DAY, 90 * DAY, ["TLS_CERT=c is not valid before 2026-11-28, clients reject it: check the system clock"]),
    ],
    ids=["valid", "expired", "expires soon", "not yet"],
)
def test_certificate_outside_its_validity_is_a_warning(begins: timedelta, ends: timedelta, expected: list[str]) -> None:
    pem = Pem(b"", b"", None, NOW + begins, NOW + ends)
    assert warnings(CertificateFiles(Path("c"), Path("k")), pem, NOW) == expected
