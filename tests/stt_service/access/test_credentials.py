"""What a port asks of who comes is read from files, and what should be mended there is told."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest

from stt_service.access.credentials import MAX_TOKENS_BYTES, ServerCredentials, accesses, add_token
from stt_service.access.tokens import line, new_token
from stt_service.errors import ConfigError
from stt_service.settings.schema import ServerSettings
from tests.support.made_certificates import DAY, Authority

TOKEN = new_token()


@pytest.fixture
def tokens(tmp_path: Path) -> Path:
    path = tmp_path / "tokens"
    add_token(path, line("ann", TOKEN))
    return path


def asked(now: Callable[[], float] = time.time, /, **settings: object) -> ServerCredentials:
    return accesses(ServerSettings.model_validate({name: str(value) for name, value in settings.items()}), now)


def refusal(**settings: object) -> str:
    with pytest.raises(ConfigError) as refused:
        asked(time.time, **settings)
    return str(refused.value)


def test_with_nothing_set_nothing_is_asked() -> None:
    assert asked() == ServerCredentials()


def test_each_port_has_tokens_of_its_own(tokens: Path) -> None:
    data = asked(auth_tokens_file=tokens)
    assert data.control.tokens is None
    assert data.data.tokens is not None
    assert data.data.tokens.value().lookup(TOKEN) == "ann"
    assert asked(control_tokens_file=tokens).data.tokens is None


def test_a_file_of_tokens_that_is_made_is_its_owners_alone(tokens: Path) -> None:
    assert stat.S_IMODE(tokens.stat().st_mode) == 0o600
    add_token(tokens, line("bob", new_token()))
    known = asked(auth_tokens_file=tokens)
    assert known.warnings == ()
    assert known.data.tokens is not None
    assert known.data.tokens.value().names == ("ann", "bob")


def test_a_file_of_tokens_that_everybody_reads_is_warned_of(tokens: Path) -> None:
    tokens.chmod(0o644)
    told = f"AUTH_TOKENS_FILE={tokens} can be read by every user of this machine: chmod o-r {tokens}"
    assert asked(auth_tokens_file=tokens).warnings == (told,)
    tokens.chmod(0o640)
    assert asked(auth_tokens_file=tokens).warnings == ()


def test_a_key_that_everybody_reads_and_a_certificate_that_expired_are_warned_of(tmp_path: Path) -> None:
    made = Authority(tmp_path).signed("server", begins=-3 * DAY, ends=-DAY)
    made.key_file.chmod(0o644)
    expired, readable = asked(tls_cert=made.cert_file, tls_key=made.key_file).warnings
    assert expired.startswith(f"TLS_CERT={made.cert_file} expired on ")
    assert readable.startswith(f"TLS_KEY={made.key_file} can be read by every user of this machine")


def test_a_file_of_tokens_that_will_not_do_is_named(tmp_path: Path, tokens: Path) -> None:
    path = tmp_path / "other"
    assert refusal(auth_tokens_file=path) == f"AUTH_TOKENS_FILE={path} cannot be read: No such file or directory."
    path.write_text("# none yet\n")
    assert "holds no token: `stt-server token NAME --add" in refusal(control_tokens_file=path)
    path.write_text("ann\n")
    assert refusal(auth_tokens_file=path).startswith(f"Invalid AUTH_TOKENS_FILE={path}: line 1 should be")
    path.write_bytes(b"\xff")
    assert "must be text in UTF-8" in refusal(auth_tokens_file=path)
    path.write_bytes(b"#" * (MAX_TOKENS_BYTES + 1))
    assert "is it the right file?" in refusal(auth_tokens_file=path)


def long_after() -> float:
    """Return a time at which every file was left alone for a while."""
    return time.time() + 3600


def test_the_last_token_that_goes_lets_nobody_in_any_more(tokens: Path) -> None:
    known = asked(long_after, auth_tokens_file=tokens).data.tokens
    assert known is not None
    tokens.write_text("")
    assert known.value().lookup(TOKEN) is None


def test_a_token_holds_while_its_file_is_being_rewritten_and_a_new_one_holds_at_once(tokens: Path) -> None:
    known = asked(lambda: tokens.stat().st_ctime, auth_tokens_file=tokens).data.tokens
    assert known is not None
    new = new_token()
    text = f"{line('ann', new)}\n"
    for length in range(len(text) + 1):
        tokens.write_text(text[:length])
        assert known.value().lookup(TOKEN) == "ann"
    assert known.value().lookup(new) == "ann"


def test_a_hash_that_is_replaced_in_place_is_noticed_though_size_and_time_are_kept(tokens: Path) -> None:
    known = asked(long_after, auth_tokens_file=tokens).data.tokens
    assert known is not None
    before, new = tokens.stat(), new_token()
    assert known.value().lookup(TOKEN) == "ann"
    while tokens.stat().st_ctime_ns == before.st_ctime_ns:  # until the clock of the file system has gone on
        tokens.write_text(f"{line('ann', new)}\n")
    os.utime(tokens, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (known.value().lookup(TOKEN), known.value().lookup(new)) == (None, "ann")


@pytest.mark.parametrize("make", [os.mkfifo, Path.mkdir], ids=["FIFO", "folder"])
def test_what_is_no_file_is_refused_at_the_start_and_changes_nothing_later(
    tokens: Path, make: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    known = asked(long_after, auth_tokens_file=tokens).data.tokens
    assert known is not None
    tokens.unlink()
    make(tokens)
    assert known.value().lookup(TOKEN) == "ann"
    assert "cannot be read" in caplog.text
    assert "cannot be read" in refusal(auth_tokens_file=tokens)
    with pytest.raises(ConfigError, match="cannot be read"):
        add_token(tokens, line("bob", new_token()))


@pytest.mark.parametrize("hashed", [b"", b"\n"])
def test_the_hash_of_an_empty_text_is_refused(tokens: Path, hashed: bytes) -> None:
    tokens.write_text(f"nobody sha256:{sha256(hashed).hexdigest()}\n")
    assert "line 1 has the hash of an empty text" in refusal(auth_tokens_file=tokens)


@pytest.mark.parametrize("copy", ["./tokens", "link", "hard link", "copy"])
def test_a_token_for_both_ports_is_refused_whatever_the_file_is_called(tokens: Path, copy: str) -> None:
    other = tokens.with_name(copy.removeprefix("./"))
    if copy == "link":
        other.symlink_to(tokens)
    elif copy == "hard link":
        other.hardlink_to(tokens)
    elif copy == "copy":
        other.write_text(f"{line('bob', new_token())}\n{tokens.read_text()}")
    told = refusal(auth_tokens_file=tokens, control_tokens_file=f"{tokens.parent}/./{other.name}")
    assert "both hold the token of ann" in told


@pytest.mark.parametrize("end", ["", "\n", "\n\n", "\r\n"])
def test_a_token_is_added_on_a_line_of_its_own(tmp_path: Path, end: str) -> None:
    path, new = tmp_path / "tokens", new_token()
    path.write_text(line("ann", TOKEN) + end)
    add_token(path, line("bob", new))
    known = asked(auth_tokens_file=path).data.tokens
    assert known is not None
    assert (known.value().lookup(TOKEN), known.value().lookup(new)) == ("ann", "bob")


def test_a_token_is_not_added_to_a_file_that_holds_something_else(tmp_path: Path) -> None:
    path = tmp_path / "notes"
    path.write_text("buy milk")
    with pytest.raises(ConfigError, match="is no file of tokens: line 1 should be"):
        add_token(path, line("bob", new_token()))
    assert path.read_text() == "buy milk"
