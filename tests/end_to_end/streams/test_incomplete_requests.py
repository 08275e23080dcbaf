"""Requests before authentication, and unfinished, malformed or excessive messages."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import grpc
import grpc.aio
import pytest
import pytest_asyncio
from grpc import StatusCode
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from stt.v1 import control_pb2, stt_pb2

from stt_service.access.tokens import line, new_token
from stt_service.rpc.health import HEALTH_CHECK, MAX_NAME, MAX_PENDING_CHECKS
from stt_service.rpc.request_reader import METADATA_BYTES
from stt_service.server import CALL_LIMITS, DATA_MESSAGE_BYTES, REFLECTION, SERVICE, Server
from tests.support.clients.control_client import operator, rejection
from tests.support.clients.raw_http2 import RawConnection, announced, raw
from tests.support.clients.wire_client import Call, config, connected, health
from tests.support.servers.in_process_server import BlockingServerEngine, running_server

ANN = new_token()
LARGE = announced(DATA_MESSAGE_BYTES - 1000, b"\x0a")
BEARER = (b"authorization", f"Bearer {ANN}".encode())


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def guarded(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    """Return a server with one slot and one token."""
    clients = await asyncio.to_thread(tokens_file, tmp_path_factory.mktemp("tokens"))
    async with running_server(BlockingServerEngine(), 1, more={"auth_tokens_file": str(clients)}) as server:
        yield server


def tokens_file(folder: Path) -> Path:
    file = folder / "clients"
    file.write_text(line("ann", ANN))
    return file


async def status_of_partial_call(
    server: Server, path: str | bytes, message: bytes, *more: tuple[bytes, bytes], end: bool = False
) -> StatusCode:
    """Return the status of a call with a part of a message; the client half-closes it or leaves it open."""

    def ask() -> StatusCode:
        with raw(server.data.address) as connection:
            connection.acknowledge()
            return connection.status(connection.call(path, message, *more, end=end))

    return await asyncio.to_thread(ask)


async def test_recording_without_a_token_is_rejected_before_it_arrives(guarded: Server) -> None:
    assert await status_of_partial_call(guarded, f"/{SERVICE}/Recognize", LARGE) is StatusCode.UNAUTHENTICATED


async def test_recording_without_a_slot_is_rejected_before_it_arrives(guarded: Server) -> None:
    async with connected(guarded.data.address) as stub:
        call = Call(stub, (("authorization", f"Bearer {ANN}"),))
        await call.send(config())
        await call.until("started")
        assert (
            await status_of_partial_call(guarded, f"/{SERVICE}/Recognize", LARGE, BEARER)
            is StatusCode.RESOURCE_EXHAUSTED
        )
        await call.end()


async def test_health_is_answered_while_other_clients_hold_unfinished_requests(guarded: Server) -> None:
    def hold(connection: RawConnection) -> None:
        for _ in range(4 * MAX_PENDING_CHECKS):
            connection.call(HEALTH_CHECK, LARGE)

    with raw(guarded.data.address) as connection:
        await asyncio.to_thread(hold, connection)
        assert await health(guarded.data.address) == "SERVING"


async def test_incomplete_health_request_times_out(guarded: Server) -> None:
    assert await status_of_partial_call(guarded, HEALTH_CHECK, LARGE) is StatusCode.DEADLINE_EXCEEDED


async def test_request_that_ends_before_its_message_gets_a_status(guarded: Server) -> None:
    part = announced(20, b"\x0a")
    assert await status_of_partial_call(guarded, HEALTH_CHECK, part, end=True) is StatusCode.INVALID_ARGUMENT


async def test_health_of_an_unknown_service_is_not_found(guarded: Server) -> None:
    async with grpc.aio.insecure_channel(guarded.data.address) as channel:
        check = health_pb2_grpc.HealthStub(channel).Check
        assert (await rejection(check(health_pb2.HealthCheckRequest(service="x"))))[0] is StatusCode.NOT_FOUND


@pytest.mark.parametrize("path", [b"/x/\xff", b"/\x80\x80/y", b"\xc3"])
async def test_name_that_is_not_utf_8_ends_only_its_call(guarded: Server, path: bytes) -> None:
    assert await status_of_partial_call(guarded, path, b"") is StatusCode.UNAUTHENTICATED
    assert await health(guarded.data.address) == "SERVING"


async def test_unknown_methods_are_unimplemented() -> None:
    async with (
        running_server(BlockingServerEngine(), 1) as server,
        grpc.aio.insecure_channel(server.data.address) as channel,
    ):
        for path in ("/stt.v1.SpeechToText/NoSuchCall", "/no/such", "/x"):
            call: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(path, bytes, bytes)
            assert (await rejection(call(b"")))[0] is StatusCode.UNIMPLEMENTED


async def test_metadata_is_bounded_before_the_peer_acknowledges_settings(guarded: Server) -> None:
    def ask() -> StatusCode:
        with raw(guarded.data.address) as connection:
            return connection.status(connection.call(HEALTH_CHECK, announced(0), (b"x", b"y" * METADATA_BYTES)))

    assert await asyncio.to_thread(ask) is StatusCode.INVALID_ARGUMENT


async def test_service_name_in_a_health_watch_is_bounded() -> None:
    async with (
        running_server(BlockingServerEngine(), 1) as server,
        grpc.aio.insecure_channel(server.data.address) as channel,
    ):
        watch = health_pb2_grpc.HealthStub(channel).Watch
        named = watch(health_pb2.HealthCheckRequest(service="x" * (MAX_NAME + 1)))
        assert (await rejection(anext(aiter(named))))[0] is StatusCode.INVALID_ARGUMENT


async def test_reflection_and_health_watch_calls_are_bounded() -> None:
    async with running_server(BlockingServerEngine(), 1) as server, AsyncExitStack() as calls:
        channel = await calls.enter_async_context(grpc.aio.insecure_channel(server.data.address))
        reflect = reflection_pb2_grpc.ServerReflectionStub(channel).ServerReflectionInfo
        for _ in range(CALL_LIMITS[REFLECTION].calls):
            call = reflect()
            calls.callback(call.cancel)
            await call.write(reflection_pb2.ServerReflectionRequest(list_services="*"))
            await call.read()
        assert (await rejection(anext(aiter(reflect()))))[0] is StatusCode.RESOURCE_EXHAUSTED
        stub = await calls.enter_async_context(operator(server.control.address))
        for _ in range(CALL_LIMITS["/stt.v1.Control/WatchStatus"].calls):
            watched = stub.WatchStatus(control_pb2.WatchStatusRequest())
            calls.callback(watched.cancel)
            await anext(aiter(watched))
        more = stub.WatchStatus(control_pb2.WatchStatusRequest())
        assert (await rejection(anext(aiter(more))))[0] is StatusCode.RESOURCE_EXHAUSTED
        assert (await stub.GetStatus(control_pb2.GetStatusRequest())).status.load.max_streams == 1


async def test_malformed_message_after_a_rejected_one_keeps_status_and_logs_no_prompt(
    guarded: Server, caplog: pytest.LogCaptureFixture
) -> None:
    prompt = stt_pb2.Settings(initial_prompt="Patient Jane Roe " * 200)
    first = stt_pb2.StreamingRecognizeRequest(config=stt_pb2.StreamingConfig(settings=prompt))
    async with grpc.aio.insecure_channel(guarded.data.address) as channel:
        stream: grpc.aio.StreamStreamMultiCallable[bytes, bytes] = channel.stream_stream(
            f"/{SERVICE}/StreamingRecognize", bytes, bytes
        )
        call = stream(iter([first.SerializeToString(), b"\xff\xff"]), metadata=(("authorization", f"Bearer {ANN}"),))
        assert (await rejection(read_to_the_end(call)))[0] is StatusCode.INVALID_ARGUMENT
    assert "Jane" not in caplog.text
    assert "Traceback" not in caplog.text


async def read_to_the_end(call: grpc.aio.StreamStreamCall[bytes, bytes]) -> None:
    async for _ in call:
        pass


async def test_all_services_are_listed_with_their_health() -> None:
    async with (
        running_server(BlockingServerEngine(), 1) as server,
        grpc.aio.insecure_channel(server.data.address) as channel,
    ):
        listed = await health_pb2_grpc.HealthStub(channel).List(health_pb2.HealthListRequest())
        assert {name: status.status for name, status in listed.statuses.items()} == dict.fromkeys(("", SERVICE), 1)
