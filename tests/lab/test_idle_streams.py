"""Measurement of idle streams: its audio and its limits."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.harness.replay import BYTES_PER_SECOND
from lab.load.idle_streams import MAX_CPU_PERCENT, NOISE_DBFS, Cost, audio_kinds, noise, violations

SECONDS, STREAMS = 10.0, 100
WELL = Cost("silence", 0.1, STREAMS, SECONDS, cpu_s=0.9, frames=STREAMS * 100)


def test_a_tenth_of_a_core_for_silence_is_within_the_limit() -> None:
    assert violations([WELL, replace(WELL, sent="noise", cpu_s=5.0)]) == []


def test_more_than_a_tenth_of_a_core_for_silence_misses_the_limit() -> None:
    [violation] = violations([replace(WELL, cpu_s=SECONDS * (MAX_CPU_PERCENT + 1) / 100)])
    assert violation.startswith("MISSED: silence: 11.0 %")


def test_text_in_silence_misses_the_limit() -> None:
    assert violations([replace(WELL, text_events=2)])[0].startswith("MISSED: silence: 2 ")


def test_slow_client_is_reported() -> None:
    assert violations([replace(WELL, frames=STREAMS * 50)]) == [
        "silence: only 50 % of the audio could be sent in time."
    ]


def test_streams_that_send_nothing_are_never_slow() -> None:
    assert violations([replace(WELL, sent="nothing", frames=0)]) == []


def test_memory_of_a_stream_excludes_that_of_the_empty_server() -> None:
    empty = Cost("", 1.0, 0, SECONDS, memory_bytes=300 * 2**20)
    assert "| 400.0 | 1024 |" in replace(WELL, memory_bytes=400 * 2**20).row(empty)
    assert "| 300.0 | 0 |" in empty.row(empty)


def test_frames_have_the_given_length() -> None:
    for kind in audio_kinds():
        assert {len(frame.audio) for frame in kind.frames if frame.audio} <= {int(kind.frame_s * BYTES_PER_SECOND)}


def test_noise_has_its_level() -> None:
    samples = np.frombuffer(noise(), "<i2") / 32_768
    assert 20 * np.log10(np.sqrt(np.mean(samples**2))) == pytest.approx(NOISE_DBFS, abs=0.1)
