"""Bearer tokens: how one is made, what a file keeps of it, and whose a token is that was shown. Opens no file.

A line of the file is `NAME sha256:HASH`; empty lines and those that begin with # say nothing. Two lines may have one
name, so that a token can be replaced while the old one still holds. A token is 256 random bits, so a fast hash is as
good as a slow one: there is nothing to guess, and a wrong token costs the server nothing.
"""

from __future__ import annotations

import hmac
import re
import secrets
from dataclasses import dataclass
from hashlib import sha256

from stt_service.errors import ConfigError

TOKEN_BYTES = 32
MARK = "stt_"  # so that people, and programs that look for secrets in the wrong places, know one when they see it
NAME = re.compile(r"[\w.@-]{1,64}", re.ASCII)
LINE = re.compile(rf"(?P<name>{NAME.pattern})\s+sha256:(?P<hash>[0-9a-f]{{64}})", re.ASCII)
# What a script writes that hashes a variable which is not set, or `echo` of it.
BLANK_HASHES = frozenset(sha256(blank).hexdigest() for blank in (b"", b" ", b"\n", b"\r\n", b" \n"))


@dataclass(frozen=True, slots=True)
class Tokens:
    """The tokens that hold: each one's name and hash."""

    entries: tuple[tuple[str, str], ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Return whose they are, each once."""
        return tuple(dict.fromkeys(name for name, _ in self.entries))

    def merged(self, other: Tokens) -> Tokens:
        """Return the tokens that hold here or there."""
        return Tokens(tuple(dict.fromkeys(self.entries + other.entries)))

    def lookup(self, token: str) -> str | None:
        """Return whose token it is; None: nobody's. All are compared, so that time tells nothing."""
        if not token.strip():  # none was shown
            return None
        shown, holder = _hash(token), None
        for name, known in self.entries:
            if hmac.compare_digest(shown, known):
                holder = name
        return holder


def new_token() -> str:
    """Return a token that nobody has."""
    return MARK + secrets.token_urlsafe(TOKEN_BYTES)


def line(name: str, token: str) -> str:
    """Return what the file keeps of a token.

    Raises:
        InvalidSetting: the name would not stand in one word.
    """
    if not NAME.fullmatch(name):
        raise ConfigError(f"{name!r} cannot name a token: use up to 64 letters, digits and . _ @ - without spaces.")
    return f"{name} sha256:{_hash(token)}"


def parse(text: str) -> Tokens:
    """Return the tokens of a file. What a line says is not repeated: it may be a secret in the wrong place.

    Raises:
        InvalidSetting: a line is none of a token.
    """
    entries = []
    for number, said in enumerate(text.split("\n"), 1):
        if not said.strip() or said.lstrip().startswith("#"):
            continue
        if (matched := LINE.fullmatch(said.strip())) is None:
            raise ConfigError(
                f"line {number} should be NAME sha256:HASH, with 64 hexadecimal digits: "
                "`stt-server token NAME` makes one."
            )
        if matched["hash"] in BLANK_HASHES:
            raise ConfigError(
                f"line {number} has the hash of an empty text, which every call without a token shows: "
                "`stt-server token NAME` makes a token."
            )
        entries.append((matched["name"], matched["hash"]))
    return Tokens(tuple(entries))


def _hash(token: str) -> str:
    return sha256(token.encode("utf-8", "surrogateescape")).hexdigest()
