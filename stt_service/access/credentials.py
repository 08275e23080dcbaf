"""Who may use a port: certificates and tokens, read from where the settings say; and what should be known of it."""

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

MAX_TOKENS_BYTES = 2**20  # ten thousand of them


@dataclass(frozen=True, slots=True)
class PortCredentials:
    """What a port asks of who comes; None: nothing."""

    pem: ReloadingFile[Pem] | None = None
    tokens: ReloadingFile[Tokens] | None = None


@dataclass(frozen=True, slots=True)
class ServerCredentials:
    """Each port's, and a sentence for each thing that should be mended."""

    data: PortCredentials = PortCredentials()
    control: PortCredentials = PortCredentials()
    warnings: tuple[str, ...] = ()


def accesses(parameters: ServerSettings, now: Callable[[], float] = time.time) -> ServerCredentials:
    """Read the certificates and tokens; `now` is the clock of the file system.

    Raises:
        InvalidSetting: a file is missing, or does not hold what it should.
    """
    pem, told = _tls(parameters, now)
    data, of_data = _tokens("AUTH_TOKENS_FILE", parameters.auth_tokens_file, now)
    control, of_control = _tokens("CONTROL_TOKENS_FILE", parameters.control_tokens_file, now)
    _check_apart(data, control)
    return ServerCredentials(PortCredentials(pem, data), PortCredentials(pem, control), (*told, *of_data, *of_control))


def add_token(path: Path, line: str) -> None:
    """Add a line to a file of tokens that its owner alone reads; it is made if there is none.

    Raises:
        InvalidSetting: it cannot be written, or is no file of tokens.
    """
    content = _read_tokens_text(path) if path.exists() else ""
    try:
        tokens.parse(content)
        begin = "\n" if content and not content.endswith("\n") else ""
        with open(path, "a", encoding="utf-8", opener=partial(os.open, mode=0o600)) as file:
            file.write(f"{begin}{line}\n")
    except ConfigError as error:
        raise ConfigError(f"{path} is no file of tokens: {error}") from error
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror}.") from error


def _tls(parameters: ServerSettings, now: Callable[[], float]) -> tuple[ReloadingFile[Pem] | None, list[str]]:
    if not parameters.tls_cert:
        return None, []
    from stt_service.access import certificates

    authorities = Path(parameters.tls_client_ca) if parameters.tls_client_ca else None
    files = certificates.Files(Path(parameters.tls_cert), Path(parameters.tls_key), authorities)
    pem = ReloadingFile(files.all, partial(certificates.read, files), now=now)
    return pem, certificates.warnings(files, pem.value(), datetime.now(UTC)) + _readable_by_others("TLS_KEY", files.key)


def _tokens(setting: str, path: str, now: Callable[[], float]) -> tuple[ReloadingFile[Tokens] | None, list[str]]:
    if not path:
        return None, []
    watched = ReloadingFile((Path(path),), partial(_read_tokens, setting, Path(path)), Tokens.merged, now)
    if not watched.value().entries:
        raise ConfigError(f"{setting}={path} holds no token: `stt-server token NAME --add {path}` makes one.")
    return watched, _readable_by_others(setting, Path(path))


def _check_apart(data: ReloadingFile[Tokens] | None, control: ReloadingFile[Tokens] | None) -> None:
    """Check that no token opens both ports, whatever the files are called.

    Raises:
        InvalidSetting: with the names of the tokens.
    """
    if data is None or control is None:
        return
    both = [name for name, known in control.value().entries if known in {other for _, other in data.value().entries}]
    if both:
        raise ConfigError(
            f"AUTH_TOKENS_FILE and CONTROL_TOKENS_FILE both hold the token of {', '.join(dict.fromkeys(both))}: "
            "every client could stop the server. Make a separate token for each port."
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
