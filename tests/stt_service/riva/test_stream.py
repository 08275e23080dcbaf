"""When a Riva stream sends its config to the service, and how long it waits for audio that decides on the format."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, cast

import pytest
from stt.riva.v1 import riva_pb2 as riva
from stt.v1 import stt_pb2 as pb

from stt_service.errors import DeadlineExceededError
from stt_service.recognition.stream import CONFIG_TIMEOUT_S
from stt_service.riva.stream import FIRST_AUDIO_TIMEOUT_S, RivaStream
from tests.support.audio.wav_files import wav
from tests.support.clients.riva_client import audio, start
from tests.support.timelines.virtual_time import VirtualTimeLoop

if TYPE_CHECKING:
    from stt_service.riva.stream import Context

DECLARED = riva.Options(encoding=riva.ENCODING_PCM_S16LE, sample_rate_hz=8_000)


class Recorder:
    """The context of a call, which records the responses."""

    def __init__(self) -> None:
        self.written: list[riva.StreamResponse] = []

    async def write(self, response: riva.StreamResponse) -> None:
        self.written.append(response)


def stream(*requests: riva.StreamRequest, ends: bool = True, recorder: Recorder | None = None) -> RivaStream:
    """Return a stream that receives these requests; then it ends, or waits forever."""

    async def received() -> AsyncIterator[riva.StreamRequest]:
        for request in requests:
            yield request
        if not ends:
            await asyncio.get_running_loop().create_future()

    return RivaStream(received(), cast("Context", recorder or Recorder()), lambda: "base")


async def sent(opened: RivaStream) -> list[pb.StreamingRecognizeRequest]:
    return [request async for request in opened.requests()]


def test_config_of_a_declared_format_does_not_wait_for_audio() -> None:
    async def first() -> pb.StreamingRecognizeRequest:
        return await anext(stream(start(DECLARED), ends=False).requests())

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        assert runner.run(first()).config.format.sample_rate_hz == 8_000
        assert runner.get_loop().time() == 0


def test_undecided_stream_without_audio_fails_before_the_service_misses_its_config() -> None:
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        with pytest.raises(DeadlineExceededError, match="No audio received within 8 s"):
            runner.run(sent(stream(start(), ends=False)))
        assert runner.get_loop().time() == FIRST_AUDIO_TIMEOUT_S < CONFIG_TIMEOUT_S


async def test_config_precedes_the_samples_of_a_file_that_arrives_in_pieces() -> None:
    config, *samples = await sent(stream(start(partials=True), *audio(wav(bytes(range(90))), 7)))
    assert config.config.partials
    assert b"".join(request.audio for request in samples) == bytes(range(90))


async def test_stream_without_requests_sends_none() -> None:
    assert await sent(stream()) == []


async def test_responses_have_the_id_of_the_first_request_and_requested_words() -> None:
    recorder = Recorder()
    opened = stream(start(riva.Options(word_times=True), call_id="a1"), recorder=recorder)
    await sent(opened)
    final = pb.Final(text="One.", words=[pb.Word(text="One.")])
    await opened.write(pb.StreamingRecognizeResponse(started=pb.Started()))
    await opened.write(pb.StreamingRecognizeResponse(final=final))
    (response,) = recorder.written
    assert response.id.text == "a1"
    assert [word.text for word in response.results[0].hypotheses[0].words] == ["One."]
