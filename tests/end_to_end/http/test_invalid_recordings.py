"""Recordings that promise too much: hours of silence in kilobytes, and headers with enormous values."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import av
import numpy as np
import pytest

from stt_service.audio.recordings import MAX_RECORDING_S
from tests.support.audio.encoded_audio import encode_pcm, silence
from tests.support.clients.raw_http import Answer, HttpPort

pytestmark = [pytest.mark.model, pytest.mark.process]
RATE_HZ = 8_000


def hours_of_silence(container: str, codec: str) -> bytes:
    """Return a minute more than the longest recording, in few bytes."""
    buffer, samples = io.BytesIO(), np.zeros((1, 1024), np.float32)
    with av.open(buffer, "w", format=container) as output:
        stream = output.add_stream(codec, rate=RATE_HZ, layout="mono")
        assert isinstance(stream, av.AudioStream)
        for number in range((MAX_RECORDING_S + 60) * RATE_HZ // 1024):
            frame = av.AudioFrame.from_ndarray(samples, "fltp", "mono")
            frame.sample_rate, frame.pts = RATE_HZ, number * 1024
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return buffer.getvalue()


@pytest.fixture(scope="module")
def bomb(unaffected: HttpPort) -> Iterator[Future[Answer]]:
    """The response to hours of silence, which is decoded during all tests of the module."""
    recording = hours_of_silence("mp4", "aac")
    assert len(recording) < 2**20
    with ThreadPoolExecutor() as pool:
        yield pool.submit(unaffected.upload, recording)


def wav_header(rate_hz: int = 16_000, channels: int = 1, bits: int = 16, data_bytes: int = 32_000) -> bytes:
    """Return the header of a WAV file, with any values."""
    frame_bytes = channels * bits // 8
    form = struct.pack("<HHIIHH", 1, channels, rate_hz, rate_hz * frame_bytes & 0xFFFFFFFF, frame_bytes & 0xFFFF, bits)
    size = struct.pack("<I", min(data_bytes + 36, 0xFFFFFFFF))
    return b"RIFF" + size + b"WAVEfmt " + struct.pack("<I", 16) + form + b"data" + struct.pack("<I", data_bytes)


def flac_with_length_of_a_year() -> bytes:
    """Return a second of FLAC whose header claims the largest number of samples."""
    recording = bytearray(encode_pcm(silence(1), "flac", "flac"))
    start = recording.index(b"fLaC") + 8  # STREAMINFO: the number of samples is the lower 36 bits of bytes 10 to 17
    recording[start + 13] |= 0x0F
    recording[start + 14 : start + 18] = b"\xff" * 4
    return bytes(recording)


@pytest.mark.parametrize(
    ("recording", "sentence"),
    [
        (wav_header(rate_hz=0xFFFFFFFF) + silence(1), "cannot be decoded"),
        (wav_header(rate_hz=0) + silence(1), "cannot be decoded"),
        (wav_header(rate_hz=1) + silence(1), "cannot be decoded"),
        (wav_header(channels=0xFFFF) + silence(1), "cannot be decoded"),
        (wav_header(channels=0) + silence(1), "cannot be decoded"),
        (wav_header(bits=0xFFFF) + silence(1), "cannot be decoded"),
        (wav_header(data_bytes=0), "has no audio"),
        (b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n", "cannot be decoded"),
        (b"v=0\no=- 0 0 IN IP4 127.0.0.1\nm=audio 5004 RTP/AVP 0\n", "cannot be decoded"),
        (bytes(3 * 2**20), "cannot be decoded"),
        (b"\x1f\x8b\x08\x00" + bytes(1000), "cannot be decoded"),
    ],
    ids=["rate", "no rate", "1 Hz", "channels", "no channel", "bits", "no samples", "playlist", "SDP", "zeros", "gzip"],
)
def test_recording_with_impossible_values_is_rejected(
    bomb: Future[Answer], unaffected: HttpPort, recording: bytes, sentence: str
) -> None:
    answered = unaffected.upload(recording)
    assert (answered.status, sentence in answered.message) == (400, True), answered.message


@pytest.mark.parametrize(
    "recording",
    [wav_header(data_bytes=0xFFFFFFFF) + silence(1), flac_with_length_of_a_year()],
    ids=["4 GiB of WAV", "a year of FLAC"],
)
def test_recording_that_claims_more_than_it_has_is_recognized_as_it_is(
    bomb: Future[Answer], unaffected: HttpPort, recording: bytes
) -> None:
    """Programs that write to a pipe do not know the length, and write the largest one."""
    answered = unaffected.upload(recording, response_format="verbose_json")
    assert (answered.status, answered.text) == (200, "")


@pytest.mark.slow
def test_hours_of_silence_are_rejected_at_the_limit(bomb: Future[Answer]) -> None:
    answered = bomb.result()
    assert (answered.status, answered.message) == (
        400,
        f"The recording is longer than {MAX_RECORDING_S} s: split it, or send it to StreamingRecognize.",
    )
