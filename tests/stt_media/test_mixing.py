"""Speech on any channel stays audible: no channel is cancelled or divided by the number of silent channels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from stt_media.mixing import Mixer

RATE_HZ = 16_000
STEREO = ("FL", "FR")
SURROUND = ("FL", "FR", "FC", "LFE", "BL", "BR")


def speech(level: float = 0.3, seed: int = 1, seconds: float = 1) -> NDArray[np.float32]:
    noise = np.random.default_rng(seed).normal(0, level, round(seconds * RATE_HZ))
    return np.clip(noise, -1, 1).astype(np.float32)


def mixed(*channels: NDArray[np.float32], names: Sequence[str] = STEREO) -> tuple[NDArray[np.float32], Mixer]:
    mixer = Mixer(names, RATE_HZ)
    return np.concatenate([*mixer.push(np.stack(channels)), *mixer.flush()]), mixer


def level(samples: NDArray[np.float32]) -> float:
    return float(np.sqrt(np.mean(np.square(samples))))


def test_mix_of_equal_channels_equals_each_channel() -> None:
    voice = speech()
    mix, mixer = mixed(voice, voice)
    assert mix == pytest.approx(voice, abs=1e-6)
    assert mixer.fallback_channel is None


def test_channels_of_opposite_phase_are_audible() -> None:
    voice = speech()
    mix, mixer = mixed(voice, -voice)
    assert mix == pytest.approx(voice, abs=1e-6)
    assert mixer.fallback_channel == 0


def test_channels_that_nearly_cancel_are_audible() -> None:
    voice = speech()
    mix, _ = mixed(voice, -0.9 * voice)
    assert level(mix) == pytest.approx(level(voice), rel=0.1)


def test_mix_that_starts_to_cancel_stays_audible() -> None:
    voice, later = speech(), speech(seed=2, seconds=20)
    mix, _ = mixed(np.concatenate((voice, later)), np.concatenate((voice, -later)))
    assert level(mix[-5 * RATE_HZ :]) == pytest.approx(level(later), rel=0.1)


def test_speaker_on_one_of_two_channels_keeps_its_level() -> None:
    voice = speech(0.1)
    mix, mixer = mixed(np.zeros_like(voice), voice)
    assert level(mix) == pytest.approx(level(voice), rel=0.01)
    assert mixer.fallback_channel is None


def test_speakers_on_separate_channels_are_both_audible() -> None:
    first, second, silent = speech(0.1, 1, 3), speech(0.1, 2, 3), np.zeros(3 * RATE_HZ, np.float32)
    mix, _ = mixed(np.concatenate((first, silent)), np.concatenate((silent, second)))
    assert level(mix[: 3 * RATE_HZ]) == pytest.approx(level(first), rel=0.1)
    assert level(mix[-RATE_HZ:]) > 0.5 * level(second)


def test_quiet_center_channel_is_audible() -> None:
    voice, silent = speech(0.01), np.zeros(RATE_HZ, np.float32)
    mix, _ = mixed(silent, silent, voice, silent, silent, silent, names=SURROUND)
    assert level(mix) == pytest.approx(level(voice), rel=0.01)


def test_center_channel_outweighs_the_music_around_it() -> None:
    voice, music = speech(0.1), [speech(0.1, seed) for seed in range(2, 7)]
    mixer = Mixer(SURROUND, RATE_HZ)
    mix = np.concatenate([*mixer.push(np.stack([*music[:2], voice, *music[2:]])), *mixer.flush()])
    share = [float(np.dot(mix, channel)) for channel in (voice, *music)]
    assert share[0] > 1.5 * max(share[1:])


@pytest.mark.parametrize("count", [20, 40])
def test_speaker_among_many_silent_channels_is_audible(count: int) -> None:
    channels = [np.zeros(RATE_HZ, np.float32) for _ in range(count - 1)]
    voice = speech(0.1)
    mix, _ = mixed(*channels, voice, names=["NONE"] * count)
    assert level(mix) == pytest.approx(level(voice), rel=0.01)


def test_silence_stays_silence() -> None:
    mix, _ = mixed(np.zeros(RATE_HZ, np.float32), np.zeros(RATE_HZ, np.float32))
    assert not mix.any()


@settings(max_examples=50)
@given(st.integers(2, 8), st.lists(st.integers(1, 5000), min_size=1, max_size=20), st.integers(0, 2**32 - 1))
def test_mix_is_independent_of_chunks_and_within_full_scale(count: int, sizes: list[int], seed: int) -> None:
    samples = np.random.default_rng(seed).uniform(-1, 1, (count, sum(sizes))).astype(np.float32)
    single, chunked = Mixer(["NONE"] * count, RATE_HZ), Mixer(["NONE"] * count, RATE_HZ)
    once = np.concatenate([*single.push(samples), *single.flush()])
    parts = np.split(samples, np.cumsum(sizes)[:-1], axis=1)
    often = np.concatenate([*(mono for part in parts for mono in chunked.push(part)), *chunked.flush()])
    assert len(once) == sum(sizes)
    assert np.array_equal(once, often)
    assert np.abs(once).max() <= 1
