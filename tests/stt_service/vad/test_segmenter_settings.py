"""What the settings make of the segmenter's thresholds and durations."""

from __future__ import annotations

import pytest

from stt_service.settings.schema import RuntimeSettings, ServerSettings
from stt_service.vad.types import SegmenterConfig, segmenter_config


def configured(**changes: float) -> SegmenterConfig:
    parameters = ServerSettings.model_validate(changes)
    return segmenter_config(parameters.runtime(), parameters)


def test_the_defaults_are_the_default_settings() -> None:
    assert configured() == SegmenterConfig()


def test_settings_in_seconds_become_frames() -> None:
    config = configured(
        post_speech_silence_duration=0.64,
        min_length_of_recording=3.2,
        max_length_of_recording=16,
        pre_recording_buffer_duration=0.32,
        min_gap_between_recordings=0.96,
        early_transcription_on_silence=0.48,
    )
    lengths = (config.hangover_frames, config.min_length_frames, config.max_length_frames)
    assert (*lengths, config.pre_roll_frames, config.min_gap_frames, config.speech_pad_frames) == (
        20,
        100,
        500,
        10,
        30,
        15,
    )


def test_the_stream_s_settings_go_before_the_server_s() -> None:
    live = RuntimeSettings.model_validate({"post_speech_silence_duration": 0.32})
    assert segmenter_config(live, ServerSettings.model_validate({})).hangover_frames == 10


def test_a_final_has_a_trail_although_nothing_is_decoded_early() -> None:
    assert configured(early_transcription_on_silence=0).speech_pad_frames == 6


@pytest.mark.parametrize(
    ("sensitivity", "thresholds"),
    [
        pytest.param(0.05, (0.95, 0.35, 0.1), id="as strict as the default"),
        pytest.param(0.6, (0.4, 0.25, 0.1), id="it ends below where it began"),
        pytest.param(0.8, (0.2, 0.05, 0.05), id="a trace is never more than speech"),
        pytest.param(1.0, (0.0, 0.01, 0.01), id="the floor"),
    ],
)
def test_sensitivity_sets_the_thresholds(sensitivity: float, thresholds: tuple[float, ...]) -> None:
    config = configured(silero_sensitivity=sensitivity)
    assert (config.onset_threshold, config.offset_threshold, config.residual_threshold) == pytest.approx(thresholds)
