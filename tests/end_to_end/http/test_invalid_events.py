"""Invalid Realtime events and WebSocket frames: an `error` event or a close code, and other sessions go on."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Thread

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from benchmarks.recordings import Recording
from tests.support.clients.raw_http import HttpPort, Realtime, answer, head

pytestmark = [pytest.mark.model, pytest.mark.process]
PATH = "/v1/realtime"
UPGRADE = ("Upgrade: websocket", "Connection: Upgrade", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==")
MIB = 2**20
UNREAD_BYTES = 64 * MIB  # more than the socket buffers of both sides


def update(value: str) -> str:
    """Return an update of the session with a value as JSON."""
    return f'{{"type":"session.update","session":{{"audio":{{"input":{value}}}}}}}'


@pytest.mark.parametrize(
    ("sent", "sentence"),
    [
        ("{", "Invalid message='{': must be a JSON object."),
        ("[]", "Invalid message='[]': must be a JSON object."),
        ("9" * 5000, "must be a JSON object."),
        ("[" * 200_000, "Invalid message: nested deeper than 16 levels."),
        (update('{"noise_reduction":' + "[" * 300 + "]" * 300 + "}"), "Invalid message: nested deeper than 16 levels."),
        (b"\x00\x01", "Invalid message: must be a JSON object as text."),
        ('{"type":"conversation.item.create"}', "Invalid type='conversation.item.create': must be session.update"),
        ('{"type":"\\ud800"}', "Invalid message: contains a surrogate without its pair"),
        ('{"type":"x","event_id":"\\ud800"}', "Invalid message: contains a surrogate without its pair"),
        (update('{"transcription":{"model":"\\ud800"}}'), "Invalid message: contains a surrogate without its pair"),
        (json.dumps({"type": "x" * 500_000}), "Invalid type='xxx"),
        ('{"type":[]}', "Invalid type=[]"),
        ("{}", "Invalid type=None"),
        ('{"type":"input_audio_buffer.append"}', "Invalid audio: must be a base64 string."),
        ('{"type":"input_audio_buffer.append","audio":"no base64!"}', "Invalid audio: must be a base64 string."),
        ('{"type":"input_audio_buffer.append","audio":[1]}', "Invalid audio: must be a base64 string."),
        ('{"type":"session.update"}', "Invalid session: must be an object."),
        (update('{"format":{"type":[]}}'), "Invalid session.audio.input.format.type=[]: must be audio/pcm"),
        (update('{"format":{"type":"audio/pcm","rate":NaN}}'), "Invalid message: its numbers must be finite."),
        (update('{"format":{"type":"audio/pcm","rate":1e400}}'), "Invalid message: its numbers must be finite."),
        (
            update('{"turn_detection":{"type":"server_vad","threshold":NaN}}'),
            "Invalid message: its numbers must be finite.",
        ),
        (update('{"turn_detection":{"type":"server_vad","silence_duration_ms":-1}}'), "silence_duration_ms=-1"),
        (update(json.dumps({"transcription": {"prompt": "x" * 3000}})), "must be at most 2000 characters, not 3000"),
        (
            update(json.dumps({"transcription": {"keywords": ["x"] * 101}})),
            "keywords: 101 entries, must be at most 100",
        ),
        (update('{"transcription":{"keywords":[{}]}}'), "keywords: must be a list of strings"),
        (update('"x"'), "Invalid session.audio.input='x': must be an object."),
    ],
)
def test_invalid_event_is_answered_and_the_session_goes_on(
    unaffected: HttpPort, question: Recording, sent: str | bytes, sentence: str
) -> None:
    with unaffected.realtime({"turn_detection": None}) as session:
        session.connection.send(sent)
        received = str(session.connection.recv(30))
        event = json.loads(received)
        assert (event["type"], sentence in event["error"]["message"]) == ("error", True), received[:500]
        assert len(received) < 1000
        session.configure({"turn_detection": None})


def test_session_with_errors_still_recognizes(unaffected: HttpPort, question: Recording) -> None:
    with unaffected.realtime({"turn_detection": None}) as session:
        for sent in ("{", b"\x00", '{"type":"x"}', update('{"format":{"type":{}}}')):
            session.connection.send(sent)
            assert json.loads(session.connection.recv(30))["type"] == "error"
        session.append(question.pcm())
        assert "Brooklyn" in session.commit()


def test_message_of_a_mebibyte_is_accepted_and_a_larger_one_closes_the_session(
    unaffected: HttpPort, question: Recording
) -> None:
    with unaffected.realtime({"turn_detection": None}) as session:
        session.connection.send(json.dumps({"type": "x", "padding": "x" * (MIB - 100)}))
        assert json.loads(session.connection.recv(30))["type"] == "error"
        session.connection.send(json.dumps({"type": "x", "padding": "x" * MIB}))
        with pytest.raises(ConnectionClosed) as closed:
            session.connection.recv(30)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1009


def read_up_to(last: str, session: Realtime, events: list[str]) -> None:
    while not events or last not in events[-1]:
        events.append(str(session.connection.recv(30)))


def test_flood_of_events_is_answered_one_by_one_and_does_not_affect_others(
    unaffected: HttpPort, question: Recording
) -> None:
    """Some 20 000 events a second, on one connection."""
    events: list[str] = []
    with unaffected.realtime({"turn_detection": None}) as session:
        reader = Thread(target=read_up_to, args=("Invalid type='last'", session, events))
        reader.start()
        for _ in range(20_000):
            session.connection.send('{"type":"x"}')
        with unaffected.realtime({"turn_detection": None}) as other:
            other.append(question.pcm())
            assert "Brooklyn" in other.commit()
        session.connection.send('{"type":"last"}')
        reader.join()
    assert len(events) == 20_001


@contextmanager
def upgraded(port: HttpPort) -> Iterator[socket.socket]:
    with port.connect() as connection:
        lines = (*UPGRADE, "Sec-WebSocket-Version: 13")
        connection.sendall(head(PATH, None, *lines, method="GET", multipart=False))
        assert answer_status(connection) == 101
        yield connection


def answer_status(connection: socket.socket) -> int:
    received = b""
    while b"\r\n\r\n" not in received:
        received += connection.recv(1)
    return int(received.split()[1])


def test_client_that_never_reads_is_not_read_either(unaffected: HttpPort) -> None:
    """So the responses that it does not read take a bounded amount of memory."""
    with upgraded(unaffected) as connection:
        connection.settimeout(1)
        event, sent_bytes = b'\x81\x8c\x00\x00\x00\x00{"type":"x"}' * 1000, 0
        with suppress(TimeoutError):
            while sent_bytes < UNREAD_BYTES:
                sent_bytes += connection.send(event)
        assert sent_bytes < UNREAD_BYTES
        assert unaffected.get("/healthz").status == 200


@pytest.mark.parametrize("query", ["", "?intent=transcription&model=x", "?" + "a=b&" * 1000])
def test_query_of_a_session_has_no_effect(unaffected: HttpPort, query: str) -> None:
    with connect(f"ws://{unaffected.host}:{unaffected.number}{PATH}{query}") as connection:
        assert json.loads(connection.recv(30))["type"] == "session.created"


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        (UPGRADE, 400),
        ((*UPGRADE[:2], "Sec-WebSocket-Version: 13"), 400),
        ((*UPGRADE, "Sec-WebSocket-Version: 12"), 400),
        ((*UPGRADE, "Sec-WebSocket-Version: 13", "Origin: http://evil.example"), 403),
        ((*UPGRADE, "Sec-WebSocket-Version: 13", "Host: evil.example"), 400),
    ],
    ids=["no version", "no key", "version", "origin", "host"],
)
def test_invalid_handshake_gets_a_status(unaffected: HttpPort, lines: tuple[str, ...], status: int) -> None:
    with unaffected.connect() as connection:
        connection.sendall(head(PATH, None, *lines, method="GET", multipart=False))
        assert answer(connection).status == status


def test_unknown_path_of_a_websocket_is_rejected(unaffected: HttpPort) -> None:
    with pytest.raises(InvalidStatus) as rejected:
        connect(f"ws://{unaffected.host}:{unaffected.number}/v1/unknown").__enter__()
    assert rejected.value.response.status_code in (403, 404)
