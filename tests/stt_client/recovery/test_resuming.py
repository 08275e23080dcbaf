"""Streams that break: what the next server is told, what the user is told, and when it is given up."""

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
from tests.support.scripted_server import (
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
    until_cancelled,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")  # gRPC does not like to change its loop

SOUND = bytes(number % 251 for number in range(3 * 32_000))  # three seconds
OPTIONS = StreamOptions(settings=Settings("ru"), partials=True)
SHORT = RetryPolicy(connect_s=0, finish_s=0)


async def sounding(*more: Input) -> AsyncIterator[Input]:
    yield SOUND
    for item in more:
        yield item


async def heard(
    server: str | Target, source: AsyncIterator[Input] | None = None, patience: RetryPolicy | None = None
) -> list[Event]:
    async with asyncio.timeout(30):
        return [event async for event in recognize(server, source or sounding(), OPTIONS, patience or RetryPolicy())]


def ends(events: Sequence[Event]) -> list[tuple[int, str]]:
    return [(event.utterance, event.text) for event in events if isinstance(event, Final | Suppressed)]


def states(events: Sequence[Event]) -> list[str]:
    return [event.state.value for event in events if isinstance(event, Connection)]


def says_and_breaks(*responses: Response) -> Script:
    """Hear all there is, say that, and go away."""

    async def script(stream: Stream) -> None:
        await stream.accept()
        await stream.receive_audio(len(SOUND))
        await stream.send(*responses)
        await abort_stream(stream)

    return script


def begun(utterance: int) -> Response:
    return Response(speech_started=stt_pb2.SpeechStarted(utterance=utterance, start_ms=100), received_ms=400)


def late(response: Response, committed_ms: int) -> Response:
    """Return the response with its sound not settled yet."""
    response.committed_ms = committed_ms
    return response


async def test_what_was_not_settled_is_said_again_to_the_byte() -> None:
    first = says_and_breaks(final("раз", 0, 100, 900))
    async with serving(in_sequence(first, replies(final("два", 1, 1100, 1900)))) as server:
        events = await heard(server.address)
    assert ends(events) == [(0, "раз"), (1, "два")]
    again = server.streams[1]
    assert again.config.resume == stt_pb2.Resume(
        audio_offset_ms=900, next_utterance=1, left_context_ms=260, previous_language="ru"
    )
    assert bytes(again.audio) == SOUND[640 * 32 :]
    assert states(events) == ["connecting", "connected", "reconnecting", "resumed"]


async def test_a_suppressed_utterance_is_settled_too() -> None:
    first = says_and_breaks(final("раз", 1, 0, 900), suppressed("you"))
    async with serving(in_sequence(first, replies())) as server:
        await heard(server.address)
    assert server.streams[1].config.resume == stt_pb2.Resume(
        audio_offset_ms=2000, next_utterance=3, left_context_ms=240, previous_language="ru"
    )


async def test_a_final_whose_sound_was_not_settled_is_not_told_twice() -> None:
    first = says_and_breaks(late(final("раз", 0, 100, 900), committed_ms=0))
    second = replies(final("раз", 0, 100, 900), final("два", 1, 1100, 1900))
    async with serving(in_sequence(first, second)) as server:
        events = await heard(server.address)
    assert ends(events) == [(0, "раз"), (1, "два")]
    assert server.streams[1].config.resume == stt_pb2.Resume(audio_offset_ms=0, next_utterance=0)
    assert len(server.streams[1].audio) == len(SOUND)


async def test_a_break_between_two_finals_tells_each_once() -> None:
    first = says_and_breaks(begun(0), final("раз", 0, 100, 900), begun(1))
    async with serving(in_sequence(first, replies(begun(1), final("два", 1, 1100, 1900)))) as server:
        events = await heard(server.address)
    assert ends(events) == [(0, "раз"), (1, "два")]
    assert [event.utterance for event in events if isinstance(event, SpeechStarted)] == [0, 1]


async def test_an_utterance_that_was_open_is_heard_again_from_its_beginning() -> None:
    first = says_and_breaks(begun(0), partial("раз"))
    async with serving(in_sequence(first, replies(begun(0), final("раз", 0, 100, 900)))) as server:
        events = await heard(server.address)
    assert ends(events) == [(0, "раз")]
    assert bytes(server.streams[1].audio) == SOUND


async def test_speech_that_was_cut_goes_on_in_the_next_stream() -> None:
    cut = final("раз", 0, 100, 900)
    cut.final.endpoint = stt_pb2.ENDPOINT_MAX_LENGTH
    async with serving(in_sequence(says_and_breaks(cut), replies())) as server:
        await heard(server.address)
    assert server.streams[1].config.resume.continues_utterance


async def test_settings_and_commands_are_said_again_where_they_were_said() -> None:
    async def source() -> AsyncIterator[Input]:
        yield SOUND[:16_000]
        yield Settings("en")
        yield SOUND[16_000:64_000]
        yield Finalize()
        yield Settings(prompt="Ann")
        yield SOUND[64_000:]

    async with serving(in_sequence(says_and_breaks(final("раз", 0, 100, 900)), replies())) as server:
        await heard(server.address, source())
    broken, again = server.streams
    assert broken.config.settings.language == "ru"
    assert again.config.settings == stt_pb2.Settings(language="en")
    assert [command.WhichOneof("request") for command in again.commands] == ["finalize", "update"]
    assert again.commands[1].update.initial_prompt == "Ann"


async def test_the_next_address_is_tried_at_once() -> None:
    async with serving(says_and_breaks()) as first, serving(replies(final("раз", 0, 100, 900))) as second:
        events = await heard(f"{first.address},{second.address}")
    assert ends(events) == [(0, "раз")]
    assert states(events) == ["connecting", "connected", "reconnecting", "resumed"]


async def test_a_full_server_is_told_and_the_next_one_asked() -> None:
    full = failure(grpc.StatusCode.RESOURCE_EXHAUSTED, "All 4 streams are taken.")
    full.failure.retry_after.CopyFrom(Duration(nanos=10_000_000))

    async def refuses(stream: Stream) -> None:
        await stream.context.write(full)
        await stream.context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "All 4 streams are taken.")

    async with serving(in_sequence(refuses, replies(final("раз", 0, 100, 900)))) as server:
        events = await heard(server.address)
    assert ends(events) == [(0, "раз")]
    assert Connection(ConnectionState.WAITING, "All 4 streams are taken.", buffered_ms=3000) in events


async def test_a_server_that_drains_is_told_and_left() -> None:
    first = says_and_breaks(notice("DRAIN", "going away"))
    async with serving(in_sequence(first, replies(final("раз", 0, 100, 900)))) as server:
        events = await heard(server.address)
    assert states(events) == ["connecting", "connected", "draining", "reconnecting", "resumed"]
    assert ends(events) == [(0, "раз")]


async def test_a_server_that_ends_the_stream_too_soon_is_tried_again() -> None:
    async def ends_early(stream: Stream) -> None:
        await stream.accept()

    async def goes_on(*_: object) -> AsyncIterator[Input]:
        yield SOUND
        await asyncio.sleep(0.05)  # the first stream ends meanwhile
        yield SOUND

    async with serving(in_sequence(ends_early, replies(final("раз", 0, 100, 900)))) as server:
        events = await heard(server.address, goes_on())
    assert ends(events) == [(0, "раз")]
    assert len(server.streams[1].audio) == 2 * len(SOUND)


async def test_an_invalid_request_is_never_sent_again() -> None:
    async def refuses(stream: Stream) -> None:
        await stream.context.write(failure(grpc.StatusCode.INVALID_ARGUMENT, "Invalid language='xx'"))
        await stream.context.abort(grpc.StatusCode.INVALID_ARGUMENT, "Invalid language='xx'")

    async with serving(refuses) as server:
        with pytest.raises(ServiceError, match="Invalid language='xx'"):
            await heard(server.address)
    assert len(server.streams) == 1


async def test_sound_that_breaks_every_stream_is_given_up() -> None:
    async with serving(says_and_breaks()) as server:
        with pytest.raises(ServiceError, match=f"^Gave up: {MAX_ATTEMPTS_WITHOUT_PROGRESS} streams in a row failed"):
            await heard(server.address)
    assert len(server.streams) == MAX_ATTEMPTS_WITHOUT_PROGRESS


async def test_audio_that_ends_while_no_server_is_there_is_told_to_the_next() -> None:
    ended = asyncio.Event()

    async def source() -> AsyncIterator[Input]:
        yield SOUND
        await lost.wait()
        yield SOUND
        ended.set()

    lost = asyncio.Event()
    async with serving(until_cancelled) as server:
        listening = asyncio.create_task(heard(server.address, source()))
        await server.called.wait()
    lost.set()
    await ended.wait()
    async with serving(replies(final("раз", 0, 100, 900)), port=int(server.address.rpartition(":")[2])) as again:
        assert ends(await listening) == [(0, "раз")]
    assert bytes(again.streams[0].audio) == SOUND + SOUND


async def test_a_dictation_that_ended_is_not_waited_for_longer_than_asked() -> None:
    async with serving(says_and_breaks()) as server:
        listening = asyncio.create_task(heard(server.address, patience=SHORT))
        await server.called.wait()
        with pytest.raises(ServiceError, match="no server finished the stream"):
            await listening


async def test_an_error_of_the_source_is_raised_after_what_the_next_server_owes() -> None:
    async def fails() -> AsyncIterator[Input]:
        yield SOUND
        raise SourceError("the microphone went away.")

    seen: list[Event] = []
    async with serving(in_sequence(says_and_breaks(), replies(final("раз", 0, 100, 900)))) as server:
        with pytest.raises(SourceError, match="went away"):  # noqa: PT012
            async for event in recognize(server.address, fails(), OPTIONS):
                seen += [event]
    assert ends(seen) == [(0, "раз")]


async def test_leaving_while_no_server_is_there_ends_at_once() -> None:
    async with serving(until_cancelled) as server:
        address = server.address
    events = recognize(address, sounding(), OPTIONS)
    assert isinstance(await anext(events), Connection)
    assert isinstance(await anext(events), Connection)
    async with asyncio.timeout(1):
        await events.aclose()


async def test_a_token_goes_with_every_stream() -> None:
    seen = list[str]()

    async def looks(stream: Stream) -> None:
        seen.extend(str(value) for key, value in stream.context.invocation_metadata() or () if key == "authorization")
        await replies()(stream)

    async with serving(looks) as server:
        await heard(Target((server.address,), token="secret"))
    assert seen == ["Bearer secret"]


async def test_a_source_that_pauses_is_resumed_once_it_goes_on() -> None:
    more = asyncio.Event()

    async def pausing() -> AsyncIterator[Input]:
        yield SOUND
        await more.wait()
        yield SOUND

    async def ends_idle(stream: Stream) -> None:
        await stream.accept()
        await stream.receive_audio(len(SOUND))
        await stream.context.abort(grpc.StatusCode.DEADLINE_EXCEEDED, "No audio came for 300 s.")

    async with serving(in_sequence(ends_idle, replies(final("раз", 0, 100, 900)))) as server:
        dictation = asyncio.create_task(heard(server.address, pausing()))
        await server.called.wait()
        server.called.clear()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(server.called.wait(), 1)
        more.set()
        events = await dictation
    assert ends(events) == [(0, "раз")]
    assert bytes(server.streams[1].audio) == SOUND + SOUND


async def test_no_more_audio_is_committed_than_was_sent() -> None:
    lied = asyncio.Event()

    async def first(stream: Stream) -> None:
        await stream.accept()
        await stream.receive_audio(len(SOUND))
        await stream.send(late(final("раз", 2**63 - 1, 100, 900), 2**63 - 1))
        await abort_stream(stream)

    async def source() -> AsyncIterator[Input]:
        yield SOUND
        await lied.wait()
        yield SOUND

    events: list[Event] = []
    async with serving(in_sequence(first, replies())) as server, asyncio.timeout(30):
        async for event in recognize(server.address, source(), OPTIONS, RetryPolicy()):
            events.append(event)
            if isinstance(event, Final):
                lied.set()  # the client has taken the position, and only then gets more audio
    assert [text for _, text in ends(events)] == ["раз"]
    assert len(server.streams[1].audio) >= len(SOUND)
    assert server.streams[1].config.resume.audio_offset_ms == 3_000
    assert server.streams[1].config.resume.next_utterance == 2**53


async def test_stream_that_does_not_begin_with_started_is_refused_in_a_sentence() -> None:
    async def script(stream: Stream) -> None:
        await stream.context.write(final("раз"))
        await stream.receive_audio()

    async with serving(script) as server:
        with pytest.raises(ServiceError, match="did not start the stream"):
            await heard(server.address, patience=SHORT)
