"""The thresholds and durations of the segmenter for given settings."""

from __future__ import annotations

import pytest

from stt_service.settings.schema import RuntimeSettings, ServerSettings
from stt_service.vad.types import SegmenterConfig, segmenter_config


def configured(**changes: float) -> SegmenterConfig:
    settings = ServerSettings.model_validate(changes)
    return segmenter_config(settings.runtime(), settings)


def test_default_config_corresponds_to_the_default_settings() -> None:
    assert configured() == SegmenterConfig()


def test_settings_in_seconds_are_converted_to_frames() -> None:
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


def test_settings_of_the_stream_have_priority() -> None:
    runtime = RuntimeSettings.model_validate({"post_speech_silence_duration": 0.32})
    assert segmenter_config(runtime, ServerSettings.model_validate({})).hangover_frames == 10


def test_final_has_padding_without_speculative_decodes() -> None:
    assert configured(early_transcription_on_silence=0).speech_pad_frames == 6


@pytest.mark.parametrize(
    ("sensitivity", "thresholds"),
    [
        pytest.param(0.05, (0.95, 0.35, 0.1), id="as strict as the default"),
        pytest.param(0.6, (0.4, 0.25, 0.1), id="the offset is below the onset"),
        pytest.param(0.8, (0.2, 0.05, 0.05), id="the residual threshold is at most the offset"),
        pytest.param(1.0, (0.0, 0.01, 0.01), id="the minimum"),
    ],
)
def test_sensitivity_sets_the_thresholds(sensitivity: float, thresholds: tuple[float, ...]) -> None:
    config = configured(silero_sensitivity=sensitivity)
    assert (config.onset_threshold, config.offset_threshold, config.residual_threshold) == pytest.approx(thresholds)
