"""A short window is extended by encoder frames of known silence."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stt_service.whisper.silence_tail import (
    BUCKET_FRAMES,
    FRAMES_PER_SECOND,
    MAX_FRAMES,
    MIN_WINDOW_S,
    REFERENCE_SPEECH_S,
    EncoderFrames,
    SilenceTail,
    TailPlan,
    extended_frames,
    window_frames,
)

PROPERTY = settings(derandomize=True, deadline=None, max_examples=300)
SECOND_SAMPLES = 16_000
PLANS = st.builds(TailPlan, pad_s=st.floats(0, 5), tail_s=st.floats(0, 10))


@pytest.mark.parametrize(
    ("samples", "pad_s", "seconds"),
    [
        pytest.param(5 * SECOND_SAMPLES, 1.0, 6, id="speech and pad"),
        pytest.param(5 * SECOND_SAMPLES + 1, 1.0, 7, id="up to a whole second"),
        pytest.param(5 * SECOND_SAMPLES - 8000, 1.5, 6, id="a pad of half seconds"),
        pytest.param(0, 1.0, MIN_WINDOW_S, id="at least the shortest window"),
        pytest.param(30 * SECOND_SAMPLES, 4.0, 30, id="at most 30 s"),
    ],
)
def test_window_has_the_length_of_its_speech_and_padding(samples: int, pad_s: float, seconds: int) -> None:
    assert window_frames(samples, TailPlan(pad_s, 5)) == seconds * FRAMES_PER_SECOND


@pytest.mark.parametrize(
    ("frames", "tail_s", "extended"),
    [
        pytest.param(150, 2.0, 250, id="exactly a bucket"),
        pytest.param(200, 2.0, 500, id="up to the next bucket"),
        pytest.param(1400, 5.0, MAX_FRAMES, id="at most 30 s"),
        pytest.param(MAX_FRAMES, 5.0, MAX_FRAMES, id="a full window has no tail"),
    ],
)
def test_tail_fills_the_bucket(frames: int, tail_s: float, extended: int) -> None:
    assert extended_frames(frames, TailPlan(1, tail_s)) == extended


@PROPERTY
@given(st.integers(0, 30 * SECOND_SAMPLES), PLANS)
def test_window_contains_all_speech_and_the_tail_is_long_enough(samples: int, plan: TailPlan) -> None:
    frames = window_frames(samples, plan)
    extended = extended_frames(frames, plan)
    assert frames >= samples / SECOND_SAMPLES * FRAMES_PER_SECOND
    assert extended >= min(MAX_FRAMES, frames + plan.tail_s * FRAMES_PER_SECOND)
    assert extended <= MAX_FRAMES
    assert extended % BUCKET_FRAMES == 0


@PROPERTY
@given(st.integers(0, 30 * SECOND_SAMPLES), PLANS)
def test_frames_of_the_reference_speech_are_never_used(samples: int, plan: TailPlan) -> None:
    assert window_frames(samples, plan) > REFERENCE_SPEECH_S * FRAMES_PER_SECOND


def test_tail_is_the_silence_of_the_same_positions() -> None:
    silence: EncoderFrames = np.arange(MAX_FRAMES, dtype=np.float32).reshape(-1, 1)
    encoded: EncoderFrames = np.full((150, 1), -1, np.float32)
    frames = SilenceTail(silence).extend(encoded, 250)
    assert frames[:150].tolist() == encoded.tolist()
    assert frames[150:].tolist() == silence[150:250].tolist()


def test_full_window_is_not_extended() -> None:
    silence, encoded = np.zeros((MAX_FRAMES, 2), np.float32), np.ones((MAX_FRAMES, 2), np.float32)
    assert np.array_equal(SilenceTail(silence).extend(encoded, MAX_FRAMES), encoded)
