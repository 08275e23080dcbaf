"""Each thing that can be wrong with a certificate is one sentence, before a port is taken."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat

from stt_service.access.certificates import Files, Pem, read, warnings
from stt_service.errors import ConfigError
from tests.support.made_certificates import DAY, Authority, Made

NOW = datetime(2026, 11, 26, tzinfo=UTC)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def made(authority: Authority) -> Made:
    return authority.signed("server")


def refusal(certificate: Path, key: Path, client_ca: Path | None = None) -> str:
    with pytest.raises(ConfigError) as refused:
        read(Files(certificate, key, client_ca))
    return str(refused.value)


def test_files_that_belong_together_are_read(authority: Authority, made: Made) -> None:
    pem = read(Files(made.cert_file, made.key_file, authority.file))
    assert pem.chain == made.cert_file.read_bytes()
    assert pem.client_ca == authority.file.read_bytes()


def test_a_missing_file_is_named(tmp_path: Path, made: Made) -> None:
    none = tmp_path / "none"
    assert refusal(none, made.key_file) == f"TLS_CERT={none} cannot be read: No such file or directory."
    assert refusal(made.cert_file, none) == f"TLS_KEY={none} cannot be read: No such file or directory."
    assert refusal(made.cert_file, made.key_file, none).startswith(f"TLS_CLIENT_CA={none} cannot be read")


def test_a_file_that_holds_something_else_is_named(tmp_path: Path, made: Made) -> None:
    other = tmp_path / "other"
    other.write_text("not PEM")
    assert refusal(other, made.key_file) == f"Invalid TLS_CERT={other}: must hold a certificate in PEM."
    assert refusal(made.cert_file, other) == f"Invalid TLS_KEY={other}: must be a private key in PEM."
    assert "must hold a certificate in PEM" in refusal(made.cert_file, made.key_file, other)


def test_another_certificates_key_is_refused(authority: Authority, made: Made) -> None:
    other = authority.signed("other")
    told = refusal(made.cert_file, other.key_file)
    assert told.startswith(f"TLS_KEY={other.key_file} is not the key of TLS_CERT={made.cert_file}")


def test_a_key_with_a_password_is_refused(tmp_path: Path, made: Made) -> None:
    locked = tmp_path / "locked.key"
    locked.write_bytes(made.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"sesame")))
    assert refusal(made.cert_file, locked).startswith(f"TLS_KEY={locked} asks for a password")


@pytest.mark.parametrize(
    ("begins", "ends", "told"),
    [
        (-DAY, 90 * DAY, []),
        (
            -9 * DAY,
            -2 * DAY,
            ["TLS_CERT=c expired on 2026-11-24, clients refuse it: replace it, which needs no restart"],
        ),
        (-DAY, 7 * DAY, ["TLS_CERT=c expires on 2026-12-03: replace it, which needs no restart"]),
        (2 * DAY, 90 * DAY, ["TLS_CERT=c holds from 2026-11-28 on, clients refuse it until then: is the clock right?"]),
    ],
    ids=["holds", "expired", "expires soon", "not yet"],
)
def test_a_certificate_whose_time_is_not_now_is_warned_of(begins: timedelta, ends: timedelta, told: list[str]) -> None:
    pem = Pem(b"", b"", None, NOW + begins, NOW + ends)
    assert warnings(Files(Path("c"), Path("k")), pem, NOW) == told
