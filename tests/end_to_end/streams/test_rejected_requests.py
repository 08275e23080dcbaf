"""Rejected streams: the reason is sent in-band, then in the status, and other streams are not affected."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping

import pytest
import pytest_asyncio
from google.protobuf.duration_pb2 import Duration
from grpc import StatusCode
from stt.v1 import stt_pb2 as pb

from benchmarks.recordings import Recording
from benchmarks.service import Service
from tests.support.audio.encoded_audio import silence
from tests.support.clients.wire_client import (
    Call,
    Request,
    Stub,
    audio,
    chunks,
    config,
    connected,
    health,
    send_recording,
    send_requests,
)

pytestmark = pytest.mark.model

SHORT_AUDIO = audio(silence(0.1))


def config_request(**fields: object) -> Request:
    """Return a first message with these fields of StreamingConfig."""
    return Request(config=fields)


def format_request(**fields: int) -> Request:
    return config_request(format=fields)


def settings_request(**fields: object) -> Request:
    return config_request(settings=fields)


def seconds(length_s: float) -> Duration:
    return Duration(seconds=int(length_s), nanos=round(length_s % 1 * 1e9) if length_s > 0 else 0)


REJECTED = {
    "audio before the config": ([SHORT_AUDIO], "Invalid first message with audio: must be the config."),
    "an update before the config": ([Request(update=pb.Settings())], "Invalid first message with update"),
    "a message without content": ([Request()], "Invalid first message with nothing"),
    "no message at all": ([], "The stream ended before its config: send the config first, then audio."),
    "a second config": ([config(), SHORT_AUDIO, config()], "Received a second config: send it once, first"),
    "a later message without content": ([config(), Request()], "Received an empty message"),
    "a sample rate of 1 GHz": ([format_request(sample_rate_hz=10**9)], "Invalid sample_rate_hz=1000000000: must be"),
    "a negative sample rate": ([format_request(sample_rate_hz=-5)], "must be 8000 to 192000."),
    "a sample rate just too low": ([format_request(sample_rate_hz=7999)], "Invalid sample_rate_hz=7999: must be"),
    "300 channels": ([format_request(channels=300)], "Invalid channels=300: must be 1 to 32."),
    "an unknown encoding": ([format_request(encoding=9)], "Invalid encoding=9: must be"),
    "an unknown stability": ([config_request(stability=6)], "Invalid stability=6: must be one of Stability, 0 to 5."),
    "an unknown language": ([config("klingon")], "='klingon': must be"),
    "too short a silence": ([settings_request(post_speech_silence=seconds(0.05))], "must be at least 0.1."),
    "too long a silence": ([settings_request(post_speech_silence=seconds(11))], "must be at most 10."),
    "a negative shortest utterance": ([settings_request(min_utterance=seconds(-1))], "must be at least 0."),
    "too long a shortest utterance": ([settings_request(min_utterance=seconds(21))], "must be at most 20."),
    "too short a longest utterance": ([settings_request(max_utterance=seconds(4))], "must be at least 5."),
    "too long a longest utterance": ([settings_request(max_utterance=seconds(29))], "must be at most 28."),
    "a negative sensitivity": ([settings_request(silero_sensitivity=-0.5)], "must be at least 0."),
    "a sensitivity above 1": ([settings_request(silero_sensitivity=1.5)], "must be at most 1."),
    "no number for a sensitivity": ([settings_request(silero_sensitivity=float("nan"))], "must be a finite number"),
    "too high an aggressiveness": ([settings_request(webrtc_aggressiveness=4)], "must be at most 3."),
    "a negative aggressiveness": ([settings_request(webrtc_aggressiveness=-1)], "must be at least 0."),
    "too long a prompt": ([settings_request(initial_prompt="x" * 2001)], "must be at most 2000 characters."),
    "too many hotwords": ([settings_request(hotwords=["x"] * 101)], "Invalid hotwords"),
    "too long hotwords": ([settings_request(hotwords=["x" * 2001])], "must be at most 2000."),
    "a long client_id": ([config_request(client_id="x" * 65)], "Invalid client_id of 65 characters: must be"),
    "a client_id with a line break": ([config_request(client_id="a\nb")], "at most 64, all printable."),
    "a negative resume": ([config_request(resume=pb.Resume(audio_offset_ms=-1))], "resume.audio_offset_ms=-1"),
    "a negative next utterance": ([config_request(resume=pb.Resume(next_utterance=-1))], "resume.next_utterance=-1"),
    "a negative silence": (
        [config(), Request(silence=pb.Silence(duration=seconds(-1)))],
        "Invalid silence.duration=-1 s: must be 0 to 3600 s.",
    ),
    "too long a silence in one message": (
        [config(), Request(silence=pb.Silence(duration=seconds(3601)))],
        "Invalid silence.duration=3601 s: must be",
    ),
    "an update with an unknown language": (
        [config(), Request(update=pb.Settings(language="klingon"))],
        "='klingon': must be",
    ),
    "a WAV header": (
        [config(), audio(b"RIFF\x24\x08\x00\x00WAVEfmt "), SHORT_AUDIO],
        "The audio begins with a WAV header, but its format is headerless",
    ),
    "a message over 4 MiB": (
        [config(), audio(bytes(4 * 2**20 + 1))],
        "Invalid audio of 4194305 bytes: must be at most 4194304.",
    ),
}  # fmt: skip


@pytest_asyncio.fixture(scope="module")
async def question(service: Service, recordings: Mapping[str, Recording]) -> AsyncIterator[str]:
    """Return the text of the bystander's recording, recognized alone."""
    async with connected(service.address) as stub:
        yield (await send_recording(stub, recordings["en/brooklyn-bridge"])).text


@pytest_asyncio.fixture
async def bystander(
    stub: Stub, service: Service, question: str, recordings: Mapping[str, Recording]
) -> AsyncIterator[None]:
    """Keep another client's stream open during the test; assert that its text is unaffected."""
    sent = chunks(recordings["en/brooklyn-bridge"].pcm(), 8_000)
    call = Call(stub)
    await call.send(config(), *sent[:4])
    await call.until("started")
    yield
    assert await health(service.address) == "SERVING"
    await call.send(*sent[4:])
    result = await call.end()
    assert (result.code, result.text) == (StatusCode.OK, question)


@pytest.mark.parametrize(("requests", "sentence"), REJECTED.values(), ids=REJECTED.keys())
async def test_invalid_request_is_rejected_with_a_reason(stub: Stub, requests: list[Request], sentence: str) -> None:
    result = await send_requests(stub, *requests)
    assert result.code is StatusCode.INVALID_ARGUMENT
    assert sentence in result.failure_message()
    assert result.finals == []


@pytest.mark.usefixtures("bystander")
async def test_rejections_do_not_affect_another_stream(stub: Stub) -> None:
    for requests, sentence in REJECTED.values():
        assert sentence in (await send_requests(stub, *requests)).failure_message()


@pytest.mark.usefixtures("bystander")
async def test_message_over_32_mib_is_rejected_by_grpc(stub: Stub) -> None:
    result = await send_requests(stub, config(), audio(bytes(33 * 2**20)))
    assert result.code is StatusCode.RESOURCE_EXHAUSTED
    assert "larger than max" in result.message


@pytest.mark.usefixtures("bystander")
async def test_odd_byte_at_the_end_loses_no_speech(
    stub: Stub, question: str, recordings: Mapping[str, Recording]
) -> None:
    pcm = recordings["en/brooklyn-bridge"].pcm()
    result = await send_requests(stub, config(), audio(pcm), audio(b"\x00"))
    assert result.text == question
    assert result.code is StatusCode.INVALID_ARGUMENT
    assert "The audio ended inside a sample, with 1 of its 2 bytes left over" in result.failure_message()


@pytest.mark.usefixtures("bystander")
async def test_speech_before_an_invalid_message_still_gets_its_final(
    stub: Stub, question: str, recordings: Mapping[str, Recording]
) -> None:
    result = await send_requests(stub, config(), audio(recordings["en/brooklyn-bridge"].pcm()), config())
    assert result.text == question
    assert "Received a second config" in result.failure_message()


async def test_client_that_keeps_writing_receives_the_failure_of_its_stream(stub: Stub) -> None:
    call = Call(stub)
    await call.send(config(), config(), *[SHORT_AUDIO] * 500)
    assert "Received a second config" in (await call.until("failure")).failure.message


async def test_zero_rate_and_channels_default_to_16_khz_mono(
    stub: Stub, question: str, recordings: Mapping[str, Recording]
) -> None:
    pcm = recordings["en/brooklyn-bridge"].pcm()
    result = await send_requests(stub, format_request(sample_rate_hz=0, channels=0, encoding=0), audio(pcm))
    assert (result.code, result.text) == (StatusCode.OK, question)
