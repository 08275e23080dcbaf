"""The settings in force: those of the start, with the changes made at run time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pydantic import ValidationError

from stt_service.errors import FailedPreconditionError, InvalidRequestError
from stt_service.settings.schema import Scope, ServerSettings, explain_each, scope

# A model cannot be changed by a setting at run time: it has to be loaded first.
ALTERNATIVES = {"whisper_model": "or load a model for new streams with LoadModel", "realtime_model": "or use LoadModel"}


class InvalidSettingsError(InvalidRequestError):
    """Some of the changes are invalid. `fields` has a message for each, by the name of its setting."""

    def __init__(self, fields: Mapping[str, str]) -> None:
        super().__init__(next(iter(fields.values())))
        self.fields = fields


class RestartRequiredError(FailedPreconditionError):
    """Some of the settings are read at the start only. `fields` has a message for each, by its name."""

    def __init__(self, fields: Mapping[str, str]) -> None:
        super().__init__(next(iter(fields.values())))
        self.fields = fields


class ActiveSettings:
    """Holds the current settings. A stream keeps the settings with which it was opened."""

    def __init__(self, settings: ServerSettings) -> None:
        self.settings = settings

    def with_changes(self, changes: Mapping[str, str]) -> ServerSettings:
        """Return the settings with the changes, written as in the environment. An empty value restores the default.

        Raises:
            InvalidSettingsError: names are unknown or values are invalid.
            RestartRequiredError: settings are read at the start only.
        """
        named = {name.lower(): value for name, value in changes.items()}
        _check_names(named)
        merged = {**self.settings.model_dump(), **named}
        try:
            return ServerSettings.model_validate(
                {name: value for name, value in merged.items() if named.get(name) != ""}
            )
        except ValidationError as error:
            raise InvalidSettingsError(explain_each(error)) from error


def _check_names(names: Iterable[str]) -> None:
    shown = {name: name[:64].upper() for name in names}
    unknown = [shown[name] for name in shown if name not in ServerSettings.model_fields]
    if unknown:
        raise InvalidSettingsError(
            {name: f"Unknown setting {name!r}: GetConfig lists the valid names." for name in unknown}
        )
    fixed = [name for name in shown if scope(name) is Scope.RESTART]
    if fixed:
        raise RestartRequiredError({shown[name]: _restart_message(name) for name in fixed})


def _restart_message(name: str) -> str:
    instead = f", {ALTERNATIVES[name]}" if name in ALTERNATIVES else ""
    return f"{name.upper()} is read at the start only: set it in the environment and restart{instead}."
