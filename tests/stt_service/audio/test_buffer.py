"""A stream's sound is kept until it is settled; frame n holds the number n."""

from __future__ import annotations

import numpy as np
import pytest

from stt_service.audio.buffer import AudioBuffer
from stt_service.audio.pcm import FRAME_SAMPLES, Frames


def frames(start: int, end: int) -> Frames:
    return np.repeat(np.arange(start, end, dtype=np.float32), FRAME_SAMPLES).reshape(-1, FRAME_SAMPLES)


def sound(*chunks: int) -> AudioBuffer:
    """Return a sound that arrived in chunks of so many frames."""
    kept, end = AudioBuffer(), 0
    for chunk in chunks:
        kept.append(frames(end, end + chunk))
        end += chunk
    return kept


def numbers(kept: AudioBuffer, start: int, end: int) -> list[int]:
    samples = kept.samples(start, end).reshape(-1, FRAME_SAMPLES)
    assert (samples == samples[:, :1]).all()
    return [int(number) for number in samples[:, 0]]


@pytest.mark.parametrize("chunks", [(9,), (4, 5), (1, 1, 1, 1, 1, 4), (3, 3, 3)])
@pytest.mark.parametrize(("start", "end"), [(0, 9), (2, 7), (3, 6), (4, 5), (8, 9), (5, 5), (0, 0), (9, 9)])
def test_samples_are_those_of_the_frames_asked_for(chunks: tuple[int, ...], start: int, end: int) -> None:
    assert numbers(sound(*chunks), start, end) == list(range(start, end))


def test_what_is_not_settled_outlives_what_is_forgotten() -> None:
    kept = sound(3, 3, 3)
    kept.discard(5)
    assert numbers(kept, 3, 9) == [3, 4, 5, 6, 7, 8]
    kept.append(frames(9, 12))
    assert numbers(kept, 8, 11) == [8, 9, 10]


def test_what_is_forgotten_is_gone() -> None:
    kept = sound(3, 3)
    kept.discard(3)
    with pytest.raises(AssertionError):
        kept.samples(2, 4)


def test_all_may_be_forgotten() -> None:
    kept = sound(3, 3)
    kept.discard(6)
    kept.append(frames(6, 7))
    assert numbers(kept, 6, 7) == [6]


def test_what_has_not_arrived_cannot_be_had() -> None:
    with pytest.raises(AssertionError):
        sound(3).samples(2, 4)


def test_an_energy_is_the_mean_square_of_its_frame() -> None:
    wave = np.tile(np.array([0.5, -0.5], np.float32), FRAME_SAMPLES)
    kept = AudioBuffer()
    kept.append(wave.reshape(-1, FRAME_SAMPLES))
    kept.append(frames(2, 4))
    assert kept.energies(1, 4).tolist() == [0.25, 4, 9]


def test_samples_are_read_only_and_their_own() -> None:
    chunk = frames(0, 2)
    kept = AudioBuffer()
    kept.append(chunk)
    samples = kept.samples(0, 2)
    chunk[:] = 7
    assert not samples.flags.writeable
    assert samples.max() == 1
