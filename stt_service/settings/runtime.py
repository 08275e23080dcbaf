"""The settings in force: those of the start, with the changes made at run time."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import ValidationError

from stt_service.errors import FailedPreconditionError, InvalidRequestError
from stt_service.settings.schema import Scope, ServerSettings, explain, scope

# A model cannot be changed by a setting at run time: it has to be loaded first.
ALTERNATIVES = {"whisper_model": "or load a model for new streams with LoadModel", "realtime_model": "or use LoadModel"}


class ActiveSettings:
    """Holds the current settings. A stream keeps the settings with which it was opened."""

    def __init__(self, settings: ServerSettings) -> None:
        self.settings = settings

    def with_changes(self, changes: Mapping[str, str]) -> ServerSettings:
        """Return the settings with the changes, written as in the environment. An empty value restores the default.

        Raises:
            InvalidRequestError: a name is unknown or a value is invalid.
            FailedPreconditionError: a setting is read at the start only.
        """
        named = {name.lower(): value for name, value in changes.items()}
        for name in named:
            _check_scope(name)
        merged = {**self.settings.model_dump(), **named}
        try:
            return ServerSettings.model_validate(
                {name: value for name, value in merged.items() if named.get(name) != ""}
            )
        except ValidationError as error:
            raise InvalidRequestError(explain(error)) from error


def _check_scope(name: str) -> None:
    if name not in ServerSettings.model_fields:
        raise InvalidRequestError(f"Unknown setting {name[:64].upper()!r}: GetConfig lists the valid names.")
    if scope(name) is Scope.RESTART:
        instead = f", {ALTERNATIVES[name]}" if name in ALTERNATIVES else ""
        raise FailedPreconditionError(
            f"{name.upper()} is read at the start only: set it in the environment and restart{instead}."
        )
