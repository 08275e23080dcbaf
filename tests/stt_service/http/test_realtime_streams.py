"""Streams of a Realtime connection: bounded, in order, and no committed audio is lost to a clear or an update."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

import pytest
from stt.v1 import stt_pb2 as pb

from stt_service.errors import UnavailableError
from stt_service.http.openai.json_input import JsonObject
from stt_service.http.openai.realtime import MAX_REASON_BYTES
from stt_service.http.openai.realtime_streams import MAX_STREAMS
from stt_service.recognition.stream import Requests, ResponseWriter
from tests.support.clients.memory_realtime import (
    BUFFER,
    CLEAR,
    COMMIT,
    ITEM,
    Condition,
    Step,
    appends,
    completed,
    connection,
    of_type,
    session_events,
    update,
)
from tests.support.servers.scripted_speech import ScriptedCall, ScriptedSpeech
from tests.support.timelines.simulated_stream import SYMBOL_MS, pcm

SENTENCES = "###..####.."  # two utterances
TEXTS = ["w0 w1 w2", "w5 w6 w7 w8"]
SERVER_VAD = update({"type": "server_vad"})
AUDIO = pcm(SENTENCES)


def transcripts(events: list[JsonObject]) -> list[object]:
    return [event["transcript"] for event in of_type(events, f"{ITEM}.completed")]


def item_ids(events: list[JsonObject], kind: str) -> list[object]:
    return [event["item_id"] for event in of_type(events, kind)]


def received(kind: str, count: int = 1) -> Condition:
    return lambda events: len(of_type(events, kind)) >= count


def ends_empty(events: list[JsonObject]) -> bool:
    return bool(events) and events[-1].get("transcript") == ""


def append(audio: bytes) -> JsonObject:
    return {"type": f"{BUFFER}.append", "audio": base64.b64encode(audio).decode()}


@dataclass(slots=True)
class SlowSpeech(ScriptedSpeech):
    """Its first streams are pending for a minute after the end of their audio, or for ever."""

    slow: int = 1
    pending_s: float = 60.0

    async def recognize(self, call: ScriptedCall, requests: Requests, writer: ResponseWriter) -> None:
        pending, self.slow = self.slow > 0, self.slow - 1

        async def delayed() -> Requests:
            async for request in requests:
                yield request
            if pending:
                await asyncio.sleep(self.pending_s)

        await ScriptedSpeech.recognize(self, call, delayed(), writer)


def test_connection_is_not_read_while_the_text_of_all_its_streams_is_pending() -> None:
    count = 5 * MAX_STREAMS
    steps = [update(None), *[append(AUDIO), COMMIT] * count]
    events = session_events(SlowSpeech(SENTENCES, slow=count), steps, lambda each: completed(each, count))
    assert transcripts(events) == [" ".join(TEXTS)] * count
    pending = [
        len(of_type(events[:at], f"{BUFFER}.committed")) - len(of_type(events[:at], f"{ITEM}.completed"))
        for at in range(len(events))
    ]
    assert max(pending) == MAX_STREAMS


def test_stream_waits_for_the_text_of_the_one_before_it_without_limit() -> None:
    steps = [update(None), append(AUDIO), COMMIT, append(AUDIO), COMMIT]
    events = session_events(SlowSpeech(SENTENCES, pending_s=3600), steps, lambda each: completed(each, 2))
    assert item_ids(events, f"{ITEM}.completed") == item_ids(events, f"{BUFFER}.committed")


@pytest.mark.parametrize("late", [0, 2, 5])
def test_clear_keeps_the_text_of_items_that_the_server_has_committed(late: int) -> None:
    audio = AUDIO[: len(AUDIO) * 8 // 11]  # the second utterance is open
    steps: list[Step] = [SERVER_VAD, *appends(audio, [at / 8 for at in range(8)]), received(f"{BUFFER}.committed")]
    steps += [CLEAR, append(AUDIO), update(None), COMMIT]
    events = session_events(SlowSpeech(SENTENCES, late, pending_s=1), steps, ends_empty)
    assert transcripts(events) == [TEXTS[0], *TEXTS, ""]
    assert item_ids(events, f"{ITEM}.completed") == item_ids(events, f"{BUFFER}.committed")


def test_clear_keeps_the_audio_before_a_commit() -> None:
    steps = [SERVER_VAD, append(AUDIO), COMMIT, append(AUDIO), CLEAR, update(None), COMMIT]
    events = session_events(ScriptedSpeech(SENTENCES * 2), steps, lambda each: completed(each, 4))
    assert transcripts(events) == [*TEXTS, "", ""]


@pytest.mark.parametrize("turn_detection", [None, {"type": "server_vad"}])
def test_cleared_audio_is_not_recognized_to_its_end(turn_detection: object) -> None:
    steps: list[Step] = [update(turn_detection), append(AUDIO[:8000]), 1.0, CLEAR, update(None), append(AUDIO), COMMIT]
    events = session_events(SlowSpeech(SENTENCES, pending_s=1e9), steps, lambda each: completed(each, 1))
    assert transcripts(events) == [" ".join(TEXTS)]


@pytest.mark.parametrize("delay", [None, "minimal"])
def test_update_between_append_and_commit_keeps_the_audio_of_the_item(delay: str | None) -> None:
    first = len(AUDIO) // 11 * 4  # in the pause
    steps = [update(None), append(AUDIO[:first]), update(None, delay), append(AUDIO[first:]), COMMIT]
    events = session_events(ScriptedSpeech(SENTENCES), steps, lambda each: completed(each, 1))
    (event,) = of_type(events, f"{ITEM}.completed")
    assert event["transcript"] == " ".join(TEXTS)
    assert event["usage"] == {"type": "duration", "seconds": pytest.approx(len(AUDIO) / 32_000, abs=1)}
    assert {event["item_id"]} == {each["item_id"] for each in events if "item_id" in each}
    starts = [float(str(each["start"])) for each in of_type(events, f"{ITEM}.segment")]
    assert starts == [0, pytest.approx(5 * SYMBOL_MS / 1000)]


def test_commit_right_after_an_update_completes_the_item_after_its_text() -> None:
    steps = [update(None), append(AUDIO), update(None, "minimal"), COMMIT]
    events = session_events(SlowSpeech(SENTENCES), steps, lambda each: completed(each, 1))
    assert transcripts(events) == [" ".join(TEXTS)]
    assert events[-1]["type"] == f"{ITEM}.completed"


def test_clear_after_an_update_drops_the_audio_before_it_too() -> None:
    steps = [update(None), append(AUDIO), update(None, "minimal"), append(AUDIO), CLEAR, append(AUDIO), COMMIT]
    events = session_events(SlowSpeech(SENTENCES), steps, lambda each: completed(each, 1))
    assert transcripts(events) == [" ".join(TEXTS)]
    cleared = next(at for at, event in enumerate(events) if event["type"] == f"{BUFFER}.cleared")
    assert {each["item_id"] for each in events[cleared:] if "item_id" in each} == {events[-1]["item_id"]}


def test_change_to_a_server_vad_commits_the_audio_of_the_client() -> None:
    steps = [update(None), append(AUDIO), SERVER_VAD, append(AUDIO), update(None), COMMIT]
    events = session_events(SlowSpeech(SENTENCES), steps, lambda each: completed(each, 4))
    assert transcripts(events) == [" ".join(TEXTS), *TEXTS, ""]
    assert item_ids(events, f"{ITEM}.completed") == item_ids(events, f"{BUFFER}.committed")


@pytest.mark.parametrize("audio", [b"", bytes(4), pcm("...")])
def test_commit_without_speech_has_an_empty_item_also_with_a_server_vad(audio: bytes) -> None:
    events = session_events(ScriptedSpeech("..."), [SERVER_VAD, append(audio), COMMIT], lambda each: completed(each, 1))
    (committed,), (transcribed,) = of_type(events, f"{BUFFER}.committed"), of_type(events, f"{ITEM}.completed")
    assert (transcribed["item_id"], transcribed["transcript"]) == (committed["item_id"], "")


@pytest.mark.parametrize("commits", [1, 2])
def test_incomplete_sample_at_a_commit_is_dropped(commits: int) -> None:
    odd = AUDIO + b"\x01"
    steps = [update(None), *[append(odd[:501]), append(odd[501:]), COMMIT] * commits]
    events = session_events(ScriptedSpeech(SENTENCES), steps, lambda each: completed(each, commits))
    assert transcripts(events) == [" ".join(TEXTS)] * commits


def test_incomplete_sample_at_an_update_is_completed_by_the_next_audio() -> None:
    first = len(AUDIO) // 11 * 4 + 1
    steps = [update(None), append(AUDIO[:first]), update(None, "high"), append(AUDIO[first:]), COMMIT]
    events = session_events(ScriptedSpeech(SENTENCES), steps, lambda each: completed(each, 1))
    assert transcripts(events) == [" ".join(TEXTS)]


def test_positions_do_not_drift_over_many_streams() -> None:
    half_ms = bytes(16)
    steps = [*[SERVER_VAD, append(half_ms)] * 40, SERVER_VAD, append(AUDIO), update(None), COMMIT]
    events = session_events(ScriptedSpeech(SENTENCES, pauses=[0]), steps, ends_empty)
    started = [int(str(each["audio_start_ms"])) for each in of_type(events, f"{BUFFER}.speech_started")]
    assert started[-2:] == [20, 20 + 5 * SYMBOL_MS]


@dataclass(slots=True)
class CountedSpeech(ScriptedSpeech):
    """Counts its slots."""

    held: int = 0
    acquired: int = 0

    def stream_slot(self, _call: ScriptedCall) -> AbstractContextManager[ScriptedSpeech]:
        return self._slot()

    @contextmanager
    def _slot(self) -> Iterator[ScriptedSpeech]:
        self.held += 1
        self.acquired += 1
        yield self
        self.held -= 1


def test_connection_without_audio_for_the_idle_timeout_loses_its_slot_until_its_next_audio() -> None:
    speech, held = CountedSpeech(SENTENCES, idle_timeout_s=60), list[int]()

    def note(_: list[JsonObject]) -> bool:
        held.append(speech.held)
        return True

    steps: list[Step] = [update(None), note, append(AUDIO), COMMIT, received(f"{ITEM}.completed"), note]
    clears: list[Step] = [CLEAR, 0.5]
    steps += [59.0, note, *clears * 4, note, append(AUDIO), COMMIT, received(f"{ITEM}.completed", 2), note]
    events = session_events(speech, steps, lambda each: completed(each, 2))
    assert transcripts(events) == [" ".join(TEXTS)] * 2
    assert held == [0, 1, 1, 0, 1]
    assert (speech.acquired, speech.held) == (2, 0)


def test_slot_is_kept_while_text_is_pending() -> None:
    speech, held = SlowCountedSpeech(SENTENCES, idle_timeout_s=60), list[int]()

    def note(_: list[JsonObject]) -> bool:
        held.append(speech.held)
        return True

    steps: list[Step] = [update(None), append(AUDIO), COMMIT, 500.0, note, received(f"{ITEM}.completed"), 59.0, note]
    session_events(speech, [*steps, 2.0, note], lambda _: True)
    assert held == [1, 1, 0]


@dataclass(slots=True)
class SlowCountedSpeech(CountedSpeech):
    """Counts its slots; its text is pending for longer than the idle timeout."""

    async def recognize(self, call: ScriptedCall, requests: Requests, writer: ResponseWriter) -> None:
        slow = SlowSpeech(self.timeline, pending_s=550)
        await slow.recognize(call, requests, writer)


class WordySpeech(ScriptedSpeech):
    """Its streams fail with a long reason in Cyrillic."""

    async def recognize(self, _call: ScriptedCall, requests: Requests, _writer: ResponseWriter) -> None:
        await anext(requests)
        raise UnavailableError("я" * 200)


def test_reason_of_a_close_fits_into_its_frame() -> None:
    socket = connection(WordySpeech(SENTENCES), [append(AUDIO)], lambda _: False)
    ((_, reason),) = socket.closed
    assert reason == "я" * (MAX_REASON_BYTES // 2)


def test_lost_client_cancels_its_streams() -> None:
    """Its connection ends though audio is unread and a stream is pending."""
    socket = connection(LosingSpeech(SENTENCES), [update(None), *[append(bytes(2**20))] * 9], lambda _: True)
    assert of_type(socket.sent, "session.updated")


class LosingSpeech(ScriptedSpeech):
    """Finds that the client has closed the connection when it writes."""

    async def recognize(self, _call: ScriptedCall, requests: Requests, writer: ResponseWriter) -> None:
        await anext(requests)
        await asyncio.sleep(1)
        raise asyncio.CancelledError


def test_response_without_events_does_not_wait_for_its_turn() -> None:
    """The stream has started and processes audio while the text of the one before it is pending."""
    speech = StartedSpeech(SENTENCES)
    steps = [update(None), append(AUDIO), COMMIT, append(AUDIO), COMMIT]
    session_events(speech, steps, lambda each: completed(each, 2))
    assert speech.started_s == [0, 0]


class StartedSpeech(SlowSpeech):
    """Sends `started` first, like the server."""

    started_s: list[float]

    async def recognize(self, call: ScriptedCall, requests: Requests, writer: ResponseWriter) -> None:
        await writer.write(pb.StreamingRecognizeResponse(started=pb.Started()))
        self.started_s = [*getattr(self, "started_s", []), asyncio.get_running_loop().time()]
        await SlowSpeech.recognize(self, call, requests, writer)
