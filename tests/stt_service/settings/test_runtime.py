"""Changes of the settings of a running server: all or none, with an error for settings that need a restart."""

from __future__ import annotations

import pytest

from stt_service.errors import FailedPreconditionError, InvalidRequestError, SttError
from stt_service.settings.runtime import ActiveSettings, InvalidSettingsError, RestartRequiredError
from stt_service.settings.schema import Scope, ServerSettings, scope

STARTED = ServerSettings.model_validate({"beam_size": 3, "initial_prompt": "gRPC", "language": "en"})


def changed(**changes: str) -> ServerSettings:
    return ActiveSettings(STARTED).with_changes(changes)


def rejection(kind: type[SttError], **changes: str) -> str:
    with pytest.raises(kind) as raised:
        changed(**changes)
    return str(raised.value)


def test_changes_are_written_as_in_the_environment() -> None:
    after = changed(BEAM_SIZE="1", ENABLE_REALTIME_TRANSCRIPTION="false", IDLE_TIMEOUT="12.5", MAX_STREAMS="7")
    assert (after.beam_size, after.enable_realtime_transcription) == (1, False)
    assert (after.idle_timeout, after.max_streams) == (12.5, 7)


def test_settings_that_are_not_named_stay_unchanged() -> None:
    before = STARTED.model_dump()
    assert {**changed(LANGUAGE="ru").model_dump(), "language": "en"} == before


def test_empty_value_restores_the_default() -> None:
    after = changed(BEAM_SIZE="", INITIAL_PROMPT="")
    assert (after.beam_size, after.initial_prompt) == (5, "")


def test_change_is_idempotent() -> None:
    once = changed(BEAM_SIZE="1")
    assert ActiveSettings(once).with_changes({"BEAM_SIZE": "1"}) == once


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"BEAM_SIZE": "11"}, "Invalid BEAM_SIZE='11': must be at most 10."),
        ({"LOG_LEVEL": "loud"}, "Invalid LOG_LEVEL='loud': must be 'debug', 'info', 'warning' or 'error'."),
        ({"BEAMS": "1"}, "Unknown setting 'BEAMS': GetConfig lists the valid names."),
        ({"LANGUAGE": "de", "IDLE_TIMEOUT": "0"}, "Invalid IDLE_TIMEOUT='0': must be at least 1."),
    ],
)
def test_one_invalid_value_rejects_all_changes(changes: dict[str, str], sentence: str) -> None:
    assert rejection(InvalidRequestError, **changes) == sentence


def test_every_invalid_value_has_a_message_of_its_own() -> None:
    with pytest.raises(InvalidSettingsError) as raised:
        changed(BEAM_SIZE="50", MAX_STREAMS="none", LANGUAGE="en")
    assert raised.value.fields == {
        "BEAM_SIZE": "Invalid BEAM_SIZE='50': must be at most 10.",
        "MAX_STREAMS": "Invalid MAX_STREAMS='none': must be 'auto' or a whole number.",
    }


def test_every_setting_that_needs_a_restart_has_a_message_of_its_own() -> None:
    with pytest.raises(RestartRequiredError) as raised:
        changed(DATA_PORT="1", DEVICE="cpu", BEAM_SIZE="1")
    assert set(raised.value.fields) == {"DATA_PORT", "DEVICE"}


@pytest.mark.parametrize("name", [name for name in ServerSettings.model_fields if scope(name) is Scope.RESTART])
def test_setting_that_is_read_at_the_start_only_is_rejected(name: str) -> None:
    message = rejection(FailedPreconditionError, **{name.upper(): "1"})
    assert message.startswith(f"{name.upper()} is read at the start only: set it in the environment and restart")


def test_error_for_a_model_name_points_to_load_model() -> None:
    assert rejection(FailedPreconditionError, WHISPER_MODEL="tiny").endswith(
        "or load a model for new streams with LoadModel."
    )
