"""Uploads: places for each client, time for a body, and admission before it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from tempfile import TemporaryFile
from threading import Event
from typing import IO, TYPE_CHECKING, Any

import pytest
from starlette.requests import Request
from starlette.routing import Router

from benchmarks.recordings import Recording
from stt_service.access import tokens
from stt_service.access.file_watcher import ReloadingFile
from stt_service.access.listen_address import ListenAddress
from stt_service.errors import DeadlineExceededError, ResourceExhaustedError
from stt_service.http.guard import AccessRules, Guard
from stt_service.http.listener import HttpListener
from stt_service.http.openai.errors import reject
from stt_service.http.openai.transcriptions import Transcriptions
from stt_service.http.openai.uploads import (
    MAX_CLIENT_UPLOADS,
    MAX_UPLOADS,
    UPLOAD_TIMEOUT_S,
    UploadPlaces,
    read_form,
)
from stt_service.recognition.recording_decoder import RecordingDecoders
from stt_service.server import Server
from stt_service.telemetry.metrics import Api
from tests.support.clients.page_client import request
from tests.support.clients.raw_http import BOUNDARY, TRANSCRIPTIONS, Answer, answer, form, head
from tests.support.servers.in_process_server import BlockingServerEngine, running_server
from tests.support.timelines.virtual_time import VirtualTimeLoop

if TYPE_CHECKING:
    from starlette.types import Message

TIMEOUT_S = 60.0
COPY = ("/bin/sh", "-c", "cat")  # a decoder for recordings that are samples already


def connected(address: str) -> socket.socket:
    host, _, port = address.rpartition(":")
    return socket.create_connection((host, int(port)), timeout=TIMEOUT_S)


def exchange_in_thread(address: str, sent: bytes) -> Answer:
    with connected(address) as client:
        client.sendall(sent)
        return answer(client)


async def exchange(address: str, sent: bytes) -> Answer:
    return await asyncio.to_thread(exchange_in_thread, address, sent)


def bearer(token: str) -> str:
    return f"Authorization: Bearer {token}"


@asynccontextmanager
async def transcribing(server: Server, rules: AccessRules, places: UploadPlaces) -> AsyncIterator[str]:
    """Serve transcriptions of recordings that are 16-bit samples; yield the address."""
    routes = Transcriptions(server.service, RecordingDecoders(COPY), places).routes
    listener = HttpListener(ListenAddress("HTTP_PORT", "127.0.0.1", 0), Guard(Router(routes=routes), rules, reject))
    listener.start()
    try:
        yield listener.address
    finally:
        await listener.stop()


async def test_slow_uploads_of_one_client_leave_places_to_others() -> None:
    ann, bob = tokens.new_token(), tokens.new_token()
    lines, empty = f"{tokens.line('ann', ann)}\n{tokens.line('bob', bob)}\n", form(None)
    rules = AccessRules(tokens=ReloadingFile((), lambda: tokens.parse(lines)))
    places = UploadPlaces(timeout_s=0.05)
    async with running_server(BlockingServerEngine(), 2) as server, transcribing(server, rules, places) as address:
        with ExitStack() as stack:
            begun = head(TRANSCRIPTIONS, 10**6, bearer(ann)) + empty[:9]
            for _ in range(MAX_CLIENT_UPLOADS):
                stack.enter_context(connected(address)).sendall(begun)
            async with asyncio.timeout(TIMEOUT_S):
                while (mine := await exchange(address, head(TRANSCRIPTIONS, 9, bearer(ann)) + empty[:9])).status != 429:
                    pass
            other = await exchange(address, head(TRANSCRIPTIONS, len(empty), bearer(bob)) + empty)
    assert mine.message == f"Upload limit exceeded: at most {MAX_CLIENT_UPLOADS} uploads per client at the same time."
    assert (other.status, other.message.startswith("Missing file")) == (400, True)


async def slots_used(server: Server) -> int:
    metrics = (await request(server.http.address, "/metrics")).body.decode()
    (line,) = (each for each in metrics.splitlines() if each.startswith("stt_slots_used "))
    return round(float(line.split()[-1]))


@pytest.mark.process
async def test_recordings_that_are_received_leave_their_places_to_the_next_ones(
    recordings: Mapping[str, Recording],
) -> None:
    engine, count = BlockingServerEngine(), MAX_CLIENT_UPLOADS + 2
    body = form(recordings["en/jfk"].pcm())
    sent, loop = head(TRANSCRIPTIONS, len(body)) + body, asyncio.get_running_loop()
    with ThreadPoolExecutor(count) as pool:
        async with (
            running_server(engine, count) as server,
            transcribing(server, AccessRules(), UploadPlaces()) as address,
        ):
            uploads = [loop.run_in_executor(pool, exchange_in_thread, address, sent) for _ in range(count)]
            async with asyncio.timeout(TIMEOUT_S):
                while await slots_used(server) < count:
                    assert not any(upload.done() for upload in uploads)
            engine.release()
            assert [(await upload).status for upload in uploads] == [200] * count


async def test_full_server_rejects_an_upload_before_its_body() -> None:
    async with running_server(BlockingServerEngine(), 1) as server:
        service = server.service
        with service.call("other", Api.GRPC) as call, service.recording_slot(call):
            rejected = await exchange(server.http.address, head(TRANSCRIPTIONS, 10**6))
    assert (rejected.status, "All 1 slots" in rejected.message) == (429, True)


async def test_all_clients_together_have_a_limit_too() -> None:
    places = UploadPlaces(timeout_s=0)
    async with AsyncExitStack() as stack:
        for number in range(MAX_UPLOADS):
            await stack.enter_async_context(places.place(f"client {number}"))
        with pytest.raises(ResourceExhaustedError, match=f"{MAX_UPLOADS} recordings are being uploaded"):
            await stack.enter_async_context(places.place("another"))
    async with places.place("another"):
        pass


async def test_file_that_moves_to_disk_at_the_deadline_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    deadline_has_passed, files = Event(), list[IO[bytes]]()

    def create(**options: Any) -> IO[bytes]:
        assert deadline_has_passed.wait(TIMEOUT_S)
        files.append(TemporaryFile(**options))  # noqa: SIM115  (the form closes it)
        return files[0]

    async def receive() -> Message:
        return {"type": "http.request", "body": form(bytes(2**21)), "more_body": True}

    monkeypatch.setattr("tempfile.TemporaryFile", create)
    asyncio.get_running_loop().call_later(0.1, deadline_has_passed.set)
    headers = [(b"content-type", f"multipart/form-data; boundary={BOUNDARY}".encode())]
    with pytest.raises(DeadlineExceededError):
        await read_form(Request({"type": "http", "method": "POST", "headers": headers}, receive), timeout_s=0.01)
    assert [file.closed for file in files] == [True]


async def time_of_endless_upload() -> float:
    """Return when the form of a body is rejected that is slow, but not too slow for the access rules."""
    loop = asyncio.get_running_loop()
    parts = [form(b"RIFF")[: -len(f"\r\n--{BOUNDARY}--\r\n")]]

    async def receive() -> Message:
        await asyncio.sleep(1)
        return {"type": "http.request", "body": parts.pop() if parts else bytes(1000), "more_body": True}

    headers = [(b"content-type", f"multipart/form-data; boundary={BOUNDARY}".encode())]
    with pytest.raises(DeadlineExceededError, match="The request body did not arrive within 600 s: send a smaller"):
        await read_form(Request({"type": "http", "method": "POST", "headers": headers}, receive))
    return loop.time()


def test_body_must_arrive_in_time() -> None:
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        assert runner.run(time_of_endless_upload()) == UPLOAD_TIMEOUT_S
