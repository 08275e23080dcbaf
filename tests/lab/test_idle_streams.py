"""What the measurement of silent streams sends, and what it complains of."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.harness.replay import BYTES_PER_SECOND
from lab.load.idle_streams import MAX_CPU_PERCENT, NOISE_DBFS, Cost, audio_kinds, complaints, noise

SECONDS, STREAMS = 10.0, 100
WELL = Cost("silence", 0.1, STREAMS, SECONDS, cpu_s=0.9, frames=STREAMS * 100)


def test_a_tenth_of_a_core_for_silence_is_no_miss() -> None:
    assert complaints([WELL, replace(WELL, sent="noise", cpu_s=5.0)]) == []


def test_more_than_a_tenth_of_a_core_for_silence_is_a_miss() -> None:
    [complaint] = complaints([replace(WELL, cpu_s=SECONDS * (MAX_CPU_PERCENT + 1) / 100)])
    assert complaint.startswith("MISSED: silence: 11.0 %")


def test_text_where_nobody_speaks_is_a_miss() -> None:
    assert complaints([replace(WELL, told=2)])[0].startswith("MISSED: silence: 2 ")


def test_a_client_that_was_too_slow_is_told_of() -> None:
    assert complaints([replace(WELL, frames=STREAMS * 50)]) == [
        "silence: only 50 % of the sound could be sent in time."
    ]


def test_streams_that_send_nothing_are_not_late() -> None:
    assert complaints([replace(WELL, sent="nothing", frames=0)]) == []


def test_a_streams_memory_is_what_the_empty_server_does_not_take() -> None:
    empty = Cost("", 1.0, 0, SECONDS, memory_bytes=300 * 2**20)
    assert "| 400.0 | 1024 |" in replace(WELL, memory_bytes=400 * 2**20).row(empty)
    assert "| 300.0 | 0 |" in empty.row(empty)


def test_frames_are_as_long_as_the_pace_says() -> None:
    for sound in audio_kinds():
        assert {len(frame.audio) for frame in sound.frames if frame.audio} <= {int(sound.frame_s * BYTES_PER_SECOND)}


def test_the_noise_is_as_faint_as_it_is_said_to_be() -> None:
    samples = np.frombuffer(noise(), "<i2") / 32_768
    assert 20 * np.log10(np.sqrt(np.mean(samples**2))) == pytest.approx(NOISE_DBFS, abs=0.1)
