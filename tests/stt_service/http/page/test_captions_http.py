"""Captions over real sockets: a published stream, its viewers, and their access."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack

import pytest
import pytest_asyncio
from starlette.middleware import Middleware
from starlette.routing import Route

from benchmarks.recordings import Recording
from stt_service.access import tokens
from stt_service.access.listen_address import ListenAddress
from stt_service.http.guard import AccessRules, Guard
from stt_service.http.listener import HttpListener
from stt_service.http.page.caption_hub import MAX_CHANNELS, MAX_UNVERIFIED_NAMES_OF_ADDRESS, CaptionHub
from stt_service.http.page.errors import reject
from stt_service.http.page.viewers import CaptionViewers
from stt_service.server import Server
from tests.support.clients.caption_client import viewer
from tests.support.clients.page_client import END, chunks, page_stream, request, send_messages
from tests.support.servers.in_process_server import BlockingServerEngine, running_server

TOKEN = tokens.new_token()
KEY = "key-of-the-publisher_1"
VIEWER_KEY = "key-of-the-viewers_1"
RELEASED_NAME = "the text"


@pytest_asyncio.fixture
async def server() -> AsyncIterator[Server]:
    engine = BlockingServerEngine()
    engine.release()
    async with running_server(engine, 2) as running:
        yield running


@pytest_asyncio.fixture
async def protected(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """The address of a server that requires tokens."""
    file = tmp_path_factory.mktemp("tokens") / "tokens"
    file.write_text(tokens.line("ann", TOKEN))
    async with running_server(BlockingServerEngine(), 2, more={"auth_tokens_file": str(file)}) as running:
        yield running.http.address


def published(name: str = "talk", key: str = KEY, recording: str = "1", **config: object) -> str:
    """Return the first message of a published stream; its finals have the text RELEASED_NAME."""
    settings = {"language": "en", "initialPrompt": RELEASED_NAME}
    return json.dumps(
        {
            "config": {"settings": settings, "partials": True, **config},
            "captions": {"name": name, "key": key, "viewerKey": VIEWER_KEY, "recording": recording},
        }
    )


def bearer(value: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {value}"}


async def test_viewers_receive_the_responses_of_the_publisher(
    server: Server, recordings: Mapping[str, Recording]
) -> None:
    address = server.http.address
    async with viewer(address, "talk") as first, viewer(address, "talk") as second:
        assert [(await each.until("waiting"))[-1].data for each in (first, second)] == [{}, {}]
        result = await send_messages(address, [published(), *chunks(recordings["en/jfk"].pcm()), END])
        received = [await each.until("waiting") for each in (first, second)]
    assert received[0] == received[1]
    assert received[0][0].kind == "live"
    events = [event.response for event in received[0] if event.id]
    kept = ("speech_started", "partial", "final", "suppressed")
    assert events == [response for response in result.responses if response.WhichOneof("event") in kept]
    assert RELEASED_NAME in result.texts
    async with viewer(address, "talk") as late:
        history = [await late.next() for event in received[0] if event.id and event.kind != "partial"]
        history.append(await late.next())  # the first one is the state
    finals = [event for event in received[0] if event.kind == "final"]
    assert [event for event in history if event is not None and event.kind == "final"] == finals
    last = received[0][-2]
    async with viewer(address, "talk", {"Last-Event-ID": last.id}) as returning:
        await returning.until("waiting")
        await send_messages(address, [published(), END])
        assert [event.kind for event in await returning.until("waiting")] == ["live", "waiting"]


async def test_utterance_that_is_recognized_again_is_published_once(
    server: Server, recordings: Mapping[str, Recording]
) -> None:
    address, audio = server.http.address, chunks(recordings["en/jfk"].pcm())
    async with viewer(address, "talk") as present:
        await present.until("waiting")
        async with page_stream(address) as lost:
            messages: list[str | bytes] = [published(), *audio, END]
            for message in messages:
                await lost.send(message)
            seen = await present.until("final")  # published, and not read by the publisher
            lost.transport.abort()
        seen += await present.until("waiting")
        result = await send_messages(address, [published(resume={"nextUtterance": "0"}), *audio, END])
        seen += await present.until("waiting")
    finals = [event.response.final.utterance for event in seen if event.kind == "final"]
    assert finals == [response.final.utterance for response in result.responses if response.HasField("final")]


async def test_rejected_stream_is_not_published(server: Server) -> None:
    async with viewer(server.http.address, "talk") as stream:
        await stream.until("waiting")
        rejected = await send_messages(server.http.address, [published(settings={"language": "klingon"})])
        assert rejected.failure.reason == "INVALID_ARGUMENT"
        await send_messages(server.http.address, [published(), END])
        assert [event.kind for event in await stream.until("waiting")] == ["live", "waiting"]
        for number in range(MAX_CHANNELS):
            await send_messages(server.http.address, [published(f"name{number}", settings={"language": "klingon"})])
        assert not (await send_messages(server.http.address, [published("other"), END])).failure.reason


async def test_stream_that_ends_early_leaves_its_viewers_waiting(server: Server) -> None:
    async with viewer(server.http.address, "talk") as stream:
        async with page_stream(server.http.address) as socket:
            await socket.send(published())
            await stream.until("live")
        await stream.until("waiting")


async def test_second_publisher_with_another_key_is_rejected(server: Server) -> None:
    async with page_stream(server.http.address) as socket:
        await socket.send(published())
        await socket.recv()
        result = await send_messages(server.http.address, [published(key="another-key-of-16+"[:16])])
    assert "Invalid captions.name='talk'" in result.failure.message
    assert (result.failure.field, result.code) == ("captions.name", 1008)


async def test_failure_of_a_stream_that_cannot_be_published_names_its_captions(server: Server) -> None:
    for number in range(MAX_CHANNELS):
        result = await send_messages(server.http.address, [published(f"name{number}"), END])
        assert (result.failure.reason, result.failure.field) == ("", "")
    failure = (await send_messages(server.http.address, [published(), END])).failure
    assert (failure.reason, failure.field) == ("RESOURCE_EXHAUSTED", "captions")
    assert failure.HasField("retry_after")


@pytest.mark.parametrize(
    ("message", "field"),
    [
        (published(name="a/b"), "captions.name"),
        (published(key="short"), "captions.key"),
        (published(key=VIEWER_KEY), "captions.viewerKey"),
        (json.dumps({"config": {}, "captions": {"name": "talk", "key": KEY, "viewerKey": VIEWER_KEY}}), "captions"),
        (published(recording="a/b"), "captions.recording"),
        (json.dumps({"config": {}, "captions": None}), "captions"),
        (json.dumps({"update": {}, "captions": json.loads(published())["captions"]}), "captions"),
    ],
)
async def test_invalid_captions_end_the_stream(server: Server, message: str, field: str) -> None:
    result = await send_messages(server.http.address, [message])
    assert result.failure.message.startswith("Invalid captions")
    assert result.failure.field == field


async def test_viewer_that_disconnects_leaves_no_trace(server: Server) -> None:
    for number in range(600):  # more than viewers and names together
        async with viewer(server.http.address, f"name{number % 70}") as stream:
            await stream.until("waiting")


async def test_viewer_needs_a_token_or_the_key(protected: str) -> None:
    async with viewer(protected, "talk", bearer(TOKEN)) as stream:
        await stream.until("waiting")
        async with page_stream(protected, token=TOKEN) as socket:
            await socket.send(published())
            await stream.until("live")
            async with viewer(protected, "talk", bearer(VIEWER_KEY)) as with_key:
                await with_key.until("live")
            for headers in ({}, bearer("wrong"), bearer("another-key-of-16+"[:16]), bearer(KEY)):
                response = await request(protected, "/api/captions/talk", headers=headers)
                assert response.status == 401
                assert response.json["failure"]["reason"] == "UNAUTHENTICATED"  # type: ignore[index]


async def test_viewer_with_a_key_can_wait_for_the_publisher(protected: str) -> None:
    async with (
        viewer(protected, "talk", bearer(VIEWER_KEY)) as right,
        viewer(protected, "talk", bearer("w" * 16)) as wrong,
    ):
        for each in (right, wrong):
            await each.until("waiting")
        async with page_stream(protected, token=TOKEN) as socket:
            await socket.send(published())
            await right.until("live")
            assert await wrong.next() is None


async def test_audience_with_the_key_waits_for_the_publisher(protected: str) -> None:
    async with AsyncExitStack() as opened:
        audience = [await opened.enter_async_context(viewer(protected, "talk", bearer(VIEWER_KEY))) for _ in range(40)]
        for each in audience:
            await each.until("waiting")
        async with page_stream(protected, token=TOKEN) as socket:
            await socket.send(published())
            for each in audience:
                await each.until("live")


async def test_client_that_waits_for_many_names_is_rejected_by_its_address(protected: str) -> None:
    async with AsyncExitStack() as opened:
        for number in range(MAX_UNVERIFIED_NAMES_OF_ADDRESS):
            stream = await opened.enter_async_context(viewer(protected, f"name{number}", bearer(VIEWER_KEY)))
            await stream.until("waiting")
        rejected = await request(protected, "/api/captions/another", headers=bearer(VIEWER_KEY))
        assert rejected.status == 429
        await (await opened.enter_async_context(viewer(protected, "another", bearer(TOKEN)))).until("waiting")


async def test_page_of_another_site_views_nothing(server: Server) -> None:
    foreign = await request(server.http.address, "/api/captions/talk", headers={"Origin": "https://x.example"})
    assert foreign.status == 403


async def test_invalid_name_is_not_found(server: Server) -> None:
    for name in ("a.b", "a" * 65, "%C3%A4"):
        assert (await request(server.http.address, f"/api/captions/{name}")).status == 404
    assert (await request(server.http.address, "/api/captions/talk", "POST")).status == 404


async def test_draining_server_ends_viewers_at_once(server: Server) -> None:
    async with viewer(server.http.address, "talk") as stream:
        await stream.until("waiting")
        async with asyncio.timeout(30), asyncio.TaskGroup() as tasks:
            tasks.create_task(server.drain())
            assert await stream.next() is None


async def test_silent_channel_sends_heartbeats() -> None:
    endpoint = CaptionViewers(CaptionHub(), heartbeat_s=0.01)
    guard = Middleware(Guard, AccessRules(), reject)
    route = Route("/api/captions/{name}", endpoint, methods=["GET"], middleware=[guard])
    listener = HttpListener(ListenAddress("HTTP_PORT", "127.0.0.1", 0), route)
    listener.start()
    async with viewer(listener.address, "talk") as stream:
        assert [event.kind for event in await stream.until(":")] == ["waiting", ":"]
    await listener.stop()
