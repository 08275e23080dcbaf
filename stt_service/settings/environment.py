"""Reads the settings once, at the start: from the environment, and from `.env` for what is not set there.

Which settings there are is told in `parameters.py`; here is only how they come in from outside.
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
LOCALE_LANGUAGE = "STT_LANGUAGE"  # for desktops, where LANGUAGE is taken
MIN_NAME_SIMILARITY = 0.8  # MAX_STREAM and MAX_STREAMS are, LOG_FORMAT and LOG_LEVEL are not


@dataclass(frozen=True, slots=True)
class LoadedSettings:
    """The settings, and a sentence for each thing that was ignored and should be known."""

    settings: ServerSettings
    warnings: tuple[str, ...]


def load(environ: Mapping[str, str], env_file: Path | None = None) -> LoadedSettings:
    """Return the settings that hold. An empty value is as good as none.

    Raises:
        InvalidSetting: naming the setting, its value and what would do.
    """
    in_file = _read(env_file, environ) if env_file is not None else {}
    _refuse_misspelt(in_file)
    usable, warnings = _without_locale(environ)
    values = {**_settings(in_file), **_settings(usable)}
    own = _own_language(usable) or _own_language(in_file)
    if own:
        values["language"], warnings = own, ()
    try:
        return LoadedSettings(ServerSettings.model_validate(values), warnings)
    except ValidationError as error:
        raise ConfigError(explain(error)) from error


def _read(env_file: Path, environ: Mapping[str, str]) -> dict[str, str]:
    """Return what the file sets, `${NAME}` and `${NAME:-default}` filled in as docker compose does.

    The environment goes before the file's earlier lines. No file is an empty file.
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


def _refuse_misspelt(in_file: Mapping[str, str]) -> None:
    """Refuse names that are nearly a setting's; others are not for us: compose files share `.env`."""
    names = SETTING_NAMES | {LOCALE_LANGUAGE}
    for name in in_file:
        if name not in names and (close := get_close_matches(name.upper(), names, n=1, cutoff=MIN_NAME_SIMILARITY)):
            raise ConfigError(f"{name} in .env is no setting: did you mean {close[0]}?")


def _without_locale(environ: Mapping[str, str]) -> tuple[Mapping[str, str], tuple[str, ...]]:
    """Return the environment without a LANGUAGE that is the desktop's, such as en_US:en, and a warning."""
    language = environ.get("LANGUAGE", "")
    if not language or is_language(language):
        return environ, ()
    warning = (
        f"LANGUAGE={language!r} in the environment is no code of Whisper's and is ignored; "
        f"{LOCALE_LANGUAGE} sets the language whatever the desktop has in LANGUAGE."
    )
    return {name: value for name, value in environ.items() if name != "LANGUAGE"}, (warning,)


def _own_language(values: Mapping[str, str]) -> str:
    language = values.get(LOCALE_LANGUAGE, "")
    if language and not is_language(language):
        raise ConfigError(
            f"Invalid {LOCALE_LANGUAGE}={language!r}: must be one of Whisper's codes, such as ru or en, or auto."
        )
    return language


def _settings(values: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in values.items() if name in SETTING_NAMES and value}
