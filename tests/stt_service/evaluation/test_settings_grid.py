"""Combinations of settings that an evaluation runs, and the rejected requests."""

from __future__ import annotations

import pytest

from stt_service.errors import ConfigError
from stt_service.evaluation.settings_grid import MAX_TRIALS, Trial, plan_trials
from stt_service.settings.schema import ServerSettings

DEFAULTS = ServerSettings.model_validate({})


def named(*requested: str, **settings: object) -> list[str]:
    return [trial.name for trial in plan_trials(ServerSettings.model_validate(settings), requested)]


def error_of(*requested: str) -> str:
    with pytest.raises(ConfigError) as error:
        plan_trials(DEFAULTS, requested)
    return str(error.value)


def test_default_comparison_is_the_current_settings_and_one_change_each() -> None:
    assert named() == [
        "the current settings",
        "BEAM_SIZE=1",
        "ENCODER_CONTEXT=full",
        "POST_SPEECH_SILENCE_DURATION=0.7",
    ]


def test_default_comparison_omits_values_that_are_already_set() -> None:
    assert named(beam_size=3, encoder_context="full", post_speech_silence_duration=0.7)[1:] == [
        "BEAM_SIZE=1",
        "BEAM_SIZE=5",
        "ENCODER_CONTEXT=short",
        "POST_SPEECH_SILENCE_DURATION=1.5",
    ]


def test_values_of_several_settings_are_combined() -> None:
    assert named("BEAM_SIZE=1,5", "ENCODER_CONTEXT=short,full") == [
        "BEAM_SIZE=1, ENCODER_CONTEXT=short",
        "BEAM_SIZE=1, ENCODER_CONTEXT=full",
        "BEAM_SIZE=5, ENCODER_CONTEXT=short",
        "BEAM_SIZE=5, ENCODER_CONTEXT=full",
    ]


def test_trial_changes_only_the_requested_settings() -> None:
    [trial] = plan_trials(ServerSettings.model_validate({"language": "en"}), ["BEAM_SIZE=2"])
    assert (trial.settings.beam_size, trial.settings.language) == (2, "en")


def test_setting_given_twice_has_the_distinct_values_of_both() -> None:
    assert named("BEAM_SIZE=1,5", "beam_size=5, 2") == ["BEAM_SIZE=1", "BEAM_SIZE=5", "BEAM_SIZE=2"]


@pytest.mark.parametrize("requested", ["INITIAL_PROMPT=Well, then.", "HOTWORDS=gRPC, Silero"])
def test_text_setting_is_not_split_at_commas(requested: str) -> None:
    assert named(requested) == [requested]


def test_value_is_formatted_as_in_the_environment() -> None:
    trial = Trial(DEFAULTS)
    assert [trial.value(name) for name in ("TRANSLATE", "BEAM_SIZE", "LANGUAGE")] == ["false", "5", "ru"]


def test_too_many_combinations_are_rejected() -> None:
    assert len(named("BEAM_SIZE=1,2,3,4", "REALTIME_BEAM_SIZE=1,2,3,4")) == MAX_TRIALS
    error = error_of("BEAM_SIZE=1,2,3,4", "REALTIME_BEAM_SIZE=1,2,3,4,5")
    assert error == "Too many combinations of settings: 20, must be at most 16."


@pytest.mark.parametrize(
    ("requested", "expected"),
    [
        ("BEAM_SIZE", "must be NAME=VALUE,VALUE, such as BEAM_SIZE=1,5."),
        ("BEAM_SIZE=0", "Invalid BEAM_SIZE='0': must be at least 1."),
        ("BEAMS=1", "Invalid BEAMS='1': there is no such setting."),
        ("MAX_STREAMS=1,2", "MAX_STREAMS has no effect on a recording that is replayed to one stream: leave it out."),
    ],
)
def test_invalid_request_is_rejected_with_the_reason(requested: str, expected: str) -> None:
    assert error_of(requested).endswith(expected)
