"""A browser's stream over real sockets, with a fake model: subprotocol, token, order, failures and disconnects."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping

import pytest
import pytest_asyncio
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus

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


async def started(socket: ClientConnection) -> None:
    await socket.send(config())
    assert parsed(await socket.recv()).HasField("started")


async def test_stream_starts_with_settings_and_ends_normally(server: Server) -> None:
    result = await send_messages(server.http.address, [config("ru", partials=True), SECOND, END])
    assert (result.code, result.reason) == (1000, "")
    assert result.responses[0].started.settings.language == "ru"
    assert result.responses[0].started.partial_model == "base"
    assert result.responses[-1].received_ms == 1000


async def test_server_selects_the_subprotocol_and_returns_no_token(protected: str) -> None:
    async with page_stream(protected, token=TOKEN) as socket:
        assert socket.subprotocol == "stt.v1.json"
        await started(socket)


async def test_client_without_subprotocols_can_send_a_header(protected: str) -> None:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with connect(f"ws://{protected}/api/stream", additional_headers=headers, proxy=None) as socket:
        assert socket.subprotocol is None
        await started(socket)


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
    async with page_stream(server.http.address, origin=f"http://{server.http.address}") as socket:
        await started(socket)


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
    async with page_stream(server.http.address) as socket:
        await started(socket)
        result = await send_messages(server.http.address, [config()])
    assert result.failure.reason == "RESOURCE_EXHAUSTED"
    assert result.failure.retry_after.ToTimedelta().total_seconds() == 2
    assert (result.code, result.reason) == (1013, "RESOURCE_EXHAUSTED")


async def test_draining_server_ends_the_stream_for_a_resume(server: Server) -> None:
    async with page_stream(server.http.address) as socket:
        await started(socket)
        async with asyncio.TaskGroup() as tasks:
            draining = tasks.create_task(server.drain())
            result = await read_to_end(socket)
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


async def test_disconnected_client_frees_its_slot(server: Server, recordings: Mapping[str, Recording]) -> None:
    async with page_stream(server.http.address) as socket:
        await started(socket)
        for chunk in chunks(recordings["en/jfk"].pcm()):
            await socket.send(chunk)
        await socket.send(END)
        assert await open_streams(server) == 1
    async with asyncio.timeout(30), connected(server.data.address) as stub:
        while await open_streams(server):  # noqa: ASYNC110  (the server notifies no client of the end of another)
            await asyncio.sleep(0)
        call = Call(stub)
        await call.send(grpc_config())
        await call.until("started")


async def test_finals_have_the_text_of_the_model(
    server: Server, engine: BlockingServerEngine, recordings: Mapping[str, Recording]
) -> None:
    engine.release()
    named = json.dumps({"config": {"settings": {"language": "en", "initialPrompt": "first"}}})
    result = await send_messages(server.http.address, [named, *chunks(recordings["en/jfk"].pcm()), END])
    assert set(result.texts) == {"first"}
    assert result.code == 1000
