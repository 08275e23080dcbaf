"""Credentials of the ports: certificates and tokens from the files that the settings name, and warnings about them."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from stt_service.access import tokens
from stt_service.access.file_watcher import ReloadingFile, read_file
from stt_service.access.tokens import Tokens
from stt_service.errors import ConfigError
from stt_service.settings.schema import ServerSettings

if TYPE_CHECKING:
    from stt_service.access.certificates import Pem

MAX_TOKENS_BYTES = 2**20  # ten thousand tokens


@dataclass(frozen=True, slots=True)
class PortCredentials:
    """The credentials that a port requires; None: not required."""

    pem: ReloadingFile[Pem] | None = None
    tokens: ReloadingFile[Tokens] | None = None


@dataclass(frozen=True, slots=True)
class ServerCredentials:
    """The credentials of each port, and warnings for the operator."""

    data: PortCredentials = PortCredentials()
    control: PortCredentials = PortCredentials()
    warnings: tuple[str, ...] = ()


def load_credentials(settings: ServerSettings, now: Callable[[], float] = time.time) -> ServerCredentials:
    """Read the certificates and tokens; `now` is the clock of the file system.

    Raises:
        ConfigError: a file is missing or invalid.
    """
    pem, tls_warnings = _tls(settings, now)
    data, data_warnings = _tokens("AUTH_TOKENS_FILE", settings.auth_tokens_file, now)
    control, control_warnings = _tokens("CONTROL_TOKENS_FILE", settings.control_tokens_file, now)
    _check_distinct(data, control)
    warnings = (*tls_warnings, *data_warnings, *control_warnings)
    return ServerCredentials(PortCredentials(pem, data), PortCredentials(pem, control), warnings)


def add_token(path: Path, line: str) -> None:
    """Add a line to a token file. A new file is readable by its owner only.

    Raises:
        ConfigError: the file cannot be written, or is not a token file.
    """
    content = _read_tokens_text(path) if path.exists() else ""
    try:
        tokens.parse(content)
        separator = "\n" if content and not content.endswith("\n") else ""
        with open(path, "a", encoding="utf-8", opener=partial(os.open, mode=0o600)) as file:
            file.write(f"{separator}{line}\n")
    except ConfigError as error:
        raise ConfigError(f"{path} is not a token file: {error}") from error
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror}.") from error


def _tls(settings: ServerSettings, now: Callable[[], float]) -> tuple[ReloadingFile[Pem] | None, list[str]]:
    if not settings.tls_cert:
        return None, []
    from stt_service.access import certificates

    client_ca = Path(settings.tls_client_ca) if settings.tls_client_ca else None
    files = certificates.CertificateFiles(Path(settings.tls_cert), Path(settings.tls_key), client_ca)
    pem = ReloadingFile(files.all, partial(certificates.read, files), now=now)
    return pem, certificates.warnings(files, pem.value(), datetime.now(UTC)) + _readable_by_others("TLS_KEY", files.key)


def _tokens(setting: str, path: str, now: Callable[[], float]) -> tuple[ReloadingFile[Tokens] | None, list[str]]:
    if not path:
        return None, []
    file = ReloadingFile((Path(path),), partial(_read_tokens, setting, Path(path)), Tokens.merged, now)
    if not file.value().entries:
        raise ConfigError(f"{setting}={path} contains no token: add one with `stt-server token NAME --add {path}`.")
    return file, _readable_by_others(setting, Path(path))


def _check_distinct(data: ReloadingFile[Tokens] | None, control: ReloadingFile[Tokens] | None) -> None:
    """Check that no token is valid for both ports, whatever the names of the files are.

    Raises:
        ConfigError: names the tokens that are.
    """
    if data is None or control is None:
        return
    hashes = {known for _, known in data.value().entries}
    both = [name for name, known in control.value().entries if known in hashes]
    if both:
        raise ConfigError(
            f"AUTH_TOKENS_FILE and CONTROL_TOKENS_FILE both contain the token of {', '.join(dict.fromkeys(both))}: "
            "every client could stop the server. Create a separate token for each port."
        )


def _read_tokens(setting: str, path: Path) -> Tokens:
    try:
        text = _read_tokens_text(path)
    except ConfigError as error:
        raise ConfigError(f"{setting}={error}") from error
    try:
        return tokens.parse(text)
    except ConfigError as error:
        raise ConfigError(f"Invalid {setting}={path}: {error}") from error


def _read_tokens_text(path: Path) -> str:
    try:
        content = read_file(path, MAX_TOKENS_BYTES)
        if len(content) > MAX_TOKENS_BYTES:
            raise ConfigError(f"{path} is larger than {MAX_TOKENS_BYTES} bytes: is it the right file?")
        return content.decode("utf-8")
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"Invalid {path}: must be text in UTF-8.") from error


def _readable_by_others(setting: str, path: Path) -> list[str]:
    if path.stat().st_mode & stat.S_IROTH:
        return [f"{setting}={path} can be read by every user of this machine: chmod o-r {path}"]
    return []
