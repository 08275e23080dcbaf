"""Loads the settings at the start: from the environment, and from `.env` for those that are not set there.

The settings themselves are declared in schema.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from dotenv import dotenv_values
from dotenv.variables import parse_variables
from pydantic import ValidationError

from stt_service.errors import ConfigError
from stt_service.settings.schema import ServerSettings, explain, is_language

SETTING_NAMES = frozenset(name.upper() for name in ServerSettings.model_fields)
ALIASES = {"METRICS_PORT": "HTTP_PORT"}  # former names; the present one has priority
LOCALE_LANGUAGE = "STT_LANGUAGE"  # for desktops, which use LANGUAGE themselves
MIN_NAME_SIMILARITY = 0.8  # MAX_STREAM and MAX_STREAMS are similar, LOG_FORMAT and LOG_LEVEL are not


@dataclass(frozen=True, slots=True)
class LoadedSettings:
    """The settings, and a warning for each value that was ignored."""

    settings: ServerSettings
    warnings: tuple[str, ...]


def load(environ: Mapping[str, str], env_file: Path | None = None) -> LoadedSettings:
    """Return the settings in force. An empty value counts as unset.

    Raises:
        ConfigError: a value is invalid; the message has the setting, its value and the valid values.
    """
    in_file = _read(env_file, environ) if env_file is not None else {}
    _reject_misspelled(in_file)
    usable, warnings = _without_locale(environ)
    values = {**_settings(in_file), **_settings(usable)}
    language = _stt_language(usable) or _stt_language(in_file)
    if language:
        values["language"], warnings = language, ()
    try:
        return LoadedSettings(ServerSettings.model_validate(values), warnings)
    except ValidationError as error:
        raise ConfigError(explain(error)) from error


def _read(env_file: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of the file, with `${NAME}` and `${NAME:-default}` expanded as docker compose does.

    The environment has priority over the file's earlier lines. A missing file counts as empty.
    """
    try:
        lines = dotenv_values(env_file, interpolate=False, encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{env_file} cannot be read: {error}.") from error
    values: dict[str, str] = {}
    for name, value in lines.items():
        known = {**values, **environ}
        values[name] = "".join(part.resolve(known) for part in parse_variables(value or ""))
    return values


def _reject_misspelled(in_file: Mapping[str, str]) -> None:
    """Reject names that resemble a setting; ignore other names, since `.env` is shared with compose files."""
    names = SETTING_NAMES | {LOCALE_LANGUAGE, *ALIASES}
    for name in in_file:
        if name not in names and (close := get_close_matches(name.upper(), names, n=1, cutoff=MIN_NAME_SIMILARITY)):
            raise ConfigError(f"Unknown setting {name} in .env: did you mean {close[0]}?")


def _without_locale(environ: Mapping[str, str]) -> tuple[Mapping[str, str], tuple[str, ...]]:
    """Return the environment without a desktop's LANGUAGE, such as en_US:en, and a warning if it had one."""
    language = environ.get("LANGUAGE", "")
    if not language or is_language(language):
        return environ, ()
    warning = (
        f"Ignored LANGUAGE={language!r} in the environment: it is not a Whisper language code; "
        f"set {LOCALE_LANGUAGE} instead, which has priority over LANGUAGE."
    )
    return {name: value for name, value in environ.items() if name != "LANGUAGE"}, (warning,)


def _stt_language(values: Mapping[str, str]) -> str:
    language = values.get(LOCALE_LANGUAGE, "")
    if language and not is_language(language):
        raise ConfigError(
            f"Invalid {LOCALE_LANGUAGE}={language!r}: must be a Whisper language code, such as ru or en, or auto."
        )
    return language


def _settings(values: Mapping[str, str]) -> dict[str, str]:
    values = {ALIASES[name]: value for name, value in values.items() if name in ALIASES and value} | dict(values)
    return {name.lower(): value for name, value in values.items() if name in SETTING_NAMES and value}
