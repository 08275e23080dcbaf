"""Realtime sessions for any chunks, commits and delays: deltas only grow, and transcripts are the finals of gRPC.

The connection is the real one; its socket is in memory, and its streams are scripted sessions.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stt.v1 import stt_pb2 as pb

from stt_service.errors import InvalidRequestError, ResourceExhaustedError, UnavailableError
from stt_service.http.openai.json_input import JsonObject
from stt_service.http.openai.realtime import INTERNAL_ERROR
from stt_service.http.openai.realtime_session import STABILITIES
from tests.support.clients.memory_realtime import (
    BUFFER,
    CLEAR,
    COMMIT,
    ITEM,
    appends,
    completed,
    connection,
    of_type,
    session_events,
    update,
)
from tests.support.servers.scripted_speech import ScriptedCall, ScriptedSpeech, finals
from tests.support.timelines.simulated_stream import SYMBOL_MS, TIMELINES, pcm

if TYPE_CHECKING:
    from stt_service.recognition.stream import Requests, ResponseWriter

PROPERTY = settings(derandomize=True, deadline=None, max_examples=100)
DELAYS = st.sampled_from([None, *STABILITIES])
CUTS = st.lists(st.floats(0, 1), max_size=12)
COMMITS = st.lists(st.floats(0, 1), max_size=3)
PAUSES = st.lists(st.integers(0, 20), min_size=1, max_size=4)
SAMPLE_BYTES = 2


def positions(audio: bytes, commits: list[float]) -> tuple[int, ...]:
    """Return the positions of commits in bytes, each after a whole sample."""
    samples = len(audio) // SAMPLE_BYTES
    return tuple(sorted({round(at * samples) * SAMPLE_BYTES for at in commits}))


def pieces(audio: bytes, ends: tuple[int, ...]) -> list[bytes]:
    return [audio[start:end] for start, end in zip((0, *ends), (*ends, len(audio)), strict=True)]


def check_items(events: list[JsonObject]) -> list[str]:
    """Check the events of each item; return the transcripts in the order of the commits."""
    assert not of_type(events, "error")
    committed = of_type(events, f"{BUFFER}.committed")
    ids = [event["item_id"] for event in committed]
    assert [event["previous_item_id"] for event in committed] == [None, *ids[:-1]]
    transcripts = of_type(events, f"{ITEM}.completed")
    assert [event["item_id"] for event in transcripts] == ids
    for event in transcripts:
        own = [each for each in events if each.get("item_id") == event["item_id"]]
        assert own[-1] is event
        deltas = [str(each["delta"]) for each in of_type(own, f"{ITEM}.delta")]
        assert all(deltas)
        assert event["transcript"] == "".join(deltas)  # the scripted finals continue the stable text
        logprobs = event["logprobs"]
        assert isinstance(logprobs, list)
        assert "".join(each["token"] for each in logprobs) == event["transcript"]
        segments = [str(each["text"]) for each in of_type(own, f"{ITEM}.segment")]
        assert " ".join(segments) == event["transcript"]
    times = [float(str(each[name])) for each in of_type(events, f"{ITEM}.segment") for name in ("start", "end")]
    assert times == sorted(times)  # of the session
    return [str(event["transcript"]) for event in transcripts]


@PROPERTY
@given(TIMELINES, CUTS, COMMITS, DELAYS, st.integers(0, 3), PAUSES)
def test_items_of_commits_are_the_finals_of_the_same_audio(
    timeline: str, cuts: list[float], commits: list[float], delay: str | None, late: int, pauses: list[int]
) -> None:
    audio = pcm(timeline)
    parts = pieces(audio, positions(audio, commits))
    sent = [update(None, delay)]
    for part in parts:
        sent += [*appends(part, cuts), COMMIT]
    events = session_events(ScriptedSpeech(timeline, late, pauses), sent, lambda each: completed(each, len(parts)))
    assert check_items(events) == [" ".join(filter(None, finals(timeline, part))) for part in parts]


@PROPERTY
@given(TIMELINES, CUTS, COMMITS, DELAYS, st.integers(0, 3), PAUSES)
def test_items_of_the_server_vad_are_the_finals_of_the_same_audio(
    timeline: str, cuts: list[float], commits: list[float], delay: str | None, late: int, pauses: list[int]
) -> None:
    """A commit ends the open utterance, or has an empty item; that at the end shows that all text was sent."""
    audio = pcm(timeline)
    ends = positions(audio, commits)
    sent = [update({"type": "server_vad"}, delay)]
    *firsts, last = pieces(audio, ends)
    for part in firsts:
        sent += [*appends(part, cuts), COMMIT]
    sent += [*appends(last, cuts), update(None), COMMIT]
    expected = finals(timeline, audio, ends)
    events = session_events(ScriptedSpeech(timeline, late, pauses), sent, is_last_commit_completed)
    transcripts = check_items(events)
    spoken = {event["item_id"] for event in of_type(events, f"{BUFFER}.speech_started")}
    items = [event["item_id"] for event in of_type(events, f"{ITEM}.completed")]
    assert [text for item, text in zip(items, transcripts, strict=True) if item in spoken] == expected
    assert not any(text for item, text in zip(items, transcripts, strict=True) if item not in spoken)
    assert len(spoken) < len(items) <= len(expected) + len(firsts) + 1
    for item in (event["item_id"] for event in of_type(events, f"{BUFFER}.speech_started")):
        kinds = [str(event["type"]).removeprefix(f"{BUFFER}.") for event in events if event.get("item_id") == item]
        assert kinds[0] == "speech_started"
        stopped = kinds.index("speech_stopped")
        assert kinds[stopped + 1] == "committed"
        assert {"segment", "completed"}.isdisjoint(kind.removeprefix(f"{ITEM}.") for kind in kinds[:stopped])


def is_last_commit_completed(events: list[JsonObject]) -> bool:
    """Whether the last `committed` was sent after the second `session.updated`, and its transcript too."""
    updates = [at for at, event in enumerate(events) if event["type"] == "session.updated"]
    after = events[updates[1] :] if len(updates) > 1 else []
    started = {event["item_id"] for event in of_type(events, f"{BUFFER}.speech_started")}
    ids = [event["item_id"] for event in of_type(after, f"{BUFFER}.committed") if event["item_id"] not in started]
    return bool(ids) and any(event["item_id"] == ids[-1] for event in of_type(after, f"{ITEM}.completed"))


SENTENCES = "###..####.."  # two utterances


@pytest.mark.parametrize("pauses", [(0,), (50, 0, 0)])
def test_cleared_audio_has_no_item_and_committed_audio_before_it_completes(pauses: tuple[int, ...]) -> None:
    audio = pcm(SENTENCES)
    sent = [update(None), *appends(audio, []), COMMIT, *appends(audio, [0.4]), CLEAR]
    sent += [*appends(audio[: len(audio) // 4 * 2], []), COMMIT]
    events = session_events(ScriptedSpeech(SENTENCES, pauses=pauses), sent, lambda each: completed(each, 2))
    assert check_items(events) == ["w0 w1 w2 w5 w6 w7 w8", "w0 w1 w2 w5"]
    assert len(of_type(events, f"{BUFFER}.cleared")) == 1
    ids = {event["item_id"] for event in of_type(events, f"{BUFFER}.committed")}
    assert ids == {event["item_id"] for event in events if "item_id" in event}


def test_shorter_delay_sends_more_deltas_of_the_same_transcript() -> None:
    timeline = "#" * 39
    audio, counts = pcm(timeline), list[int]()
    for delay in ("minimal", "xhigh"):
        sent = [update(None, delay), *appends(audio, [at / 40 for at in range(40)]), COMMIT]
        events = session_events(ScriptedSpeech(timeline), sent, lambda each: completed(each, 1))
        assert check_items(events) == finals(timeline, audio)
        counts.append(len(of_type(events, f"{ITEM}.delta")))
    assert counts[0] > counts[1] > 1


def test_audio_of_a_later_stream_has_the_positions_of_the_session() -> None:
    audio, vad = pcm(SENTENCES), update({"type": "server_vad"})
    sent = [vad, *appends(audio, []), vad, *appends(audio, []), update(None), COMMIT]
    events = session_events(ScriptedSpeech(SENTENCES), sent, lambda each: completed(each, 5))
    started = [int(str(each["audio_start_ms"])) for each in of_type(events, f"{BUFFER}.speech_started")]
    stopped = [int(str(each["audio_end_ms"])) for each in of_type(events, f"{BUFFER}.speech_stopped")]
    assert started == [symbol * SYMBOL_MS for symbol in (0, 5, 11, 16)]
    assert stopped == [symbol * SYMBOL_MS for symbol in (5, 11, 16, 22)]  # after the silence


def test_invalid_event_is_an_error_that_names_it_and_the_session_continues() -> None:
    audio = pcm(SENTENCES)
    sent: list[JsonObject] = [
        update(None),
        {"type": f"{BUFFER}.append", "audio": "*", "event_id": "event_1"},
        {"type": "response.create", "event_id": "event_2"},
        *appends(audio, []),
        COMMIT,
    ]
    events = session_events(ScriptedSpeech(SENTENCES), sent, lambda each: completed(each, 1))
    errors = [event["error"] for event in of_type(events, "error")]
    assert [(error["event_id"], error["code"]) for error in errors if isinstance(error, dict)] == [
        ("event_1", "invalid_value"),
        ("event_2", "invalid_value"),
    ]
    assert of_type(events, f"{ITEM}.completed")[0]["transcript"] == "w0 w1 w2 w5 w6 w7 w8"


class EnglishSpeech(ScriptedSpeech):
    """Recognizes English only."""

    def check_settings(self, settings: pb.Settings) -> None:
        if settings.language != "en":
            raise InvalidRequestError(f"Invalid language={settings.language!r}: English only.", "language")


def test_update_that_the_server_cannot_apply_is_an_error_and_the_session_continues() -> None:
    german: JsonObject = {"audio": {"input": {"transcription": {"language": "de"}, "turn_detection": None}}}
    english: JsonObject = {"audio": {"input": {"transcription": {"language": "en"}}}}
    sent: list[JsonObject] = [
        {"type": "session.update", "session": english},
        {"type": "session.update", "session": german, "event_id": "event_1"},
        {"type": "session.update", "session": {"include": []}},
    ]
    events = session_events(EnglishSpeech(SENTENCES), sent, lambda each: len(of_type(each, "session.updated")) == 2)
    (error,) = [event["error"] for event in of_type(events, "error")]
    assert isinstance(error, dict)
    assert (error["param"], error["event_id"]) == ("session.audio.input.transcription.language", "event_1")
    assert error["message"] == "Invalid session.audio.input.transcription.language='de': English only."
    assert "'language': 'en'" in str(events[-1]["session"])


class FullSpeech(ScriptedSpeech):
    """Admits no stream."""

    def stream_slot(self, _call: ScriptedCall) -> AbstractContextManager[ScriptedSpeech]:
        raise ResourceExhaustedError("The server is full.", 1.0)


class FailingSpeech(ScriptedSpeech):
    """Its streams fail after the first audio."""

    async def recognize(self, _call: ScriptedCall, requests: Requests, _writer: ResponseWriter) -> None:
        await anext(requests)
        await anext(requests)
        raise UnavailableError("The server is draining.")


@pytest.mark.parametrize(
    ("speech", "code", "event_id"),
    [
        (FullSpeech(SENTENCES), "rate_limit_exceeded", "event_1"),
        (FailingSpeech(SENTENCES), "unavailable", None),
    ],
)
def test_failure_is_an_error_and_closes_the_connection(speech: ScriptedSpeech, code: str, event_id: str | None) -> None:
    """It names an event if that caused it."""
    append = {**appends(pcm(SENTENCES), [])[0], "event_id": "event_1"}
    socket = connection(speech, [append], lambda each: False)
    error = socket.sent[-1]["error"]
    assert isinstance(error, dict)
    assert (error["code"], error["event_id"]) == (code, event_id)
    assert [code for code, _ in socket.closed] == [INTERNAL_ERROR]
