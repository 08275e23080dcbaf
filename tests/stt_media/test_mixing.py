"""Speech on any channel is heard: none is cancelled, none is divided by the number of silent ones."""

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


def test_equal_channels_stay_as_they_are() -> None:
    said = speech()
    mix, mixer = mixed(said, said)
    assert mix == pytest.approx(said, abs=1e-6)
    assert mixer.fallback_channel is None


def test_channels_of_opposite_phase_are_heard() -> None:
    said = speech()
    mix, mixer = mixed(said, -said)
    assert mix == pytest.approx(said, abs=1e-6)
    assert mixer.fallback_channel == 0


def test_channels_that_nearly_cancel_are_heard() -> None:
    said = speech()
    mix, _ = mixed(said, -0.9 * said)
    assert level(mix) == pytest.approx(level(said), rel=0.1)


def test_a_mix_that_cancels_from_some_point_on_is_heard() -> None:
    said, later = speech(), speech(seed=2, seconds=20)
    mix, _ = mixed(np.concatenate((said, later)), np.concatenate((said, -later)))
    assert level(mix[-5 * RATE_HZ :]) == pytest.approx(level(later), rel=0.1)


def test_one_speaker_on_one_of_two_channels_is_as_loud_as_alone() -> None:
    said = speech(0.1)
    mix, mixer = mixed(np.zeros_like(said), said)
    assert level(mix) == pytest.approx(level(said), rel=0.01)
    assert mixer.fallback_channel is None


def test_speakers_on_channels_of_their_own_are_both_heard() -> None:
    first, second, silent = speech(0.1, 1, 3), speech(0.1, 2, 3), np.zeros(3 * RATE_HZ, np.float32)
    mix, _ = mixed(np.concatenate((first, silent)), np.concatenate((silent, second)))
    assert level(mix[: 3 * RATE_HZ]) == pytest.approx(level(first), rel=0.1)
    assert level(mix[-RATE_HZ:]) > 0.5 * level(second)


def test_a_quiet_centre_is_heard() -> None:
    said, silent = speech(0.01), np.zeros(RATE_HZ, np.float32)
    mix, _ = mixed(silent, silent, said, silent, silent, silent, names=SURROUND)
    assert level(mix) == pytest.approx(level(said), rel=0.01)


def test_the_centre_counts_more_than_the_music_around_it() -> None:
    said, music = speech(0.1), [speech(0.1, seed) for seed in range(2, 7)]
    mixer = Mixer(SURROUND, RATE_HZ)
    mix = np.concatenate([*mixer.push(np.stack([*music[:2], said, *music[2:]])), *mixer.flush()])
    share = [float(np.dot(mix, channel)) for channel in (said, *music)]
    assert share[0] > 1.5 * max(share[1:])


@pytest.mark.parametrize("count", [20, 40])
def test_one_speaker_among_many_silent_channels_is_heard(count: int) -> None:
    channels = [np.zeros(RATE_HZ, np.float32) for _ in range(count - 1)]
    said = speech(0.1)
    mix, _ = mixed(*channels, said, names=["NONE"] * count)
    assert level(mix) == pytest.approx(level(said), rel=0.01)


def test_silence_stays_silence() -> None:
    mix, _ = mixed(np.zeros(RATE_HZ, np.float32), np.zeros(RATE_HZ, np.float32))
    assert not mix.any()


@settings(max_examples=50)
@given(st.integers(2, 8), st.lists(st.integers(1, 5000), min_size=1, max_size=20), st.integers(0, 2**32 - 1))
def test_the_mix_does_not_depend_on_chunks_and_never_clips_over(count: int, sizes: list[int], seed: int) -> None:
    samples = np.random.default_rng(seed).uniform(-1, 1, (count, sum(sizes))).astype(np.float32)
    whole, pieces = Mixer(["NONE"] * count, RATE_HZ), Mixer(["NONE"] * count, RATE_HZ)
    once = np.concatenate([*whole.push(samples), *whole.flush()])
    parts = np.split(samples, np.cumsum(sizes)[:-1], axis=1)
    often = np.concatenate([*(mono for part in parts for mono in pieces.push(part)), *pieces.flush()])
    assert len(once) == sum(sizes)
    assert np.array_equal(once, often)
    assert np.abs(once).max() <= 1
