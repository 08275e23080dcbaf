"""The settings in force: those of the start, and what was changed since."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import ValidationError

from stt_service.errors import FailedPreconditionError, InvalidRequestError
from stt_service.settings.schema import Scope, ServerSettings, explain, scope

# A model is no value to be written down: it has to be loaded first.
ALTERNATIVES = {"whisper_model": "or load a model for new streams with LoadModel", "realtime_model": "or use LoadModel"}


class ActiveSettings:
    """Whoever opens a stream takes `parameters` as they are then, and keeps them."""

    def __init__(self, parameters: ServerSettings) -> None:
        self.settings = parameters

    def with_changes(self, changes: Mapping[str, str]) -> ServerSettings:
        """Return the settings with the changes, which are written as in the environment. An empty value is the default.

        Raises:
            InvalidRequest: a name or a value will not do.
            Untimely: a setting is read at the start only.
        """
        named = {name.lower(): value for name, value in changes.items()}
        for name in named:
            _check_scope(name)
        kept = {**self.settings.model_dump(), **named}
        try:
            return ServerSettings.model_validate({name: value for name, value in kept.items() if named.get(name) != ""})
        except ValidationError as error:
            raise InvalidRequestError(explain(error)) from error


def _check_scope(name: str) -> None:
    if name not in ServerSettings.model_fields:
        raise InvalidRequestError(f"{name[:64].upper()!r} is no setting: GetConfig lists those there are.")
    if scope(name) is Scope.RESTART:
        instead = f", {ALTERNATIVES[name]}" if name in ALTERNATIVES else ""
        raise FailedPreconditionError(
            f"{name.upper()} is read at the start only: set it in the environment and restart{instead}."
        )
