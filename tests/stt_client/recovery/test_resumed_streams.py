"""Streams that fail: requests to the next server, events for the user, and the end of retries."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from stt.v1 import stt_pb2

from stt_client.client import recognize
from stt_client.errors import ServiceError, SourceError
from stt_client.events import (
    Connection,
    ConnectionState,
    Event,
    Final,
    Finalize,
    Input,
    Settings,
    SpeechStarted,
    StreamOptions,
    Suppressed,
)
from stt_client.recovery.retry import MAX_ATTEMPTS_WITHOUT_PROGRESS, RetryPolicy
from stt_client.target import Target
from tests.support.servers.scripted_server import (
    Response,
    Script,
    Stream,
    abort_stream,
    failure,
    final,
    in_sequence,
    notice,
    partial,
    replies,
    serving,
    suppressed,
    until_canceled,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")  # gRPC does not support a change of the loop

AUDIO = bytes(number % 251 for number in range(3 * 32_000))  # three seconds
OPTIONS = StreamOptions(settings=Settings("ru"), partials=True)
SHORT_POLICY = RetryPolicy(connect_s=0, finish_s=0)


async def audio_input(*more: Input) -> AsyncIterator[Input]:
    yield AUDIO
    for item in more:
        yield item


async def recognized(
    server: str | Target, source: AsyncIterator[Input] | None = None, retry_policy: RetryPolicy | None = None
) -> list[Event]:
    async with asyncio.timeout(30):
        return [
            event async for event in recognize(server, source or audio_input(), OPTIONS, retry_policy or RetryPolicy())
        ]


def results(events: Sequence[Event]) -> list[tuple[int, str]]:
    return [(event.utterance, event.text) for event in events if isinstance(event, Final | Suppressed)]


def states(events: Sequence[Event]) -> list[str]:
    return [event.state.value for event in events if isinstance(event, Connection)]


def replies_then_aborts(*responses: Response) -> Script:
    """Receive all audio, send the responses and abort the stream."""

    async def script(stream: Stream) -> None:
        await stream.accept()
        await stream.receive_audio(len(AUDIO))
        await stream.send(*responses)
        await abort_stream(stream)

    return script


def speech_started(utterance: int) -> Response:
    return Response(speech_started=stt_pb2.SpeechStarted(utterance=utterance, start_ms=100), received_ms=400)


def uncommitted(response: Response, committed_ms: int) -> Response:
    """Return the response with a lower committed position."""
    response.committed_ms = committed_ms
    return response


async def test_uncommitted_audio_is_resent_byte_for_byte() -> None:
    first = replies_then_aborts(final("раз", 0, 100, 900))
    async with serving(in_sequence(first, replies(final("два", 1, 1100, 1900)))) as server:
        events = await recognized(server.address)
    assert results(events) == [(0, "раз"), (1, "два")]
    resumed = server.streams[1]
    assert resumed.config.resume == stt_pb2.Resume(
        audio_offset_ms=900, next_utterance=1, left_context_ms=260, previous_language="ru"
    )
    assert bytes(resumed.audio) == AUDIO[640 * 32 :]
    assert states(events) == ["connecting", "connected", "reconnecting", "resumed"]


async def test_suppressed_utterance_is_committed_too() -> None:
    first = replies_then_aborts(final("раз", 1, 0, 900), suppressed("you"))
    async with serving(in_sequence(first, replies())) as server:
        await recognized(server.address)
    assert server.streams[1].config.resume == stt_pb2.Resume(
        audio_offset_ms=2000, next_utterance=3, left_context_ms=240, previous_language="ru"
    )


async def test_uncommitted_final_is_emitted_once() -> None:
    first = replies_then_aborts(uncommitted(final("раз", 0, 100, 900), committed_ms=0))
    second = replies(final("раз", 0, 100, 900), final("два", 1, 1100, 1900))
    async with serving(in_sequence(first, second)) as server:
        events = await recognized(server.address)
    assert results(events) == [(0, "раз"), (1, "два")]
    assert server.streams[1].config.resume == stt_pb2.Resume(audio_offset_ms=0, next_utterance=0)
    assert len(server.streams[1].audio) == len(AUDIO)


async def test_failure_between_two_finals_emits_each_once() -> None:
    first = replies_then_aborts(speech_started(0), final("раз", 0, 100, 900), speech_started(1))
    async with serving(in_sequence(first, replies(speech_started(1), final("два", 1, 1100, 1900)))) as server:
        events = await recognized(server.address)
    assert results(events) == [(0, "раз"), (1, "два")]
    assert [event.utterance for event in events if isinstance(event, SpeechStarted)] == [0, 1]


async def test_open_utterance_is_resent_from_its_start() -> None:
    first = replies_then_aborts(speech_started(0), partial("раз"))
    async with serving(in_sequence(first, replies(speech_started(0), final("раз", 0, 100, 900)))) as server:
        events = await recognized(server.address)
    assert results(events) == [(0, "раз")]
    assert bytes(server.streams[1].audio) == AUDIO


async def test_split_utterance_continues_in_the_next_stream() -> None:
    split = final("раз", 0, 100, 900)
    split.final.endpoint = stt_pb2.ENDPOINT_MAX_LENGTH
    async with serving(in_sequence(replies_then_aborts(split), replies())) as server:
        await recognized(server.address)
    assert server.streams[1].config.resume.continues_utterance


async def test_settings_and_commands_are_resent_at_their_positions() -> None:
    async def source() -> AsyncIterator[Input]:
        yield AUDIO[:16_000]
        yield Settings("en")
        yield AUDIO[16_000:64_000]
        yield Finalize()
        yield Settings(prompt="Ann")
        yield AUDIO[64_000:]

    async with serving(in_sequence(replies_then_aborts(final("раз", 0, 100, 900)), replies())) as server:
        await recognized(server.address, source())
    failed, resumed = server.streams
    assert failed.config.settings.language == "ru"
    assert resumed.config.settings == stt_pb2.Settings(language="en")
    assert [command.WhichOneof("request") for command in resumed.commands] == ["finalize", "update"]
    assert resumed.commands[1].update.initial_prompt == "Ann"


async def test_next_address_is_tried_immediately() -> None:
    async with serving(replies_then_aborts()) as first, serving(replies(final("раз", 0, 100, 900))) as second:
        events = await recognized(f"{first.address},{second.address}")
    assert results(events) == [(0, "раз")]
    assert states(events) == ["connecting", "connected", "reconnecting", "resumed"]


async def test_full_server_is_reported_and_the_next_one_is_tried() -> None:
    full = failure(grpc.StatusCode.RESOURCE_EXHAUSTED, "All 4 streams are taken.")
    full.failure.retry_after.CopyFrom(Duration(nanos=10_000_000))

    async def rejects(stream: Stream) -> None:
        await stream.context.write(full)
        await stream.context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "All 4 streams are taken.")

    async with serving(in_sequence(rejects, replies(final("раз", 0, 100, 900)))) as server:
        events = await recognized(server.address)
    assert results(events) == [(0, "раз")]
    assert Connection(ConnectionState.WAITING, "All 4 streams are taken.", buffered_ms=3000) in events


async def test_draining_server_is_reported_and_the_client_moves() -> None:
    first = replies_then_aborts(notice("DRAIN", "going away"))
    async with serving(in_sequence(first, replies(final("раз", 0, 100, 900)))) as server:
        events = await recognized(server.address)
    assert states(events) == ["connecting", "connected", "draining", "reconnecting", "resumed"]
    assert results(events) == [(0, "раз")]


async def test_stream_that_ends_too_early_is_retried() -> None:
    async def ends_early(stream: Stream) -> None:
        await stream.accept()

    async def continues(*_: object) -> AsyncIterator[Input]:
        yield AUDIO
        await asyncio.sleep(0.05)  # the first stream results meanwhile
        yield AUDIO

    async with serving(in_sequence(ends_early, replies(final("раз", 0, 100, 900)))) as server:
        events = await recognized(server.address, continues())
    assert results(events) == [(0, "раз")]
    assert len(server.streams[1].audio) == 2 * len(AUDIO)


async def test_invalid_request_is_not_retried() -> None:
    async def rejects(stream: Stream) -> None:
        await stream.context.write(failure(grpc.StatusCode.INVALID_ARGUMENT, "Invalid language='xx'"))
        await stream.context.abort(grpc.StatusCode.INVALID_ARGUMENT, "Invalid language='xx'")

    async with serving(rejects) as server:
        with pytest.raises(ServiceError, match="Invalid language='xx'"):
            await recognized(server.address)
    assert len(server.streams) == 1


async def test_audio_that_fails_every_stream_ends_the_retries() -> None:
    async with serving(replies_then_aborts()) as server:
        with pytest.raises(ServiceError, match=f"^Gave up: {MAX_ATTEMPTS_WITHOUT_PROGRESS} streams in a row failed"):
            await recognized(server.address)
    assert len(server.streams) == MAX_ATTEMPTS_WITHOUT_PROGRESS


async def test_audio_that_ends_while_disconnected_is_sent_to_the_next_server() -> None:
    ended = asyncio.Event()

    async def source() -> AsyncIterator[Input]:
        yield AUDIO
        await lost.wait()
        yield AUDIO
        ended.set()

    lost = asyncio.Event()
    async with serving(until_canceled) as server:
        recognition = asyncio.create_task(recognized(server.address, source()))
        await server.called.wait()
    lost.set()
    await ended.wait()
    async with serving(replies(final("раз", 0, 100, 900)), port=int(server.address.rpartition(":")[2])) as restarted:
        assert results(await recognition) == [(0, "раз")]
    assert bytes(restarted.streams[0].audio) == AUDIO + AUDIO


async def test_ended_dictation_waits_no_longer_than_its_policy() -> None:
    async with serving(replies_then_aborts()) as server:
        recognition = asyncio.create_task(recognized(server.address, retry_policy=SHORT_POLICY))
        await server.called.wait()
        with pytest.raises(ServiceError, match="no server finished the stream"):
            await recognition


async def test_source_error_is_raised_after_the_finals_of_the_next_server() -> None:
    async def fails() -> AsyncIterator[Input]:
        yield AUDIO
        raise SourceError("the microphone went away.")

    seen: list[Event] = []
    async with serving(in_sequence(replies_then_aborts(), replies(final("раз", 0, 100, 900)))) as server:
        with pytest.raises(SourceError, match="went away"):  # noqa: PT012
            async for event in recognize(server.address, fails(), OPTIONS):
                seen += [event]
    assert results(seen) == [(0, "раз")]


async def test_closing_while_disconnected_ends_immediately() -> None:
    async with serving(until_canceled) as server:
        address = server.address
    events = recognize(address, audio_input(), OPTIONS)
    assert isinstance(await anext(events), Connection)
    assert isinstance(await anext(events), Connection)
    async with asyncio.timeout(1):
        await events.aclose()


async def test_every_stream_sends_the_token() -> None:
    seen = list[str]()

    async def records_token(stream: Stream) -> None:
        seen.extend(str(value) for key, value in stream.context.invocation_metadata() or () if key == "authorization")
        await replies()(stream)

    async with serving(records_token) as server:
        await recognized(Target((server.address,), token="secret"))
    assert seen == ["Bearer secret"]


async def test_paused_source_resumes_when_it_continues() -> None:
    more = asyncio.Event()

    async def pausing() -> AsyncIterator[Input]:
        yield AUDIO
        await more.wait()
        yield AUDIO

    async def ends_idle(stream: Stream) -> None:
        await stream.accept()
        await stream.receive_audio(len(AUDIO))
        await stream.context.abort(grpc.StatusCode.DEADLINE_EXCEEDED, "No audio came for 300 s.")

    async with serving(in_sequence(ends_idle, replies(final("раз", 0, 100, 900)))) as server:
        dictation = asyncio.create_task(recognized(server.address, pausing()))
        await server.called.wait()
        server.called.clear()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(server.called.wait(), 1)
        more.set()
        events = await dictation
    assert results(events) == [(0, "раз")]
    assert bytes(server.streams[1].audio) == AUDIO + AUDIO


async def test_committed_position_is_limited_to_the_sent_audio() -> None:
    committed = asyncio.Event()

    async def first(stream: Stream) -> None:
        await stream.accept()
        await stream.receive_audio(len(AUDIO))
        await stream.send(uncommitted(final("раз", 2**63 - 1, 100, 900), 2**63 - 1))
        await abort_stream(stream)

    async def source() -> AsyncIterator[Input]:
        yield AUDIO
        await committed.wait()
        yield AUDIO

    events: list[Event] = []
    async with serving(in_sequence(first, replies())) as server, asyncio.timeout(30):
        async for event in recognize(server.address, source(), OPTIONS, RetryPolicy()):
            events.append(event)
            if isinstance(event, Final):
                committed.set()  # the client received the position before it gets more audio
    assert [text for _, text in results(events)] == ["раз"]
    assert len(server.streams[1].audio) >= len(AUDIO)
    assert server.streams[1].config.resume.audio_offset_ms == 3_000
    assert server.streams[1].config.resume.next_utterance == 2**53


async def test_stream_that_does_not_begin_with_started_raises_service_error() -> None:
    async def script(stream: Stream) -> None:
        await stream.context.write(final("раз"))
        await stream.receive_audio()

    async with serving(script) as server:
        with pytest.raises(ServiceError, match="did not start the stream"):
            await recognized(server.address, retry_policy=SHORT_POLICY)
