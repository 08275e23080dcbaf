"""Bearer tokens: creation, the lines of a token file, and lookup. Opens no file.

A line of the file is `NAME sha256:HASH`; empty lines and lines that begin with # are ignored. Several lines may have
the same name, so that a token can be replaced while the old one is still valid. A token is 256 random bits, so a fast
hash is as good as a slow one: it cannot be guessed, and checking a wrong token costs the server nothing.
"""

from __future__ import annotations

import hmac
import re
import secrets
from dataclasses import dataclass
from hashlib import sha256

from stt_service.errors import ConfigError

TOKEN_BYTES = 32
BEARER = "bearer "  # scheme of an Authorization header
PREFIX = "stt_"  # identifies a token to readers and to secret scanners
NAME = re.compile(r"[\w.@-]{1,64}", re.ASCII)
LINE = re.compile(rf"(?P<name>{NAME.pattern})\s+sha256:(?P<hash>[0-9a-f]{{64}})", re.ASCII)
# The hashes that a script writes if it hashes an unset variable, or the output of `echo` for it.
BLANK_HASHES = frozenset(sha256(blank).hexdigest() for blank in (b"", b" ", b"\n", b"\r\n", b" \n"))


@dataclass(frozen=True, slots=True)
class Tokens:
    """The valid tokens: name and hash of each."""

    entries: tuple[tuple[str, str], ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Return the distinct names."""
        return tuple(dict.fromkeys(name for name, _ in self.entries))

    def merged(self, other: Tokens) -> Tokens:
        """Return the tokens of both."""
        return Tokens(tuple(dict.fromkeys(self.entries + other.entries)))

    def lookup(self, token: str) -> str | None:
        """Return the name of the token; None if it is not valid. The time does not depend on the token."""
        if not token.strip():  # no token was sent
            return None
        sent, found = _hash(token), None
        for name, known in self.entries:
            if hmac.compare_digest(sent, known):
                found = name
        return found


def bearer_token(authorization: str) -> str:
    """Return the token of an Authorization header; an empty string, which is no valid token, if it has none."""
    is_bearer = authorization[: len(BEARER)].lower() == BEARER
    return authorization[len(BEARER) :].strip() if is_bearer else ""


def new_token() -> str:
    """Return a new random token."""
    return PREFIX + secrets.token_urlsafe(TOKEN_BYTES)


def line(name: str, token: str) -> str:
    """Return the line of the token file for a token.

    Raises:
        ConfigError: the name is invalid.
    """
    if not NAME.fullmatch(name):
        raise ConfigError(f"Invalid token name {name!r}: must be 1 to 64 letters, digits or . _ @ - without spaces.")
    return f"{name} sha256:{_hash(token)}"


def parse(text: str) -> Tokens:
    """Return the tokens of a file. Errors do not quote a line, which may contain a secret.

    Raises:
        ConfigError: a line is not valid.
    """
    entries = []
    for number, content in enumerate(text.split("\n"), 1):
        if not content.strip() or content.lstrip().startswith("#"):
            continue
        if (matched := LINE.fullmatch(content.strip())) is None:
            raise ConfigError(
                f"line {number} must be NAME sha256:HASH, with 64 hexadecimal digits: "
                "create one with `stt-server token NAME`."
            )
        if matched["hash"] in BLANK_HASHES:
            raise ConfigError(
                f"line {number} has the hash of an empty string, which is not a token: "
                "create one with `stt-server token NAME`."
            )
        entries.append((matched["name"], matched["hash"]))
    return Tokens(tuple(entries))


def _hash(token: str) -> str:
    return sha256(token.encode("utf-8", "surrogateescape")).hexdigest()
