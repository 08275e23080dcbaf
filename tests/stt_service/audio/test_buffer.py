"""The audio of a stream is buffered until it is committed; every sample of frame n is n."""

from __future__ import annotations

import numpy as np
import pytest

from stt_service.audio.buffer import AudioBuffer
from stt_service.audio.pcm import FRAME_SAMPLES, Frames


def frames(start: int, end: int) -> Frames:
    return np.repeat(np.arange(start, end, dtype=np.float32), FRAME_SAMPLES).reshape(-1, FRAME_SAMPLES)


def buffer_of(*chunks: int) -> AudioBuffer:
    """Return a buffer that received chunks of these numbers of frames."""
    buffer, end = AudioBuffer(), 0
    for chunk in chunks:
        buffer.append(frames(end, end + chunk))
        end += chunk
    return buffer


def numbers(buffer: AudioBuffer, start: int, end: int) -> list[int]:
    samples = buffer.samples(start, end).reshape(-1, FRAME_SAMPLES)
    assert (samples == samples[:, :1]).all()
    return [int(number) for number in samples[:, 0]]


@pytest.mark.parametrize("chunks", [(9,), (4, 5), (1, 1, 1, 1, 1, 4), (3, 3, 3)])
@pytest.mark.parametrize(("start", "end"), [(0, 9), (2, 7), (3, 6), (4, 5), (8, 9), (5, 5), (0, 0), (9, 9)])
def test_samples_returns_the_requested_frames(chunks: tuple[int, ...], start: int, end: int) -> None:
    assert numbers(buffer_of(*chunks), start, end) == list(range(start, end))


def test_uncommitted_frames_remain_after_discard() -> None:
    buffer = buffer_of(3, 3, 3)
    buffer.discard(5)
    assert numbers(buffer, 3, 9) == [3, 4, 5, 6, 7, 8]
    buffer.append(frames(9, 12))
    assert numbers(buffer, 8, 11) == [8, 9, 10]


def test_discarded_frames_cannot_be_read() -> None:
    buffer = buffer_of(3, 3)
    buffer.discard(3)
    with pytest.raises(AssertionError):
        buffer.samples(2, 4)


def test_all_frames_can_be_discarded() -> None:
    buffer = buffer_of(3, 3)
    buffer.discard(6)
    buffer.append(frames(6, 7))
    assert numbers(buffer, 6, 7) == [6]


def test_frames_that_have_not_arrived_cannot_be_read() -> None:
    with pytest.raises(AssertionError):
        buffer_of(3).samples(2, 4)


def test_energy_is_the_mean_square_of_the_frame() -> None:
    wave = np.tile(np.array([0.5, -0.5], np.float32), FRAME_SAMPLES)
    buffer = AudioBuffer()
    buffer.append(wave.reshape(-1, FRAME_SAMPLES))
    buffer.append(frames(2, 4))
    assert buffer.energies(1, 4).tolist() == [0.25, 4, 9]


def test_samples_are_read_only_copies() -> None:
    chunk = frames(0, 2)
    buffer = AudioBuffer()
    buffer.append(chunk)
    samples = buffer.samples(0, 2)
    chunk[:] = 7
    assert not samples.flags.writeable
    assert samples.max() == 1
