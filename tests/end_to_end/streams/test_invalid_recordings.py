"""Invalid recordings: bytes that are not audio, or not the declared audio, give a reason or no text, never a crash."""

from __future__ import annotations

import random
import struct
from collections.abc import AsyncIterator, Mapping

import grpc
import pytest
import pytest_asyncio
from google.protobuf.duration_pb2 import Duration
from grpc import StatusCode
from stt.v1 import stt_pb2 as pb

from benchmarks.recordings import Recording
from benchmarks.service import Service
from tests.support.audio.encoded_audio import silence, video_without_audio, wav
from tests.support.clients.wire_client import (
    Request,
    Stub,
    assert_event_order,
    audio,
    chunks,
    health,
    send_recording,
    send_requests,
)

pytestmark = pytest.mark.model

NAME = "en/brooklyn-bridge"
F32 = pb.AudioFormat.ENCODING_PCM_F32LE


@pytest_asyncio.fixture(autouse=True)
async def server_still_serving(
    stub: Stub, service: Service, recordings: Mapping[str, Recording]
) -> AsyncIterator[None]:
    """Check after each test that the server is serving and recognizes a recording."""
    yield
    assert await health(service.address) == "SERVING"
    assert "Brooklyn Bridge" in (await send_recording(stub, recordings[NAME])).text


async def rejected(stub: Stub, request: pb.RecognizeRequest) -> tuple[StatusCode, str]:
    """Return the status code and the message of a failed call."""
    with pytest.raises(grpc.aio.AioRpcError) as failure:
        await stub.Recognize(request)
    return failure.value.code(), failure.value.details() or ""


@pytest.mark.parametrize(
    ("recording", "message"),
    [
        pytest.param(b"", "The 0 bytes of audio cannot be decoded", id="nothing"),
        pytest.param(b"How old is it?\n" * 40, "The 600 bytes of audio cannot be decoded", id="text"),
        pytest.param(random.Random(1).randbytes(5000), "cannot be decoded", id="random bytes"),
        pytest.param(b"RIFF\xff\xff\xff\x7fWAVE", "cannot be decoded", id="the first bytes of a WAV file"),
        pytest.param(
            video_without_audio(), "The recording has no audio track: send a recording that has one.", id="no audio"
        ),
        pytest.param(wav(b""), "The recording has no audio: its length is 0.", id="a WAV file of 0 s"),
    ],
)  # fmt: skip
async def test_bytes_without_audio_are_rejected(stub: Stub, recording: bytes, message: str) -> None:
    code, expected = await rejected(stub, pb.RecognizeRequest(audio=recording))
    assert code is StatusCode.INVALID_ARGUMENT
    assert message in expected


async def test_truncated_flac_file_is_recognized_up_to_its_end(stub: Stub, recordings: Mapping[str, Recording]) -> None:
    flac = recordings[NAME].path.read_bytes()
    answer = await stub.Recognize(pb.RecognizeRequest(audio=flac[: len(flac) // 2]))
    assert answer.audio_duration.ToMilliseconds() > 0
    assert ["truncated" in warning for warning in answer.warnings] == [True]


async def test_recording_cannot_reference_a_file_of_the_server(stub: Stub) -> None:
    code, expected = await rejected(stub, pb.RecognizeRequest(audio=b"ffconcat version 1.0\nfile private.wav\n"))
    assert code is StatusCode.INVALID_ARGUMENT
    assert "cannot be decoded" in expected
    assert "No such file" not in expected


async def test_raw_recording_of_more_than_an_hour_is_rejected(stub: Stub) -> None:
    mulaw = pb.AudioFormat(encoding=pb.AudioFormat.ENCODING_MULAW, sample_rate_hz=8_000)
    code, expected = await rejected(stub, pb.RecognizeRequest(audio=bytes(3600 * 8_000 + 1), format=mulaw))
    assert (code, "longer than 3600 s" in expected) == (StatusCode.INVALID_ARGUMENT, True)


async def test_truncated_wav_file_is_recognized_up_to_its_end(stub: Stub, recordings: Mapping[str, Recording]) -> None:
    whole = wav(recordings[NAME].pcm())
    answer = await stub.Recognize(pb.RecognizeRequest(audio=whole[: 44 + 32_000 + 1]))
    assert answer.audio_duration.ToMilliseconds() == pytest.approx(1000, abs=5)
    assert len(answer.utterances) == 1


async def test_invalid_setting_of_a_recording_is_rejected(stub: Stub, recordings: Mapping[str, Recording]) -> None:
    flac = recordings[NAME].path.read_bytes()
    wrong = pb.RecognizeRequest(audio=flac, settings=pb.Settings(language="klingon"))
    assert "='klingon': must be" in (await rejected(stub, wrong))[1]
    wrong = pb.RecognizeRequest(audio=bytes(100), format=pb.AudioFormat(channels=33))
    assert (await rejected(stub, wrong))[0] is StatusCode.INVALID_ARGUMENT
    wrong = pb.RecognizeRequest(audio=bytes(101), format=pb.AudioFormat(sample_rate_hz=16_000))
    assert "The audio ended inside a sample" in (await rejected(stub, wrong))[1]


async def test_recording_over_32_mib_is_rejected(stub: Stub) -> None:
    code, _ = await rejected(stub, pb.RecognizeRequest(audio=bytes(32 * 2**20 + 1)))
    assert code is StatusCode.RESOURCE_EXHAUSTED


@pytest.mark.parametrize(
    ("encoding", "noise"),
    [
        pytest.param(pb.AudioFormat.ENCODING_PCM_S16LE, random.Random(2).randbytes(96_000), id="s16"),
        pytest.param(F32, random.Random(3).randbytes(192_000), id="f32, random bits with NaN"),
        pytest.param(F32, struct.pack("<f", float("nan")) * 48_000, id="f32, only NaN"),
        pytest.param(F32, struct.pack("<ff", float("inf"), 3e38) * 24_000, id="f32, too large"),
        pytest.param(pb.AudioFormat.ENCODING_MULAW, random.Random(4).randbytes(48_000), id="µ-law"),
    ],
)
async def test_noise_gives_no_text_and_no_failure(stub: Stub, encoding: pb.AudioFormat.Encoding, noise: bytes) -> None:
    opening = Request(config=pb.StreamingConfig(format=pb.AudioFormat(encoding=encoding)))
    result = await send_requests(stub, opening, *chunks(noise, 9_999))
    assert (result.code, result.text) == (StatusCode.OK, "")
    assert result.responses[-1].committed_ms == 3000
    assert_event_order(result)


async def test_silence_is_committed_and_gives_no_text(stub: Stub) -> None:
    result = await send_requests(stub, Request(config=pb.StreamingConfig()), audio(silence(60)))
    assert (result.code, result.kinds) == (StatusCode.OK, ["started"])
    assert result.responses[-1].committed_ms == 60_000


async def test_hours_of_silence_are_accepted_in_any_format(stub: Stub) -> None:
    wide = pb.AudioFormat(sample_rate_hz=192_000, channels=32, encoding=pb.AudioFormat.ENCODING_PCM_F32LE)
    opening = Request(config=pb.StreamingConfig(format=wide))
    hour = Request(silence=pb.Silence(duration=Duration(seconds=3600)))
    result = await send_requests(stub, opening, *[hour] * 5)
    assert (result.code, result.text) == (StatusCode.OK, "")
    assert result.responses[-1].committed_ms == 5 * 3_600_000
