"""Fuzz tests of token files. FUZZ_CASES sets the number of cases for a long run."""

from __future__ import annotations

import os
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stt_service.access.credentials import add_token, load_credentials
from stt_service.access.file_watcher import ReloadingFile
from stt_service.access.tokens import Tokens, line, parse
from stt_service.errors import ConfigError
from stt_service.settings.schema import ServerSettings

CASES = int(os.environ.get("FUZZ_CASES", "300"))
fuzzed = settings(max_examples=CASES, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

TOKEN = "stt_of-ann"  # noqa: S105
HASHES = st.sampled_from([sha256(text).hexdigest() for text in (b"", b" ", b"\n", TOKEN.encode(), b"other")])
NAMES = st.one_of(st.sampled_from(["ann", "bob"]), st.text(max_size=5))
ALMOST_VALID = st.tuples(
    NAMES,
    st.sampled_from([" ", "\t", "\r", ""]),
    st.sampled_from(["sha256:", "SHA256:", "#", ""]),
    st.one_of(HASHES, st.text(max_size=70)),
).map("".join)
TEXTS = st.lists(st.one_of(ALMOST_VALID, st.text(max_size=20), st.just(f"ann {TOKEN}")), max_size=6).flatmap(
    lambda lines: st.sampled_from(["\n", "\r\n", "\x0b", "\u2028"]).map(lambda end: end.join(lines))
)


@fuzzed
@given(TEXTS)
def test_no_token_file_accepts_an_empty_token_and_no_error_quotes_a_token(text: str) -> None:
    message, tokens = "", Tokens()
    try:
        tokens = parse(text)
    except ConfigError as error:
        message = str(error)
    assert TOKEN not in message
    assert [tokens.lookup(blank) for blank in ("", " ", "\t")] == [None] * 3
    assert all(name in text and known in text for name, known in tokens.entries)
    assert tokens.lookup(TOKEN) in (None, *tokens.names)


@fuzzed
@given(st.one_of(st.binary(max_size=200), TEXTS.map(lambda text: text.encode("utf-8", "surrogatepass"))))
def test_any_token_file_raises_only_config_errors_and_adding_keeps_other_tokens(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "tokens"
    path.write_bytes(content)
    parameters = ServerSettings.model_validate({"auth_tokens_file": str(path)})
    try:
        before = load_credentials(parameters).data.tokens
    except ConfigError:
        before = None
    try:
        add_token(path, line("eve", "stt_new"))
    except ConfigError:
        assert path.read_bytes() == content
        return
    after = load_credentials(parameters).data.tokens
    assert after is not None
    assert after.value().lookup("stt_new") == "eve"
    assert before is None or set(before.value().entries) <= set(after.value().entries)


@settings(fuzzed, max_examples=max(1, CASES // 3))
@given(st.lists(st.sampled_from(["ann", "bob", "eve"]), unique=True), st.data())
def test_unchanged_token_is_valid_at_every_byte_of_a_rewrite(
    tmp_path: Path, names: list[str], data: st.DataObject
) -> None:
    path = tmp_path / "tokens"
    path.write_text("".join(f"{line(name, name)}\n" for name in ["ann", "bob"]))
    parameters = ServerSettings.model_validate({"auth_tokens_file": str(path)})
    known = load_credentials(parameters, lambda: path.stat().st_ctime).data.tokens  # never stable
    assert isinstance(known, ReloadingFile)
    after = "".join(f"{line(name, name)}\n" for name in names).encode()
    for length in sorted(data.draw(st.lists(st.integers(0, len(after)), max_size=5))):
        path.write_bytes(after[:length])
        assert [known.value().lookup(name) for name in ("ann", "bob")] == ["ann", "bob"]
    path.write_bytes(after)
    stable = load_credentials(parameters, lambda: path.stat().st_ctime + 3600).data.tokens if names else None
    assert stable is None or set(stable.value().names) == set(names)


def test_unicode_line_separator_does_not_end_a_comment() -> None:
    assert parse(f"# old\u2028{line('eve', 'x')}\x0b{line('eve', 'y')}\n{line('ann', TOKEN)}").names == ("ann",)


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_windows_line_endings_are_accepted(end: str) -> None:
    assert parse(end.join((line("ann", TOKEN), line("bob", "x"), ""))).names == ("ann", "bob")
