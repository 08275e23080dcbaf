"""Clients that disconnect: recognition stops within a second, and places and temporary files are freed."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from benchmarks.recordings import Recording
from tests.end_to_end.http.conftest import http_port
from tests.support.audio.encoded_audio import wav
from tests.support.clients.raw_http import TRANSCRIPTIONS, HttpPort, form, head, wait_until

pytestmark = [pytest.mark.model, pytest.mark.process]
STOP_S = 1.0  # metrics are up to half a second old
KINDS = ("final", "speculative", "partial")
DECODED = [f'stt_batch_size_count{{kind="{kind}"}}' for kind in KINDS]
WAITING = [f'stt_decodes_waiting{{kind="{kind}"}}' for kind in KINDS]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of temporary files."""
    return tmp_path_factory.mktemp("uploads")


@pytest.fixture(scope="module")
def single(folder: Path) -> Iterator[HttpPort]:
    """A server with one slot."""
    with http_port(MAX_STREAMS="1", TMPDIR=str(folder)) as port:
        yield port


def temporary_files(port: HttpPort, folder: Path) -> list[str]:
    """Return the temporary files that are open or exist."""
    open_files: list[str] = []
    for descriptor in Path(f"/proc/{port.server.pid}/fd").iterdir():
        try:
            open_files.append(str(descriptor.readlink()))
        except FileNotFoundError:  # closed in between
            continue
    named = [str(path) for path in folder.iterdir() if path.name != ".ses"]  # of onnxruntime
    return [name for name in open_files if name.startswith(str(folder))] + named


def test_client_lost_in_mid_upload_leaves_no_file(single: HttpPort, folder: Path) -> None:
    with single.connect() as client:
        body = form(bytes(8 * 2**20))
        client.sendall(head(TRANSCRIPTIONS, len(body)) + body[: 4 * 2**20])
        wait_until(lambda: len(temporary_files(single, folder)) == 1)
    wait_until(lambda: not temporary_files(single, folder))


def decoded(port: HttpPort) -> float:
    """Return the number of batches that were decoded."""
    return sum(port.metrics(DECODED))


def assert_stopped(port: HttpPort, folder: Path, question: Recording) -> None:
    """Assert that the slot, the file and the decoder are freed, and that only the next recording is decoded."""
    wait_until(lambda: port.metric("stt_slots_used") == 0, STOP_S)
    wait_until(lambda: not temporary_files(port, folder), STOP_S)
    wait_until(lambda: not psutil.Process(port.server.pid).children(recursive=True), STOP_S)
    wait_until(lambda: sum(port.metrics(WAITING)) == 0, STOP_S)
    before = decoded(port)
    assert "Brooklyn" in port.upload(wav(question.pcm())).text
    wait_until(lambda: decoded(port) > before)
    assert decoded(port) - before <= 3  # two batches of its own, and one that was being decoded


def test_client_lost_in_mid_recognition_stops_it(
    single: HttpPort, folder: Path, dictation: Recording, question: Recording
) -> None:
    body = form(wav(dictation.pcm()))
    before = decoded(single)
    with single.connect() as client:
        client.sendall(head(TRANSCRIPTIONS, len(body)) + body)
        wait_until(lambda: decoded(single) > before)
        assert len(temporary_files(single, folder)) == 1
    assert_stopped(single, folder, question)


def test_client_lost_in_mid_response_stops_the_recognition(
    single: HttpPort, folder: Path, dictation: Recording, question: Recording
) -> None:
    body = form(wav(dictation.pcm()), {"stream": "true"})
    with single.connect() as client:
        client.sendall(head(TRANSCRIPTIONS, len(body)) + body)
        response = http.client.HTTPResponse(client)
        response.begin()
        assert response.readline().startswith(b"event: transcript.text.delta")
        response.close()
    assert_stopped(single, folder, question)


def test_client_lost_in_a_realtime_session_frees_its_slot(
    single: HttpPort, folder: Path, dictation: Recording, question: Recording
) -> None:
    with single.realtime({"turn_detection": None}) as session:
        session.append(dictation.pcm()[: 10 * 32_000])
        wait_until(lambda: single.metric("stt_slots_used") == 1)
        session.connection.socket.shutdown(socket.SHUT_RDWR)
    assert_stopped(single, folder, question)


def test_second_client_of_a_full_server_is_rejected_with_a_delay(single: HttpPort, dictation: Recording) -> None:
    file = wav(dictation.pcm())
    with single.connect() as client:
        body = form(file)
        client.sendall(head(TRANSCRIPTIONS, len(body)) + body)
        wait_until(lambda: single.metric("stt_slots_used") == 1)
        for fields in ({}, {"stream": "true"}):
            rejected = single.upload(file, **fields)
            assert (rejected.status, "All 1 slots" in rejected.message) == (429, True), rejected.message
            assert int(rejected.headers["retry-after"]) > 0
        assert json.loads(rejected.body)["error"]["code"] == "rate_limit_exceeded"
