"""What the peers of the comparison say, and what their own clients make of it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest
from websockets.asyncio.server import ServerConnection, serve

from benchmarks.peer_realtimestt import Broadcast, Event, MultiUser, Segments, SttServer, packet
from benchmarks.peer_system import Peer
from benchmarks.peer_whisperlive import Reply, WhisperLive
from benchmarks.peer_whisperlive import Transcript as WhisperLiveTranscript
from benchmarks.peer_whisperlivekit import Transcript as WhisperLiveKitTranscript
from benchmarks.peer_whisperlivekit import Update, WhisperLiveKit
from benchmarks.peers import PEERS
from benchmarks.systems import Connection, Message, RefusedError

Lines = list[tuple[str, str]]


def lines(messages: Sequence[Message]) -> Lines:
    return [(message.kind.name, message.text) for message in messages]


def test_a_peer_goes_by_its_name_and_tells_its_version() -> None:
    peers = [make("ru") for make in PEERS.values()]
    assert [peer.name for peer in peers] == list(PEERS)
    assert [peer.about.split(":")[0] for peer in peers] == [
        "RealtimeSTT 1.1.2, stt-server",
        "RealtimeSTT 1.1.2, example_fastapi_server",
        "WhisperLive 0.10.0, faster_whisper",
        "WhisperLiveKit 0.2.26, localagreement, faster-whisper",
    ]


# stt-server


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ('{"type": "realtime", "text": "And it was"}', [("PARTIAL", "And it was")]),
        ('{"type": "fullSentence", "text": "And it was."}', [("FINAL", "And it was.")]),
        ('{"type": "transcription_start", "audio_bytes_base64": "AAAA"}', []),
        ('{"type": "vad_detect_start"}', []),
    ],
)
def test_stt_server_tells_partials_and_finals(said: str, told: Lines) -> None:
    assert lines(Broadcast.model_validate_json(said).told(at=1.0)) == told


def test_a_packet_is_a_length_metadata_and_samples() -> None:
    sent = packet({"sampleRate": 16000}, b"\x01\x00\x02\x00")
    length = int.from_bytes(sent[:4], "little")
    assert json.loads(sent[4 : 4 + length]) == {"sampleRate": 16000}
    assert sent[4 + length :] == b"\x01\x00\x02\x00"


# The example server of RealtimeSTT


def page(*events: dict[str, object]) -> list[Lines]:
    segments = Segments()
    return [lines(segments.told(Event.model_validate_json(json.dumps(event)), at=1.0)) for event in events]


def test_the_page_shows_the_text_for_display() -> None:
    event = {"type": "realtime", "segmentId": 1, "text": "raw", "displayText": "stabilised", "stableText": "sta"}
    assert page(event) == [[("PARTIAL", "stabilised")]]


def test_a_final_leaves_the_segments_after_it_shown() -> None:
    said = [
        {"type": "realtime", "segmentId": 1, "text": "one"},
        {"type": "realtime", "segmentId": 2, "text": "two"},
        {"type": "final", "segmentId": 1, "text": "One."},
        {"type": "final", "segmentId": 2, "text": "Two."},
    ]
    assert page(*said) == [
        [("PARTIAL", "one")],
        [("PARTIAL", "one two")],
        [("FINAL", "One."), ("PARTIAL", "two")],
        [("FINAL", "Two.")],
    ]


def test_a_warning_is_a_notice_and_a_status_is_nothing() -> None:
    told = page(
        {"type": "warning", "sessionId": "a", "message": "Realtime transcription is overloaded."},
        {"type": "status", "state": "recording", "queueDepth": 0},
    )
    assert told == [[("NOTICE", "warning: Realtime transcription is overloaded.")], []]


# WhisperLive


def segment(start: float, text: str, *, completed: bool = False) -> dict[str, object]:
    return {"start": f"{start:.3f}", "end": f"{start + 2:.3f}", "text": text, "completed": completed}


def test_a_segment_is_final_when_it_is_first_complete() -> None:
    transcript = WhisperLiveTranscript()
    first, second = segment(0, " One.", completed=True), segment(2, " Two.", completed=True)
    said = [[segment(0, " One")], [first, segment(2, " Tw")], [first, segment(2, " Two")], [first, second]]
    told = [lines(transcript.told(whisperlive(segments=each), at=1.0)) for each in said]
    assert told == [
        [("PARTIAL", "One")],
        [("FINAL", "One."), ("PARTIAL", "Tw")],
        [("PARTIAL", "Two")],
        [("FINAL", "Two.")],
    ]
    assert transcript.ended(at=1.0) == []


def test_the_last_segment_is_taken_at_the_end_though_never_complete() -> None:
    transcript = WhisperLiveTranscript()
    transcript.told(whisperlive(segments=[segment(0, " Almost done")]), at=1.0)
    assert lines(transcript.ended(at=2.0)) == [("FINAL", "Almost done")]


def test_a_segment_that_is_dropped_is_no_longer_shown() -> None:
    transcript = WhisperLiveTranscript()
    complete = segment(0, " One.", completed=True)
    transcript.told(whisperlive(segments=[complete, segment(2, " One.")]), at=1.0)
    assert lines(transcript.told(whisperlive(segments=[complete]), at=1.0)) == [("PARTIAL", "")]


def test_what_is_no_segment_is_a_notice() -> None:
    told = WhisperLiveTranscript().told(whisperlive(message="DISCONNECT"), at=1.0)
    assert lines(told) == [("NOTICE", "DISCONNECT")]


def whisperlive(**fields: object) -> Reply:
    return Reply.model_validate_json(json.dumps({"uid": "a", **fields}))


# WhisperLiveKit


def committed(*texts: str | None, buffer: str = "") -> Update:
    said = [{"speaker": -2 if text is None else 1, "text": text, "start": "0:00:00"} for text in texts]
    update = {"status": "active_transcription", "lines": said, "buffer_transcription": buffer}
    return Update.model_validate_json(json.dumps(update))


def test_what_is_added_to_the_committed_lines_is_final() -> None:
    transcript = WhisperLiveKitTranscript()
    updates = [committed(buffer=" And it"), committed(" And it", buffer=" was"), committed(" And it was", None, " so.")]
    assert [lines(transcript.told(update, at=1.0)) for update in updates] == [
        [("PARTIAL", "And it")],
        [("FINAL", "And it"), ("PARTIAL", "was")],
        [("FINAL", "was so."), ("PARTIAL", "")],
    ]


def test_a_change_of_what_was_committed_is_a_notice() -> None:
    transcript = WhisperLiveKitTranscript()
    transcript.told(committed("One two."), at=1.0)
    assert lines(transcript.told(committed("One too."), at=1.0))[0][0] == "NOTICE"


def test_an_error_is_a_notice() -> None:
    update = Update.model_validate_json('{"status": "error", "error": "FFmpeg error", "lines": []}')
    assert lines(WhisperLiveKitTranscript().told(update, at=1.0)) == [("NOTICE", "FFmpeg error")]


# Over a socket


@asynccontextmanager
async def talking_to(peer: Peer, *said: dict[str, object]) -> AsyncIterator[Connection]:
    """Connect to a server that says this to whoever comes, then reads until they go, or say that the sound is over."""

    async def handler(connection: ServerConnection) -> None:
        for each in said:
            await connection.send(json.dumps(each))
        async for heard in connection:
            if heard == b"END_OF_AUDIO":
                return

    async with serve(handler, "127.0.0.1", 0) as server:
        peer.url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        connection = peer.connect()
        yield connection
        await connection.close()


REFUSALS: list[tuple[Peer, dict[str, object], str]] = [
    (MultiUser("en"), {"type": "error", "where": "admission", "message": "Server is full."}, "Server is full."),
    (WhisperLive("en"), {"uid": "a", "status": "WAIT", "message": 4.2}, "It is full: a place in 4 minutes."),
    (WhisperLive("en"), {"uid": "a", "status": "ERROR", "message": "no model"}, "no model"),
    (WhisperLiveKit("en"), {"type": "error", "error": "no such language"}, "no such language"),
]


@pytest.mark.parametrize(("peer", "said", "reason"), REFUSALS, ids=["multi-user", "WAIT", "ERROR", "whisperlivekit"])
async def test_a_refusal_has_its_reason(peer: Peer, said: dict[str, object], reason: str) -> None:
    async with talking_to(peer, said) as connection:
        with pytest.raises(RefusedError) as refused:
            await connection.open()
    assert str(refused.value) == reason


async def test_stt_server_takes_one_stream_at_a_time() -> None:
    peer = SttServer("en")
    async with talking_to(peer) as first:
        await first.open()
        second = peer.connect()
        with pytest.raises(RefusedError, match="one recorder for all clients"):
            await second.open()
        await second.close()
        await first.close()
        third = peer.connect()
        await third.open()
        await third.close()


async def test_a_stream_of_whisperlive_ends_with_what_was_shown() -> None:
    segments: dict[str, object] = {"uid": "a", "segments": [segment(0, " Almost done")]}
    async with talking_to(
        WhisperLive("en", quiet_s=0.01), {"uid": "a", "message": "SERVER_READY"}, segments
    ) as connection:
        await connection.open()
        messages = connection.messages()
        told = [await anext(messages)]
        await connection.finish()
        told += [message async for message in messages]
    assert lines(told) == [("PARTIAL", "Almost done"), ("FINAL", "Almost done")]


async def test_a_stream_of_whisperlivekit_is_over_when_it_says_so() -> None:
    said: list[dict[str, object]] = [{"type": "config"}, json.loads(committed("One.").model_dump_json())]
    async with talking_to(WhisperLiveKit("en"), *said, {"type": "ready_to_stop"}) as connection:
        await connection.open()
        told = [message async for message in connection.messages()]
    assert lines(told) == [("FINAL", "One."), ("PARTIAL", "")]
