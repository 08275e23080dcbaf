"""The client against a real gRPC server on loopback that follows a script."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import replace

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from stt.v1 import stt_pb2

from stt_client.client import recognize
from stt_client.errors import ClientError, ConnectionFailedError, ServiceError, SourceError
from stt_client.events import (
    AudioFormat,
    Connection,
    ConnectionState,
    Encoding,
    Event,
    Final,
    Input,
    Latency,
    Notice,
    Partial,
    Settings,
    SettingsUpdated,
    SpeechStarted,
    Started,
    StreamOptions,
    Suppressed,
    Word,
)
from stt_client.recovery.retry import RetryPolicy
from stt_client.status import status
from stt_client.target import Target
from stt_client.transport import channel
from stt_client.transport.channel import open_channel
from stt_service.rpc.listener import OPTIONS as SERVER_OPTIONS
from tests.support.servers.scripted_server import (
    Response,
    Script,
    Stream,
    failure,
    final,
    in_sequence,
    partial,
    replies,
    serving,
    suppressed,
    until_canceled,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")  # gRPC does not support a change of the loop


async def chunks(*audio: bytes) -> AsyncIterator[bytes]:
    for chunk in audio:
        yield chunk


ONCE = RetryPolicy(connect_s=0)


async def endless() -> AsyncIterator[bytes]:
    while True:
        yield bytes(3200)
        await asyncio.sleep(0)


async def events_of(
    script: Script, audio: AsyncIterator[bytes] | None = None, options: StreamOptions | None = None
) -> list[Event]:
    async with serving(script) as server:
        events = recognize(server.address, audio or chunks(b"abcd"), options or StreamOptions(), ONCE)
        return [event async for event in events if not isinstance(event, Connection)]


async def test_every_kind_of_event_has_its_positions() -> None:
    notice = stt_pb2.Notice(reason="DRAIN", message="going away", remaining=Duration(seconds=2))
    started, *events = await events_of(
        replies(
            Response(speech_started=stt_pb2.SpeechStarted(utterance=1, start_ms=320), received_ms=400),
            partial("раз", " два", revision=3),
            final("раз", start_ms=320, end_ms=900),
            suppressed("Thank you."),
            Response(settings=stt_pb2.Settings(language="en", hotwords=["x"]), received_ms=2000),
            Response(notice=notice, received_ms=2000, committed_ms=2000),
        ),
        options=StreamOptions(partials=True),
    )
    assert isinstance(started, Started)
    assert (started.stream_id, started.model, started.settings.language) == ("s1", "base", "ru")
    assert events == [
        SpeechStarted(1, 320, received_ms=400),
        Partial(1, 3, "раз", " два", 0, 500, received_ms=600),
        Final(
            utterance=1,
            text="раз",
            start_ms=320,
            end_ms=900,
            language="ru",
            language_probability=0.5,
            confidence=0.75,
            endpoint="silence",
            latency=Latency(1.5, 0.01, 0.25, speculative=True, batch=2),
            words=(Word("раз", 320, 900, 0.5),),
            received_ms=900,
            committed_ms=900,
        ),
        Suppressed(2, 1000, 2000, "NO_SPEECH", "Thank you.", received_ms=2000, committed_ms=2000),
        SettingsUpdated(Settings("en", "", ("x",), translate=False), received_ms=2000),
        Notice("DRAIN", "going away", 2000, received_ms=2000, committed_ms=2000),
    ]


async def test_config_is_sent_first_and_audio_arrives_byte_for_byte() -> None:
    options = StreamOptions(
        AudioFormat(48_000, 2, Encoding.F32LE),
        Settings("en", "Names: Ann.", ("Ann", "Bob"), translate=True),
        partials=True,
        word_times=True,
        client_id="test",
    )
    async with serving(replies()) as server:
        async for _ in recognize(server.address, chunks(b"abc", b"de"), options):
            pass
        stream = server.streams[0]
    assert stream.config == stt_pb2.StreamingConfig(
        format=stt_pb2.AudioFormat(encoding=stt_pb2.AudioFormat.ENCODING_PCM_F32LE, sample_rate_hz=48_000, channels=2),
        settings=stt_pb2.Settings(language="en", initial_prompt="Names: Ann.", hotwords=["Ann", "Bob"], translate=True),
        partials=True,
        word_times=True,
        client_id="test",
        resumable=True,
    )
    assert (bytes(stream.audio), stream.half_closed) == (b"abcde", True)


async def test_unset_settings_are_not_sent() -> None:
    async with serving(replies()) as server:
        async for _ in recognize(server.address, chunks(), StreamOptions()):
            pass
        assert server.streams[0].config.settings == stt_pb2.Settings()


UTTERANCES = Settings(silence_s=0.7, min_utterance_s=0, max_utterance_s=12.5, sensitivity=0.25)


async def test_utterance_settings_are_sent_and_received() -> None:
    async with serving(replies()) as server:
        async for _ in recognize(server.address, chunks(), StreamOptions(settings=UTTERANCES)):
            pass
        sent = server.streams[0].config.settings
    (_, event) = await events_of(replies(Response(settings=sent)))
    assert isinstance(event, SettingsUpdated)
    assert replace(event.settings, language=None, prompt=None, translate=None) == UTTERANCES


@pytest.mark.parametrize("silence_s", [float("nan"), float("inf"), -1.0])
async def test_setting_out_of_range_raises_an_error_that_names_it(silence_s: float) -> None:
    settings = Settings(silence_s=silence_s)

    async def changes() -> AsyncIterator[Input]:
        yield settings

    with pytest.raises(ClientError, match=f"silence_s={silence_s} is invalid"):
        await events_of(replies(), options=StreamOptions(settings=settings))
    async with serving(replies()) as server:
        with pytest.raises(ClientError, match=f"silence_s={silence_s} is invalid"):
            async for _ in recognize(server.address, changes()):
                pass


async def test_full_server_is_reported_and_retried() -> None:
    rejected = failure(grpc.StatusCode.RESOURCE_EXHAUSTED, "All 2 streams are taken.")
    rejected.failure.retry_after.CopyFrom(Duration(nanos=1_000_000))

    async def is_full(stream: Stream) -> None:
        await stream.send(rejected)
        await stream.context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "full")

    async with serving(in_sequence(is_full, is_full, replies(final("раз")))) as server:
        seen = [event async for event in recognize(server.address, chunks(b"abcd"))]
    states = [(event.state, event.message) for event in seen if isinstance(event, Connection)]
    waits = (ConnectionState.WAITING, "All 2 streams are taken.")
    assert states == [(ConnectionState.CONNECTING, ""), waits, waits, (ConnectionState.CONNECTED, "")]
    assert isinstance(seen[-1], Final)


async def test_unknown_event_is_ignored() -> None:
    assert len(await events_of(replies(Response(received_ms=5)))) == 1  # started


async def test_in_band_failure_is_raised_while_the_client_is_writing() -> None:
    async def rejects(stream: Stream) -> None:
        await stream.accept()
        await stream.send(failure(grpc.StatusCode.INVALID_ARGUMENT, "A second config came."))
        await stream.context.abort(grpc.StatusCode.INVALID_ARGUMENT, "A second config came.")

    with pytest.raises(ServiceError, match=r"^A second config came\.$") as caught:
        await events_of(rejects, endless())
    assert caught.value.status == "INVALID_ARGUMENT"


async def test_no_audio_is_sent_before_the_stream_is_accepted() -> None:
    ended = asyncio.Event()

    async def rejects(stream: Stream) -> None:
        try:
            await stream.send(failure(grpc.StatusCode.RESOURCE_EXHAUSTED, "All 4 streams are taken."))
            await stream.receive_audio()
        finally:
            ended.set()

    async with serving(rejects) as server:
        with pytest.raises(ServiceError, match=r"^All 4 streams are taken\.$"):
            async for _ in recognize(server.address, endless(), retry_policy=ONCE):
                pass
        await ended.wait()
    assert not server.streams[0].audio


@pytest.mark.parametrize("status", [grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED])
async def test_status_without_a_failure_raises_a_complete_message(status: grpc.StatusCode) -> None:
    async def rejects(stream: Stream) -> None:
        await stream.context.abort(status, "no audio for 300 s")

    with pytest.raises(ServiceError, match=f"answered {status.name}: no audio for 300 s") as caught:
        await events_of(rejects)
    assert caught.value.status == status.name


async def test_server_that_aborts_while_the_client_is_writing_raises_an_error() -> None:
    async def aborts(stream: Stream) -> None:
        await stream.accept()
        await stream.context.abort(grpc.StatusCode.UNAVAILABLE, "going")

    with pytest.raises(ServiceError, match=r"aborted the stream without a reason|was lost: going"):
        await events_of(aborts, endless())


async def test_source_error_is_raised_after_the_pending_finals() -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield b"abcd"
        raise SourceError("the microphone went away.")

    seen = list[Event]()
    async with serving(replies(final("раз"))) as server:
        with pytest.raises(SourceError, match="went away"):  # noqa: PT012
            async for event in recognize(server.address, broken(), StreamOptions()):
                seen.append(event)
    assert [type(event) for event in seen] == [Connection, Connection, Started, Final]


@pytest.mark.parametrize("audio", [pytest.param(endless, id="writing"), pytest.param(chunks, id="half-closed")])
async def test_closing_the_events_cancels_the_stream(audio: Callable[[], AsyncIterator[bytes]]) -> None:
    cancelled = asyncio.Event()

    async def waits(stream: Stream) -> None:
        await stream.accept()
        try:
            await stream.receive_audio()
            await until_canceled(stream)
        except asyncio.CancelledError:
            cancelled.set()
            raise

    async with serving(waits) as server:
        events = recognize(server.address, audio(), StreamOptions())
        for state in (ConnectionState.CONNECTING, ConnectionState.CONNECTED):
            connection = await anext(events)
            assert isinstance(connection, Connection)
            assert connection.state is state
        assert isinstance(await anext(events), Started)
        await events.aclose()
        async with asyncio.timeout(10):
            await cancelled.wait()


async def test_audio_is_read_only_up_to_the_buffer_limit() -> None:
    read_bytes = 0

    async def counted() -> AsyncIterator[bytes]:
        nonlocal read_bytes
        async for chunk in endless():
            read_bytes += len(chunk)
            yield chunk

    with pytest.raises(TimeoutError):  # noqa: PT012
        async with (
            serving(until_canceled) as server,
            aclosing(recognize(server.address, counted(), retry_policy=RetryPolicy(max_buffered_s=90))) as events,
            asyncio.timeout(1),
        ):
            async for _ in events:
                pass
    assert 90 * 32_000 <= read_bytes < 92 * 32_000


async def test_server_accepts_the_keepalive_pings_of_the_client() -> None:
    min_interval_ms = dict(SERVER_OPTIONS)["grpc.http2.min_ping_interval_without_data_ms"]
    assert min_interval_ms < channel.PING_MS


async def test_refused_connection_is_reported_immediately() -> None:
    async with serving(replies()) as server:
        address = server.address
    with pytest.raises(ConnectionFailedError, match=f"^cannot reach {address}: is stt-server running\\?$"):
        async with open_channel(Target((address,)), address):
            pass


async def test_address_that_never_responds_times_out() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        with pytest.raises(ConnectionFailedError):
            async with open_channel(Target(()), f"127.0.0.1:{port}", timeout_s=0.1):
                pass


@pytest.mark.parametrize(("serves", "state"), [(True, "SERVING"), (False, "NOT_SERVING")])
async def test_status_contains_health_services_and_round_trip(serves: bool, state: str) -> None:
    async with serving(replies(), serves=serves) as server:
        result = await status(server.address)
    assert result.health == state
    assert result.services == ("grpc.health.v1.Health", "stt.v1.SpeechToText")
    assert 0 < result.round_trip_ms < 5000
