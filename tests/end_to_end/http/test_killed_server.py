"""A server that is killed: each client gets a clear error, and nothing that looks whole."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterator
from contextlib import closing

import psutil
import pytest
from websockets.exceptions import ConnectionClosedError

from benchmarks.recordings import Recording
from benchmarks.service import ServiceError
from tests.end_to_end.http.conftest import http_port
from tests.support.audio.encoded_audio import wav
from tests.support.clients.raw_http import TRANSCRIPTIONS, HttpPort, Realtime, answer, form, head, wait_until

pytestmark = [pytest.mark.model, pytest.mark.process]


@pytest.fixture
def port() -> Iterator[HttpPort]:
    with pytest.raises(ServiceError, match="exit code -9"), http_port(MAX_STREAMS="4") as running:
        yield running


def streamed(port: HttpPort, body: bytes) -> tuple[socket.socket, http.client.HTTPResponse]:
    """Return a streamed response after its first event."""
    connection = port.connect()
    connection.sendall(head(TRANSCRIPTIONS, len(body)) + body)
    response = http.client.HTTPResponse(connection)
    response.begin()
    assert response.readline() == b"event: transcript.text.delta\n"
    return connection, response


def rest_of_session(session: Realtime) -> list[dict[str, object]]:
    """Return the events up to the end of the connection, which must not be a regular one."""
    received: list[dict[str, object]] = []
    try:
        while True:
            received.append(json.loads(session.connection.recv(30)))
    except ConnectionClosedError:  # without a close frame
        return received


def test_server_killed_at_work_leaves_nothing_half_answered(port: HttpPort, dictation: Recording) -> None:
    """One client uploads, one waits for its text, one receives server-sent events, one is in a Realtime session."""
    file = wav(dictation.pcm())
    body, streaming = form(file), form(file, {"stream": "true"})
    uploading, waiting = port.connect(), port.connect()
    uploading.sendall(head(TRANSCRIPTIONS, len(body)) + body[: len(body) // 2])
    waiting.sendall(head(TRANSCRIPTIONS, len(body)) + body)
    with port.realtime({"turn_detection": None}) as session:
        session.append(dictation.pcm()[: 5 * 32_000])
        connection, stream = streamed(port, streaming)
        children = psutil.Process(port.server.pid).children(recursive=True)
        port.server.kill()
        received = rest_of_session(session)
    for client in (uploading, waiting):
        with pytest.raises((OSError, http.client.HTTPException)):
            answer(client)
    with closing(stream), pytest.raises((OSError, http.client.HTTPException)) as cut:
        stream.read()
    assert b"transcript.text.done" not in getattr(cut.value, "partial", b"")
    assert not [event for event in received if str(event["type"]).endswith(".completed")]
    wait_until(lambda: not any(child.is_running() for child in children))
    for each in (uploading, waiting, connection):
        each.close()
