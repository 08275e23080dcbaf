"""Tokens: creation, the lines of the token file, and lookup."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stt_service.access.tokens import Tokens, line, new_token, parse
from stt_service.errors import ConfigError

ANN, BOB = new_token(), new_token()
FILE = f"# clients\n\n{line('ann', ANN)}\n   {line('bob', BOB)}  \n"


def test_lookup_returns_the_name_of_the_token() -> None:
    tokens = parse(FILE)
    assert tokens.names == ("ann", "bob")
    assert (tokens.lookup(ANN), tokens.lookup(BOB)) == ("ann", "bob")


@pytest.mark.parametrize(
    "sent", ["", "stt_", ANN[:-1], ANN + "x", ANN.swapcase(), "\udcff", line("ann", ANN).split(":")[1]]
)
def test_lookup_of_an_invalid_token_returns_none(sent: str) -> None:
    assert parse(FILE).lookup(sent) is None


def test_file_without_tokens_accepts_none() -> None:
    assert parse("# none\n") == Tokens()
    assert Tokens().lookup("") is None


def test_old_and_new_tokens_of_a_name_are_both_valid() -> None:
    new = new_token()
    both = parse(FILE + line("ann", new))
    assert (both.names, both.lookup(ANN), both.lookup(new)) == (("ann", "bob"), "ann", "ann")


def test_file_has_the_hash_and_not_the_token() -> None:
    assert ANN not in FILE
    assert "sha256:" in FILE


def test_tokens_are_unique_and_have_256_random_bits() -> None:
    created = {new_token() for _ in range(100)}
    assert len(created) == 100
    assert all(token.startswith("stt_") and len(token) == 4 + 43 for token in created)


@pytest.mark.parametrize(
    "content", [f"ann {ANN}", f"ann sha256:{'0' * 63}", "sha256:" + "0" * 64, f"a b sha256:{'0' * 64}", "ann"]
)
def test_error_for_an_invalid_line_has_its_number_and_not_its_content(content: str) -> None:
    with pytest.raises(ConfigError) as raised:
        parse(f"# one\n{content}\n")
    assert str(raised.value).startswith("line 2 must be NAME sha256:HASH")
    assert content not in str(raised.value), "a misplaced token must not be logged"


@pytest.mark.parametrize("name", ["", "two words", "a:b", "x" * 65, "ä"])
def test_token_name_is_one_word(name: str) -> None:
    with pytest.raises(ConfigError, match="Invalid token name"):
        line(name, ANN)


@given(st.text().filter(str.strip))
def test_line_of_a_token_matches_only_that_token(token: str) -> None:
    tokens = parse(line("ann", token))
    assert tokens.lookup(token) == "ann"
    assert tokens.lookup(token + "!") is None
