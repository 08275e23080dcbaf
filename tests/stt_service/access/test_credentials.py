"""Credentials of the ports: read from files, checked, and with warnings about the files."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest

from stt_service.access.credentials import MAX_TOKENS_BYTES, ServerCredentials, add_token, load_credentials
from stt_service.access.tokens import line, new_token
from stt_service.errors import ConfigError
from stt_service.settings.schema import ServerSettings
from tests.support.environment.certificates import DAY, CertificateAuthority

TOKEN = new_token()


@pytest.fixture
def tokens(tmp_path: Path) -> Path:
    path = tmp_path / "tokens"
    add_token(path, line("ann", TOKEN))
    return path


def load(now: Callable[[], float] = time.time, /, **settings: object) -> ServerCredentials:
    return load_credentials(ServerSettings.model_validate({name: str(value) for name, value in settings.items()}), now)


def error_for(**settings: object) -> str:
    with pytest.raises(ConfigError) as raised:
        load(time.time, **settings)
    return str(raised.value)


def test_no_settings_require_no_credentials() -> None:
    assert load() == ServerCredentials()


def test_each_port_has_its_own_tokens(tokens: Path) -> None:
    data = load(auth_tokens_file=tokens)
    assert data.control.tokens is None
    assert data.data.tokens is not None
    assert data.data.tokens.value().lookup(TOKEN) == "ann"
    assert load(control_tokens_file=tokens).data.tokens is None


def test_new_token_file_is_readable_by_its_owner_only(tokens: Path) -> None:
    assert stat.S_IMODE(tokens.stat().st_mode) == 0o600
    add_token(tokens, line("bob", new_token()))
    known = load(auth_tokens_file=tokens)
    assert known.warnings == ()
    assert known.data.tokens is not None
    assert known.data.tokens.value().names == ("ann", "bob")


def test_token_file_readable_by_every_user_is_a_warning(tokens: Path) -> None:
    tokens.chmod(0o644)
    warning = f"AUTH_TOKENS_FILE={tokens} can be read by every user of this machine: chmod o-r {tokens}"
    assert load(auth_tokens_file=tokens).warnings == (warning,)
    tokens.chmod(0o640)
    assert load(auth_tokens_file=tokens).warnings == ()


def test_readable_key_and_expired_certificate_are_warnings(tmp_path: Path) -> None:
    made = CertificateAuthority(tmp_path).issue("server", begins=-3 * DAY, ends=-DAY)
    made.key_file.chmod(0o644)
    expired, readable = load(tls_cert=made.cert_file, tls_key=made.key_file).warnings
    assert expired.startswith(f"TLS_CERT={made.cert_file} expired on ")
    assert readable.startswith(f"TLS_KEY={made.key_file} can be read by every user of this machine")


def test_invalid_token_file_is_named_in_the_error(tmp_path: Path, tokens: Path) -> None:
    path = tmp_path / "other"
    assert error_for(auth_tokens_file=path) == f"AUTH_TOKENS_FILE={path} cannot be read: No such file or directory."
    path.write_text("# empty\n")
    assert "contains no token: add one with `stt-server token NAME --add" in error_for(control_tokens_file=path)
    path.write_text("ann\n")
    assert error_for(auth_tokens_file=path).startswith(f"Invalid AUTH_TOKENS_FILE={path}: line 1 must be")
    path.write_bytes(b"\xff")
    assert "must be text in UTF-8" in error_for(auth_tokens_file=path)
    path.write_bytes(b"#" * (MAX_TOKENS_BYTES + 1))
    assert "is it the right file?" in error_for(auth_tokens_file=path)


def long_after() -> float:
    """Return a time at which every file is stable."""
    return time.time() + 3600


def test_removal_of_the_last_token_invalidates_it(tokens: Path) -> None:
    known = load(long_after, auth_tokens_file=tokens).data.tokens
    assert known is not None
    tokens.write_text("")
    assert known.value().lookup(TOKEN) is None


def test_old_token_stays_valid_during_a_rewrite_and_a_new_one_is_valid_at_once(tokens: Path) -> None:
    known = load(lambda: tokens.stat().st_ctime, auth_tokens_file=tokens).data.tokens
    assert known is not None
    new = new_token()
    text = f"{line('ann', new)}\n"
    for length in range(len(text) + 1):
        tokens.write_text(text[:length])
        assert known.value().lookup(TOKEN) == "ann"
    assert known.value().lookup(new) == "ann"


def test_hash_replaced_in_place_is_detected_with_the_same_size_and_mtime(tokens: Path) -> None:
    known = load(long_after, auth_tokens_file=tokens).data.tokens
    assert known is not None
    before, new = tokens.stat(), new_token()
    assert known.value().lookup(TOKEN) == "ann"
    while tokens.stat().st_ctime_ns == before.st_ctime_ns:  # until the clock of the file system advances
        tokens.write_text(f"{line('ann', new)}\n")
    os.utime(tokens, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (known.value().lookup(TOKEN), known.value().lookup(new)) == (None, "ann")


@pytest.mark.parametrize("make", [os.mkfifo, Path.mkdir], ids=["FIFO", "folder"])
def test_path_that_is_no_regular_file_is_rejected_at_startup_and_ignored_later(
    tokens: Path, make: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    known = load(long_after, auth_tokens_file=tokens).data.tokens
    assert known is not None
    tokens.unlink()
    make(tokens)
    assert known.value().lookup(TOKEN) == "ann"
    assert "cannot be read" in caplog.text
    assert "cannot be read" in error_for(auth_tokens_file=tokens)
    with pytest.raises(ConfigError, match="cannot be read"):
        add_token(tokens, line("bob", new_token()))


@pytest.mark.parametrize("hashed", [b"", b"\n"])
def test_hash_of_an_empty_string_is_rejected(tokens: Path, hashed: bytes) -> None:
    tokens.write_text(f"ann sha256:{sha256(hashed).hexdigest()}\n")
    assert "line 1 has the hash of an empty string" in error_for(auth_tokens_file=tokens)


@pytest.mark.parametrize("copy", ["./tokens", "link", "hard link", "copy"])
def test_token_for_both_ports_is_rejected_whatever_the_file_name(tokens: Path, copy: str) -> None:
    other = tokens.with_name(copy.removeprefix("./"))
    if copy == "link":
        other.symlink_to(tokens)
    elif copy == "hard link":
        other.hardlink_to(tokens)
    elif copy == "copy":
        other.write_text(f"{line('bob', new_token())}\n{tokens.read_text()}")
    message = error_for(auth_tokens_file=tokens, control_tokens_file=f"{tokens.parent}/./{other.name}")
    assert "both contain the token of ann" in message


@pytest.mark.parametrize("end", ["", "\n", "\n\n", "\r\n"])
def test_token_is_added_on_its_own_line(tmp_path: Path, end: str) -> None:
    path, new = tmp_path / "tokens", new_token()
    path.write_text(line("ann", TOKEN) + end)
    add_token(path, line("bob", new))
    known = load(auth_tokens_file=path).data.tokens
    assert known is not None
    assert (known.value().lookup(TOKEN), known.value().lookup(new)) == ("ann", "bob")


def test_token_is_not_added_to_a_file_with_other_content(tmp_path: Path) -> None:
    path = tmp_path / "notes"
    path.write_text("buy milk")
    with pytest.raises(ConfigError, match="is not a token file: line 1 must be"):
        add_token(path, line("bob", new_token()))
    assert path.read_text() == "buy milk"
