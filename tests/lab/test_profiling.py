"""Purposes to which the samples of a profile are assigned."""

from __future__ import annotations

from collections import Counter

import pytest

from lab.load.profiling import count_samples, purpose

LANE = "run (stt_service/scheduling/executor.py:100);transcribe (stt_service/whisper/engine.py:118)"
LOOP = "Handle._run (asyncio/events.py:80);Stream._read (stt_service/recognition/stream.py:111)"


@pytest.mark.parametrize(
    ("stack", "name"),
    [
        (
            f"{LANE};_listen (stt_service/whisper/engine.py:130);_encode_features (stt_service/whisper/engine.py:170)",
            "encoder",
        ),
        (
            f"{LANE};_listen (stt_service/whisper/engine.py:130);_features (stt_service/whisper/engine.py:160)",
            "log-mel features",
        ),
        (f"{LANE};_decode (stt_service/whisper/engine.py:190)", "decoder"),
        (
            f"{LANE};_align (stt_service/whisper/engine.py:243);find_alignment (faster_whisper/transcribe.py:1)",
            "alignment of words",
        ),
        (f"{LANE};_retry (stt_service/whisper/engine.py:190)", "checks and texts of decodes"),
        (
            f"{LOOP};Session.push (stt_service/session/session.py:1);Silero.score (stt_service/vad/gate.py:90)",
            "VAD: Silero",
        ),
        (
            f"{LOOP};Session.push (stt_service/session/session.py:1);StreamVad.push (stt_service/vad/gate.py:200)",
            "VAD: the gate",
        ),
        (f"{LOOP};Session.push (stt_service/session/session.py:1)", "session"),
        (LOOP, "gRPC, asyncio, queues"),
    ],
)
def test_sample_counts_for_its_innermost_known_frame(stack: str, name: str) -> None:
    assert purpose(stack.split(";")) == name


def test_waiting_threads_are_not_counted() -> None:
    waiting = "Thread.run (threading.py:982);_worker (concurrent/futures/thread.py:81) 40\n"
    assert count_samples([waiting, f"{LOOP} 2\n", f"{LOOP} 1\n"]) == Counter({"gRPC, asyncio, queues": 3})
