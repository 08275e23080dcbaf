"""The Wyoming port over sockets, with an engine that waits until it is released and returns the server's prompt.

The official client against the real model is in tests/recipes.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import pytest
from wyoming.asr import Transcribe, Transcript
from wyoming.audio import AudioStart, AudioStop
from wyoming.event import Event
from wyoming.info import Describe, Info
from wyoming.ping import Ping, Pong

from benchmarks.harness.ports import free_port
from benchmarks.recordings import Recording
from stt_service.access.credentials import ServerCredentials
from stt_service.access.listen_address import ListenAddress
from stt_service.errors import StartupError
from stt_service.server import Server
from stt_service.settings.schema import LANGUAGES, ServerSettings
from stt_service.wyoming.connection import DEFAULT_TIMEOUTS, Timeouts
from stt_service.wyoming.listener import MAX_CONNECTIONS, WyomingListener
from tests.support.clients.wyoming_client import WyomingClient, wyoming_client
from tests.support.servers.in_process_server import BlockingServerEngine, running_server

pytestmark = pytest.mark.timeout(90)
TEXT = "lights on"
DISCONNECT_S = 1.0  # in which a disconnected client must be noticed
FLOOD = 2_000
START = b'{"type": "audio-start", "data": {"rate": 16000, "width": 2, "channels": 1}}\n'
HOSTILE = {
    "garbage": b"\x00\xff\x13garbage\n",
    "garbage without end": bytes(70_000),
    "http": b"POST /v1/audio/transcriptions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 20\r\n\r\n" + b"x" * 20,
    "tls": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\n" * 500,
    "empty line": b"\n",
    "wrong json": b'{"type": "describe"\n',
    "deep json": b'{"type": "ping", "data": ' + b"[" * 60_000 + b"\n",
    "no type": b'{"data": {}}\n',
    "number as type": b'{"type": 5}\n',
    "giant data": b'{"type": "ping", "data_length": 99999999999}\n',
    "giant payload": b'{"type": "audio-chunk", "payload_length": 4294967296}\n',
    "negative length": b'{"type": "ping", "data_length": -1}\n',
    "data is a list": b'{"type": "ping", "data_length": 2}\n[]',
    "data is not UTF-8": b'{"type": "ping", "data_length": 2}\n\xff\xfe',
    "half header": b'{"type": "desc',
    "half payload": b'{"type": "audio-chunk", "payload_length": 100}\nabc',
    "chunk without start": b'{"type": "audio-chunk", "payload_length": 2}\nab',
    "stop without start": b'{"type": "audio-stop"}\n',
    "start without format": b'{"type": "audio-start"}\n',
    "24 bit": b'{"type": "audio-start", "data": {"rate": 16000, "width": 3, "channels": 1}}\n',
    "rate of a clock": b'{"type": "audio-start", "data": {"rate": 1000000, "width": 2, "channels": 1}}\n',
    "two starts": 2 * START,
    "other format": START + b'{"type": "audio-chunk", "data": {"rate": 8000}, "payload_length": 2}\nab',
    "late transcribe": START + b'{"type": "transcribe"}\n',
    "names are numbers": b'{"type": "transcribe", "data": {"transcript_names": [1, 2]}}\n',
    "unknown language": b'{"type": "transcribe", "data": {"language": "klingon"}}\n' + START,
}


@pytest.fixture
def pcm(recordings: Mapping[str, Recording]) -> bytes:
    return recordings["en/brooklyn-bridge"].pcm()


@dataclass(frozen=True, slots=True)
class WyomingServer:
    """A server with a Wyoming port and an engine."""

    server: Server
    port: int
    held: BlockingServerEngine

    def metric(self, name: str, **labels: str) -> int:
        return round(self.server.metrics.registry.get_sample_value(name, labels) or 0)

    def ended(self, outcome: str) -> int:
        """Return the number of streams of this port that have ended with this status."""
        return self.metric("stt_calls_total", api="wyoming", outcome=outcome)

    async def wait_for(self, name: str, value: int, timeout_s: float = 30.0, **labels: str) -> None:
        """Wait until a metric has a value."""
        async with asyncio.timeout(timeout_s):
            while self.metric(name, **labels) != value:  # noqa: ASYNC110  (a metric has no event)
                await asyncio.sleep(0.005)

    async def wait_for_streams(self, count: int, timeout_s: float = 30.0) -> None:
        await self.wait_for("stt_streams", count, timeout_s)


@asynccontextmanager
async def serving(
    max_streams: int = 4, *, released: bool = True, timeouts: Timeouts = DEFAULT_TIMEOUTS, **more: object
) -> AsyncIterator[WyomingServer]:
    held = BlockingServerEngine()
    if released:
        held.release()
    async with running_server(held, max_streams, more={"initial_prompt": TEXT, **more}) as server:
        listener = WyomingListener(ListenAddress("WYOMING_PORT", "127.0.0.1", 0), server.service, timeouts)
        await listener.start()
        try:
            yield WyomingServer(server, listener.number, held)
        finally:
            held.release()
            await listener.stop()


def kinds(events: list[Event]) -> list[str]:
    return [event.type for event in events]


TRANSCRIPTION = ["transcript-start", "transcript-chunk", "transcript", "transcript-stop"]


async def test_description_has_the_languages_and_the_abilities_of_the_server() -> None:
    async with serving() as at, wyoming_client(at.port) as client:
        await client.send(Describe())
        event = await client.receive()
        assert event is not None
        (program,) = Info.from_event(event).asr
        (model,) = program.models
        assert (program.name, model.name, model.installed) == ("realtime-stt", "base", True)
        assert set(model.languages) == LANGUAGES
        assert program.supports_transcript_streaming
        assert program.requires_external_vad


async def test_transcriptions_follow_each_other_on_one_connection(pcm: bytes) -> None:
    async with serving() as at, wyoming_client(at.port) as client:
        for language in ("ru", "en", None):
            await client.send_recording(pcm, Transcribe(language=language))
            events = await client.until_stop()
            assert kinds(events) == TRANSCRIPTION
            assert events[0].data == {"language": language or "ru"}
            assert events[1].data["text"] == Transcript.from_event(events[2]).text == TEXT
        assert at.ended("OK") == 3


async def test_next_transcription_can_be_sent_before_the_text_of_the_last_one(pcm: bytes) -> None:
    async with serving(released=False) as at, wyoming_client(at.port) as client:
        await client.send_recording(pcm)
        await at.held.entered()
        sending = asyncio.create_task(client.send_recording(pcm))
        at.held.release()
        assert kinds(await client.until_stop() + await client.until_stop()) == 2 * TRANSCRIPTION
        await sending


async def test_silence_has_an_empty_transcript() -> None:
    async with serving() as at, wyoming_client(at.port) as client:
        await client.send_recording(bytes(64_000))
        events = await client.until_stop()
        assert kinds(events) == ["transcript-start", "transcript", "transcript-stop"]
        assert events[1].data["text"] == ""


async def test_ping_is_answered_while_text_is_pending_and_unknown_events_are_ignored(pcm: bytes) -> None:
    async with serving(released=False) as at, wyoming_client(at.port) as client:
        await client.send_bytes(b'{"type": "select-program", "data": {"name": "other"}}\n{"type": "sing"}\n')
        await client.send_recording(pcm)
        await at.held.entered()
        await client.send(Ping("один"))
        events = [await client.receive(), await client.receive()]
        assert [event.type for event in events if event] == ["transcript-start", "pong"]
        assert events[1] is not None
        assert Pong.from_event(events[1]).text == "один"
        await client.send_bytes(b'{"type": "ping", "data": {"text": "\\ud800"}}\n{"type": "ping"}\n')
        texts = [event.data["text"] for event in [await client.receive(), await client.receive()] if event]
        assert texts == ["?", None]


async def test_stream_is_labeled_and_adjusted_requests_are_logged(pcm: bytes, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    async with serving() as at, wyoming_client(at.port) as client:
        names = [f"name {i}" for i in range(101)]
        await client.send_recording(pcm, Transcribe(name="large", transcript_names=names))
        await client.until_stop()
    lines = [record.getMessage() for record in caplog.records]
    assert 'transcribe adjusted peer=127.0.0.1 omitted="1 names, model large" dropped_lines=0' in lines
    (opened,) = (line for line in lines if line.startswith("stream opened"))
    assert "client=wyoming" in opened


async def test_full_server_rejects_the_transcription_and_serves_the_others(pcm: bytes) -> None:
    async with serving(1, released=False) as at, wyoming_client(at.port) as first, wyoming_client(at.port) as second:
        await first.send_recording(pcm)
        await at.held.entered()
        await second.send_recording(pcm)
        error = await second.rejection()
        assert (error.code, error.text.startswith("All 1 slots")) == ("RESOURCE_EXHAUSTED", True)
        at.held.release()
        assert (await first.until_stop())[-2].data["text"] == TEXT


async def test_rejected_client_can_send_its_audio_before_it_reads_the_error(pcm: bytes) -> None:
    async with serving(rate_limit_per_minute=1) as at:
        async with wyoming_client(at.port) as first:
            await first.send_recording(pcm)
            await first.until_stop()
        async with wyoming_client(at.port) as second:
            await second.start()
            await at.wait_for("stt_rejected_total", 1, reason="quota")
            for _ in range(20):
                await second.send_audio(pcm[:3200])
                await asyncio.sleep(0.01)
            assert (await second.rejection()).code == "RESOURCE_EXHAUSTED"


async def test_loading_server_sends_an_error_instead_of_a_description() -> None:
    ports = {"data_port": 0, "control_port": 0, "http_port": 0, "wyoming_port": free_port()}
    settings = ServerSettings.model_validate(ports)
    server = Server(settings, ServerCredentials())
    await server.start()
    try:
        async with wyoming_client(settings.wyoming_port) as client:
            await client.send(Describe())
            error = await client.rejection()
            assert (error.code, "still loading" in error.text) == ("UNAVAILABLE", True)
    finally:
        await server.drain()


@pytest.mark.parametrize("name", HOSTILE)
async def test_hostile_bytes_are_rejected_and_other_clients_are_unaffected(
    name: str, pcm: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(released=False) as at, wyoming_client(at.port) as other, wyoming_client(at.port) as client:
        await other.send_recording(pcm)
        await at.held.entered()
        await client.send_bytes(HOSTILE[name], close=name.startswith("half"))
        error = await client.rejection()
        assert error.code == "INVALID_ARGUMENT", error
        at.held.release()
        assert kinds(await other.until_stop()) == TRANSCRIPTION
        await at.wait_for_streams(0)
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


async def test_flood_of_events_leaves_the_event_loop_to_others() -> None:
    async with serving() as at, wyoming_client(at.port) as client:
        turns = 0

        async def count_turns() -> None:
            nonlocal turns
            while True:
                await asyncio.sleep(0)
                turns += 1

        counting = asyncio.create_task(count_turns())
        await client.send_bytes(FLOOD * b'{"type":"ping"}\n')
        for _ in range(FLOOD):
            assert await client.receive() is not None
        counting.cancel()
        assert turns >= FLOOD


@pytest.mark.parametrize("sent", ["start", "audio", "stop", "more audio than is read"])
async def test_recognition_is_canceled_when_the_client_disconnects(sent: str, pcm: bytes) -> None:
    async with serving(1, released=False) as at, wyoming_client(at.port) as client:
        await client.start()
        if sent != "start":
            await client.send_audio(pcm)
        if sent == "stop":
            await client.send(AudioStop())
            await at.held.entered()
        if sent == "more audio than is read":
            await client.send_audio(
                20 * (pcm + bytes(64_000))
            )  # four finals are pending, then the stream reads no more
        await at.wait_for_streams(1)
        client.writer.transport.abort()
        await at.wait_for_streams(0, DISCONNECT_S)
        assert at.ended("CANCELLED") == 1


async def test_disconnected_client_is_noticed_while_its_next_transcription_waits(pcm: bytes) -> None:
    async with serving(1, released=False) as at, wyoming_client(at.port) as client:
        await client.send_recording(pcm)
        await at.held.entered()
        await client.send_recording(pcm)
        client.writer.transport.abort()
        await at.wait_for_streams(0, DISCONNECT_S)
        assert at.ended("CANCELLED") == 1


async def test_clients_that_vanish_at_once_leave_nothing_behind(caplog: pytest.LogCaptureFixture) -> None:
    events = [b"", *(START[:length] for length in range(1, len(START), 9)), START, START + b'{"type": "audio-stop"}\n']
    async with serving(MAX_CONNECTIONS) as at:
        for sent in 3 * events:
            async with wyoming_client(at.port) as client:
                await client.send_bytes(sent)
                client.writer.transport.abort()
        async with wyoming_client(at.port) as client:
            await client.send_recording(bytes(32_000))
            await client.until_stop()
        await at.wait_for_streams(0)
    gc.collect()  # tasks log their unhandled errors when they are deleted
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


async def test_client_without_a_first_event_is_disconnected() -> None:
    async with serving(timeouts=Timeouts(first_event_s=0.05)) as at, wyoming_client(at.port) as client:
        error = await client.rejection()
        assert (error.code, error.text) == ("DEADLINE_EXCEEDED", "No event received for 0.05 s.")


async def test_idle_client_is_disconnected_but_not_while_its_text_is_pending(pcm: bytes) -> None:
    idle = Timeouts(first_event_s=0.2, idle_s=0.2)
    async with serving(released=False, timeouts=idle) as at, wyoming_client(at.port) as client:
        await client.send_recording(pcm)
        await at.held.entered()
        waiting = asyncio.create_task(client.until_stop())
        done, _ = await asyncio.wait([waiting], timeout=2 * idle.idle_s)
        assert not done
        at.held.release()
        assert kinds(await waiting) == TRANSCRIPTION
        assert (await client.rejection()).code == "DEADLINE_EXCEEDED"


async def test_new_connection_replaces_the_oldest_idle_one(pcm: bytes) -> None:
    async with serving(released=False) as at, AsyncExitStack() as stack:

        async def connect() -> WyomingClient:
            client = await stack.enter_async_context(wyoming_client(at.port))
            await client.send(Ping())
            assert await client.receive() is not None
            return client

        busy = await connect()
        await busy.send_recording(pcm)
        await at.held.entered()
        oldest, *others = [await connect() for _ in range(MAX_CONNECTIONS - 1)]
        last = await connect()
        assert await oldest.receive() is None
        for client in (others[0], last):
            await client.send(Ping())
            assert await client.receive() is not None
        at.held.release()
        assert kinds(await busy.until_stop()) == TRANSCRIPTION


async def test_connection_that_is_replaced_before_it_is_served_is_closed() -> None:
    """A full backlog is accepted in one turn of the event loop: its last connection replaces its first one."""
    async with serving() as at, wyoming_client(at.port) as busy, AsyncExitStack() as stack:
        await busy.send(AudioStart(16_000, 2, 1))
        await at.wait_for_streams(1)
        burst = [stack.enter_context(socket.create_connection(("127.0.0.1", at.port))) for _ in range(MAX_CONNECTIONS)]
        burst[0].setblocking(False)
        async with asyncio.timeout(DISCONNECT_S):
            assert await asyncio.get_running_loop().sock_recv(burst[0], 1) == b""


async def test_connection_beyond_the_limit_is_rejected_if_all_others_transcribe() -> None:
    async with serving(MAX_CONNECTIONS) as at, AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(wyoming_client(at.port)) for _ in range(MAX_CONNECTIONS)]
        for client in clients:
            await client.send(AudioStart(16_000, 2, 1))
        await at.wait_for_streams(MAX_CONNECTIONS)
        async with wyoming_client(at.port) as late:
            error = await late.rejection()
            assert (error.code, f"All {MAX_CONNECTIONS} connections" in error.text) == ("RESOURCE_EXHAUSTED", True)
        await clients[0].send(AudioStop())
        assert kinds(await clients[0].until_stop()) == ["transcript-start", "transcript", "transcript-stop"]


async def test_drain_sends_pending_text_and_closes_idle_connections(pcm: bytes) -> None:
    port = free_port()
    async with AsyncExitStack() as stack:
        held = BlockingServerEngine()
        more = {"initial_prompt": TEXT, "wyoming_port": port}
        server = await stack.enter_async_context(running_server(held, 4, more=more))
        busy, idle = [await stack.enter_async_context(wyoming_client(port)) for _ in range(2)]
        await idle.send(Ping())
        assert await idle.receive() is not None
        await busy.send_recording(pcm)
        await held.entered()
        draining = asyncio.create_task(server.drain())
        held.release()
        events = await busy.until_stop()
        await draining
        assert kinds(events) == TRANSCRIPTION
        assert await idle.receive() is None
        with pytest.raises(ConnectionError):
            await asyncio.open_connection("127.0.0.1", port)


async def test_open_transcription_ends_with_an_error_when_the_server_drains(pcm: bytes) -> None:
    async with serving() as at, wyoming_client(at.port) as client:
        await client.start()
        await client.send_audio(pcm)
        await at.wait_for_streams(1)
        draining = asyncio.create_task(at.server.drain())
        await client.send_audio(bytes(160_000))  # the silence ends the utterance
        events = [event async for event in _until_closed(client)]
        await draining
        assert kinds(events) == ["transcript-start", "transcript-chunk", "error"]
        assert events[-1].data["code"] == "UNAVAILABLE"


async def _until_closed(client: WyomingClient) -> AsyncIterator[Event]:
    while (event := await client.receive()) is not None:
        yield event


async def test_port_in_use_stops_the_start() -> None:
    async with serving() as at:
        second = WyomingListener(ListenAddress("WYOMING_PORT", "127.0.0.1", at.port), at.server.service)
        with pytest.raises(StartupError, match=f"WYOMING_PORT={at.port} at 127.0.0.1"):
            await second.start()
