"""A browser's stream over real sockets, with a fake model: subprotocol, token, order, failures and disconnects."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections.abc import AsyncIterator, Mapping

import pytest
import pytest_asyncio
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.frames import Frame, Opcode

from benchmarks.recordings import Recording
from stt_service.access import tokens
from stt_service.server import Server
from tests.support.clients.page_client import (
    END,
    chunks,
    config,
    page_stream,
    parsed,
    read_to_end,
    request,
    send_messages,
)
from tests.support.clients.wire_client import Call, connected
from tests.support.clients.wire_client import config as grpc_config
from tests.support.servers.in_process_server import BlockingServerEngine, running_server

TOKEN = tokens.new_token()
SECOND = bytes(32_000)  # of silence


@pytest_asyncio.fixture
async def engine() -> BlockingServerEngine:
    return BlockingServerEngine()


@pytest_asyncio.fixture
async def server(engine: BlockingServerEngine) -> AsyncIterator[Server]:
    async with running_server(engine, 1) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def protected(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """The address of a server that requires tokens."""
    file = tmp_path_factory.mktemp("tokens") / "tokens"
    file.write_text(tokens.line("ann", TOKEN))
    async with running_server(BlockingServerEngine(), 2, more={"auth_tokens_file": str(file)}) as running:
        yield running.http.address


async def open_streams(server: Server) -> int:
    """Return the number of open calls of the page."""
    metrics = (await request(server.http.address, "/metrics")).body.decode()
    (line,) = (each for each in metrics.splitlines() if each.startswith('stt_calls_open{api="page"}'))
    return round(float(line.split()[-1]))


async def all_ended(server: Server) -> None:
    """Return when no call of the page is open; fails after a while."""
    async with asyncio.timeout(30):
        while await open_streams(server):  # noqa: ASYNC110  (the server notifies no client of the end of another)
            await asyncio.sleep(0)


async def started(stream: ClientConnection) -> None:
    await stream.send(config())
    assert parsed(await stream.recv()).HasField("started")


async def test_stream_starts_with_settings_and_ends_normally(server: Server) -> None:
    result = await send_messages(server.http.address, [config("ru", partials=True), SECOND, END])
    assert (result.code, result.reason) == (1000, "")
    assert result.responses[0].started.settings.language == "ru"
    assert result.responses[0].started.partial_model == "base"
    assert result.responses[-1].received_ms == 1000


async def test_server_selects_the_subprotocol_and_returns_no_token(protected: str) -> None:
    async with page_stream(protected, token=TOKEN) as stream:
        assert stream.subprotocol == "stt.v1.json"
        await started(stream)


async def test_client_without_subprotocols_can_send_a_header(protected: str) -> None:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with connect(f"ws://{protected}/api/stream", additional_headers=headers, proxy=None) as stream:
        assert stream.subprotocol is None
        await started(stream)


@pytest.mark.parametrize("token", ["", "wrong", TOKEN[:-1], "é"])
async def test_handshake_without_a_valid_token_is_rejected(protected: str, token: str) -> None:
    with pytest.raises(InvalidStatus) as raised:
        async with page_stream(protected, token=token):
            pass
    response = raised.value.response
    assert response.status_code == 401
    assert json.loads(response.body)["failure"]["reason"] == "UNAUTHENTICATED"


@pytest.mark.parametrize("encoded", ["", "%", "a", "_w"])
async def test_malformed_token_is_rejected(protected: str, encoded: str) -> None:
    headers = {"Sec-WebSocket-Protocol": f"stt.v1.json, stt-token.{encoded}"}
    with pytest.raises(InvalidStatus) as raised:
        async with connect(f"ws://{protected}/api/stream", additional_headers=headers, proxy=None):
            pass
    assert raised.value.response.status_code == 401


@pytest.mark.parametrize(
    ("rejected", "status"), [({"origin": "https://x.example"}, 403), ({"headers": {"Host": "rebound.example"}}, 400)]
)
async def test_page_of_another_site_opens_no_stream(
    server: Server, rejected: Mapping[str, object], status: int
) -> None:
    with pytest.raises(InvalidStatus) as raised:
        async with page_stream(server.http.address, **rejected):  # type: ignore[arg-type]
            pass
    assert raised.value.response.status_code == status


async def test_own_page_opens_streams(server: Server) -> None:
    async with page_stream(server.http.address, origin=f"http://{server.http.address}") as stream:
        await started(stream)


@pytest.mark.parametrize(
    ("messages", "reason"),
    [
        ([SECOND], "Invalid first message with audio"),
        ([END], "The stream ended before its config"),
        (["{}"], "Invalid first message with nothing"),
        ([config(), config()], "Received a second config"),
        ([config(), "{}"], "Received an empty message"),
        ([config(), "audio"], "must be a JSON object"),
        ([config(), json.dumps({"update": {"language": "klingon"}})], "klingon"),
        ([config("klingon")], "klingon"),
        ([config(clientId="a\x1b[2J")], "Invalid client_id"),
        ([config(format={"sampleRateHz": 1})], "sample"),
    ],
)
async def test_invalid_message_ends_the_stream_with_its_reason(
    server: Server, messages: list[str | bytes], reason: str
) -> None:
    result = await send_messages(server.http.address, messages)
    assert reason in result.failure.message
    assert (result.failure.code, result.failure.reason) == (3, "INVALID_ARGUMENT")
    assert (result.code, result.reason) == (1008, "INVALID_ARGUMENT")


async def test_message_over_the_limit_of_the_listener_closes_the_connection(server: Server) -> None:
    result = await send_messages(server.http.address, [config(), bytes(2**20 + 1)])
    assert result.code == 1009


async def test_stream_of_a_full_server_is_rejected_with_a_delay(server: Server) -> None:
    async with page_stream(server.http.address) as stream:
        await started(stream)
        result = await send_messages(server.http.address, [config()])
    assert result.failure.reason == "RESOURCE_EXHAUSTED"
    assert result.failure.retry_after.ToTimedelta().total_seconds() == 2
    assert (result.code, result.reason) == (1013, "RESOURCE_EXHAUSTED")


async def test_draining_server_ends_the_stream_for_a_resume(server: Server) -> None:
    async with page_stream(server.http.address) as stream:
        await started(stream)
        async with asyncio.TaskGroup() as tasks:
            draining = tasks.create_task(server.drain())
            result = await read_to_end(stream)
            await draining
    assert [response.notice.reason for response in result.responses if response.HasField("notice")] == ["DRAIN"]
    assert (result.failure.reason, result.code) == ("UNAVAILABLE", 1013)


async def test_failed_decode_is_an_internal_error_with_an_id(
    server: Server, engine: BlockingServerEngine, recordings: Mapping[str, Recording]
) -> None:
    engine.failures[""] = RuntimeError("broken")
    engine.release()
    result = await send_messages(server.http.address, [config(), *chunks(recordings["en/jfk"].pcm()), END])
    assert (result.failure.reason, result.code) == ("INTERNAL", 1011)
    assert "error_id=" in result.failure.message
    assert "broken" not in result.failure.message


async def test_disconnected_client_frees_its_slot(server: Server) -> None:
    async with page_stream(server.http.address) as stream:
        await started(stream)
        assert await open_streams(server) == 1
    await all_ended(server)
    async with connected(server.data.address) as stub:
        call = Call(stub)
        await call.send(grpc_config())
        await call.until("started")


async def test_client_that_disconnects_after_its_audio_frees_its_slot(
    server: Server, engine: BlockingServerEngine, recordings: Mapping[str, Recording]
) -> None:
    async with page_stream(server.http.address) as stream:
        await started(stream)
        for chunk in chunks(recordings["en/jfk"].pcm()):
            await stream.send(chunk)
        await stream.send(END)
        await engine.entered()
    await all_ended(server)


async def test_finals_have_the_text_of_the_model(
    server: Server, engine: BlockingServerEngine, recordings: Mapping[str, Recording]
) -> None:
    engine.release()
    named = json.dumps({"config": {"settings": {"language": "en", "initialPrompt": "first"}}})
    result = await send_messages(server.http.address, [named, *chunks(recordings["en/jfk"].pcm()), END])
    assert set(result.texts) == {"first"}
    assert result.code == 1000


async def test_message_in_fragments_is_one_message(server: Server) -> None:
    text = config("ru")
    async with page_stream(server.http.address) as stream:
        await stream.send(iter([text[:10], text[10:11], text[11:]]))
        assert parsed(await stream.recv()).started.settings.language == "ru"
        await stream.send(iter([SECOND[:100], SECOND[100:]]))
        await stream.send(END)
        assert (await read_to_end(stream)).responses[-1].received_ms == 1000


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        (Frame(Opcode.TEXT, b"\xff"), 1007),
        (Frame(Opcode.CONT, b"x"), 1002),
        (Frame(Opcode.TEXT, b"{}", rsv1=True), 1002),
        (Frame(Opcode.PING, bytes(126)), 1002),
    ],
    ids=["not UTF-8", "continues nothing", "reserved bit", "long ping"],
)
async def test_frame_that_violates_the_protocol_closes_the_connection(server: Server, frame: Frame, code: int) -> None:
    async with page_stream(server.http.address) as stream:
        await started(stream)
        stream.transport.write(_serialized(frame))
        assert (await read_to_end(stream)).code == code
    await all_ended(server)


def _serialized(frame: Frame) -> bytes:
    """Return a masked frame, also one that the library rejects."""
    head = bytes([0x80 | frame.rsv1 << 6 | frame.opcode])
    size = bytes([0x80 | len(frame.data)]) if len(frame.data) < 126 else struct.pack("!BH", 0x80 | 126, len(frame.data))
    return head + size + bytes(4) + bytes(frame.data)  # a mask of zeros


async def test_client_that_does_not_read_is_disconnected() -> None:
    async with running_server(BlockingServerEngine(), 1, more={"idle_timeout": 1.0}) as server:
        host, port = server.http.address.rsplit(":", 1)
        with socket.socket() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.connect((host, int(port)))
            client.setblocking(False)
            unread = connect(f"ws://{server.http.address}/api/stream", sock=client, max_queue=1, proxy=None)
            async with asyncio.timeout(60), unread as stream:
                await stream.send(config())
                with pytest.raises(ConnectionClosed):
                    await send_updates(stream)
            assert await open_streams(server) == 0
            metrics = (await request(server.http.address, "/metrics")).body.decode()
            assert 'stt_calls_total{api="page",outcome="DEADLINE_EXCEEDED"} 1.0' in metrics


async def send_updates(stream: ClientConnection) -> None:
    """Send audio and updates, each of which is answered, until the connection is closed."""
    while True:
        await stream.send(SECOND)
        await stream.send(json.dumps({"update": {"initialPrompt": "x" * 2000}}))
