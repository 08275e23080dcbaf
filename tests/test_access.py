"""What a port asks of who comes is read from files, and what should be mended there is told."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from made_certificates import DAY, Authority

from stt_service.access import MAX_TOKENS_BYTES, Accesses, accesses, append_private
from stt_service.errors import InvalidSetting
from stt_service.parameters import Parameters
from stt_service.tokens import line, new_token

TOKEN = new_token()


@pytest.fixture
def tokens(tmp_path: Path) -> Path:
    path = tmp_path / "tokens"
    append_private(path, line("ann", TOKEN) + "\n")
    return path


def asked(**settings: object) -> Accesses:
    return accesses(Parameters.model_validate({name: str(value) for name, value in settings.items()}))


def refusal(**settings: object) -> str:
    with pytest.raises(InvalidSetting) as refused:
        asked(**settings)
    return str(refused.value)


def test_with_nothing_set_nothing_is_asked() -> None:
    assert asked() == Accesses()


def test_each_port_has_tokens_of_its_own(tokens: Path) -> None:
    data = asked(auth_tokens_file=tokens)
    assert data.control.tokens is None
    assert data.data.tokens is not None
    assert data.data.tokens.value().holder(TOKEN) == "ann"
    assert asked(control_tokens_file=tokens).data.tokens is None


def test_a_file_of_tokens_that_is_made_is_its_owners_alone(tokens: Path) -> None:
    assert stat.S_IMODE(tokens.stat().st_mode) == 0o600
    append_private(tokens, line("bob", new_token()) + "\n")
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
    assert refusal(auth_tokens_file=path).startswith(f"AUTH_TOKENS_FILE={path} will not do: line 1 should be")
    path.write_bytes(b"\xff")
    assert "it should be text in UTF-8" in refusal(auth_tokens_file=path)
    path.write_bytes(b"#" * (MAX_TOKENS_BYTES + 1))
    assert "is it the right file?" in refusal(auth_tokens_file=path)


def test_the_last_token_that_goes_lets_nobody_in_any_more(tokens: Path) -> None:
    known = asked(auth_tokens_file=tokens).data.tokens
    assert known is not None
    tokens.write_text("")
    assert known.value().holder(TOKEN) is None
