"""Tokens: what is made, what the file keeps of it, and who is known by one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stt_service.access.tokens import Tokens, line, new_token, parse
from stt_service.errors import ConfigError

ANN, BOB = new_token(), new_token()
FILE = f"# who dictates\n\n{line('ann', ANN)}\n   {line('bob', BOB)}  \n"


def test_a_token_is_known_by_its_holders_name() -> None:
    tokens = parse(FILE)
    assert tokens.names == ("ann", "bob")
    assert (tokens.lookup(ANN), tokens.lookup(BOB)) == ("ann", "bob")


@pytest.mark.parametrize(
    "shown", ["", "stt_", ANN[:-1], ANN + "x", ANN.swapcase(), "\udcff", line("ann", ANN).split(":")[1]]
)
def test_anything_else_is_nobodys(shown: str) -> None:
    assert parse(FILE).lookup(shown) is None


def test_nobody_is_known_where_there_are_no_tokens() -> None:
    assert parse("# none\n") == Tokens()
    assert Tokens().lookup("") is None


def test_the_old_token_holds_beside_the_new_one_until_its_line_goes() -> None:
    new = new_token()
    both = parse(FILE + line("ann", new))
    assert (both.names, both.lookup(ANN), both.lookup(new)) == (("ann", "bob"), "ann", "ann")


def test_the_file_does_not_have_the_token() -> None:
    assert ANN not in FILE
    assert "sha256:" in FILE


def test_no_two_tokens_are_alike_and_each_has_256_random_bits() -> None:
    made = {new_token() for _ in range(100)}
    assert len(made) == 100
    assert all(token.startswith("stt_") and len(token) == 4 + 43 for token in made)


@pytest.mark.parametrize(
    "said", [f"ann {ANN}", f"ann sha256:{'0' * 63}", "sha256:" + "0" * 64, f"a b sha256:{'0' * 64}", "ann"]
)
def test_a_line_that_is_none_of_a_token_is_told_by_its_number_alone(said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        parse(f"# one\n{said}\n")
    assert str(refused.value).startswith("line 2 should be NAME sha256:HASH")
    assert said not in str(refused.value), "or a token in the wrong place would come into the log"


@pytest.mark.parametrize("name", ["", "two words", "a:b", "x" * 65, "ä"])
def test_a_name_is_one_word(name: str) -> None:
    with pytest.raises(ConfigError, match="cannot name a token"):
        line(name, ANN)


@given(st.text().filter(str.strip))
def test_whatever_the_token_its_line_knows_it_and_no_other(token: str) -> None:
    tokens = parse(line("ann", token))
    assert tokens.lookup(token) == "ann"
    assert tokens.lookup(token + "!") is None
