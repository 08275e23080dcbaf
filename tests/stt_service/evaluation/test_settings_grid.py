"""Which settings are tried beside each other, and what is refused."""

from __future__ import annotations

import pytest

from stt_service.errors import ConfigError
from stt_service.evaluation.settings_grid import MAX_TRIALS, Trial, plan_trials
from stt_service.settings.schema import ServerSettings

DEFAULTS = ServerSettings.model_validate({})


def named(*asked: str, **settings: object) -> list[str]:
    return [trial.name for trial in plan_trials(ServerSettings.model_validate(settings), asked)]


def refusal(*asked: str) -> str:
    with pytest.raises(ConfigError) as refused:
        plan_trials(DEFAULTS, asked)
    return str(refused.value)


def test_nothing_asked_for_compares_the_settings_as_they_are_with_what_costs_most() -> None:
    assert named() == [
        "the settings as they are",
        "BEAM_SIZE=1",
        "ENCODER_CONTEXT=full",
        "POST_SPEECH_SILENCE_DURATION=0.7",
    ]


def test_what_is_set_already_is_not_tried_again() -> None:
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


def test_a_trial_has_its_values_and_keeps_the_other_settings() -> None:
    [trial] = plan_trials(ServerSettings.model_validate({"language": "en"}), ["BEAM_SIZE=2"])
    assert (trial.settings.beam_size, trial.settings.language) == (2, "en")


def test_a_setting_given_twice_has_the_values_of_both_each_once() -> None:
    assert named("BEAM_SIZE=1,5", "beam_size=5, 2") == ["BEAM_SIZE=1", "BEAM_SIZE=5", "BEAM_SIZE=2"]


@pytest.mark.parametrize("asked", ["INITIAL_PROMPT=Well, then.", "HOTWORDS=gRPC, Silero"])
def test_a_text_keeps_its_commas(asked: str) -> None:
    assert named(asked) == [asked]


def test_a_value_is_told_as_it_would_be_written() -> None:
    trial = Trial(DEFAULTS)
    assert [trial.value(name) for name in ("TRANSLATE", "BEAM_SIZE", "LANGUAGE")] == ["false", "5", "ru"]


def test_too_many_combinations_are_refused() -> None:
    assert len(named("BEAM_SIZE=1,2,3,4", "REALTIME_BEAM_SIZE=1,2,3,4")) == MAX_TRIALS
    refused = refusal("BEAM_SIZE=1,2,3,4", "REALTIME_BEAM_SIZE=1,2,3,4,5")
    assert refused == "20 combinations of settings are too many: at most 16 are tried at once."


@pytest.mark.parametrize(
    ("asked", "wanted"),
    [
        ("BEAM_SIZE", "must be NAME=VALUE,VALUE, such as BEAM_SIZE=1,5."),
        ("BEAM_SIZE=0", "Invalid BEAM_SIZE='0': must be at least 1."),
        ("BEAMS=1", "Invalid BEAMS='1': there is no such setting."),
        ("MAX_STREAMS=1,2", "MAX_STREAMS has no effect on a recording that is played to one stream: leave it out."),
    ],
)
def test_what_cannot_be_tried_is_refused_with_a_sentence(asked: str, wanted: str) -> None:
    assert refusal(asked).endswith(wanted)
