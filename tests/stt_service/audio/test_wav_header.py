"""WAV headers that arrive in pieces: formats, lengths and limits."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stt_service.audio.pcm import AudioFormat, Encoding
from stt_service.audio.wav_header import MAX_CHUNKS, MAX_HEADER_BYTES, WavHeader, read_wav_header, starts_wav
from stt_service.errors import InvalidRequestError
from tests.support.audio.wav_files import ALAW, FLOAT, MULAW, PCM, chunk, extensible_chunk, format_chunk, wav

SAMPLES = bytes(range(100))
LIST = chunk(b"LIST", b"INFOISFT\x03\0\0\0a\0b")
HEADER_BYTES = 44


@pytest.mark.parametrize(
    ("fmt", "expected"),
    [
        (format_chunk(), AudioFormat()),
        (format_chunk(PCM, 44_100, 2), AudioFormat(Encoding.PCM_S16LE, 44_100, 2)),
        (format_chunk(FLOAT, 48_000, 1, 32), AudioFormat(Encoding.PCM_F32LE, 48_000)),
        (format_chunk(MULAW, 8_000, 1, 8), AudioFormat(Encoding.MULAW, 8_000)),
        (format_chunk(ALAW, 8_000, 1, 8), AudioFormat(Encoding.ALAW, 8_000)),
        (extensible_chunk(PCM, 16), AudioFormat()),
        (extensible_chunk(FLOAT, 32), AudioFormat(Encoding.PCM_F32LE)),
    ],
)
def test_header_has_the_format_of_its_samples(fmt: bytes, expected: AudioFormat) -> None:
    header = read_wav_header(wav(SAMPLES, fmt))
    assert header is not None
    assert (header.audio_format, header.sample_bytes) == (expected, len(SAMPLES))


def test_chunks_before_the_samples_are_skipped() -> None:
    file = wav(SAMPLES, None, LIST, chunk(b"JUNK", bytes(3)))
    header = read_wav_header(file)
    assert header is not None
    assert file[header.header_bytes :] == SAMPLES


@given(st.integers(0, 2**16))
@settings(derandomize=True, deadline=None)
def test_header_is_read_once_all_of_it_has_arrived(cut: int) -> None:
    file = wav(SAMPLES, None, LIST)
    start = file[: cut % len(file)]
    header_bytes = len(file) - len(SAMPLES)
    assert (read_wav_header(start) is None) == (len(start) < header_bytes)
    assert starts_wav(start)


@pytest.mark.parametrize("size", [0, 0x7FFF_0000, 0xFFFF_FFFF])
def test_length_that_the_writer_did_not_know_is_unlimited(size: int) -> None:
    assert read_wav_header(wav(SAMPLES, size=size)) == WavHeader(AudioFormat(), HEADER_BYTES, None)


def test_claimed_length_is_passed_on_unchecked() -> None:
    assert read_wav_header(wav(SAMPLES, size=2**30)) == WavHeader(AudioFormat(), HEADER_BYTES, 2**30)


@pytest.mark.parametrize(
    ("start", "message"),
    [
        (wav(b"", format_chunk(PCM, bits=24)), "format 1 with 24 bits cannot be streamed"),
        (wav(b"", format_chunk(85, bits=0)), "format 85 with 0 bits cannot be streamed"),
        (wav(b"", extensible_chunk(PCM, 24)), "format 1 with 24 bits"),
        (wav(b"", format_chunk()[:14]), "14 bytes, must be at least 16"),
        (wav(b"", format_chunk(rate_hz=0)), "sample_rate_hz=0"),
        (wav(b"", format_chunk(channels=0)), "channels=0"),
        (b"RIFF\0\0\0\0WAVE" + chunk(b"data", b""), "no format before the samples"),
        (b"RIFF\0\0\0\0WAVE" + chunk(b"JUNK", b"", 2**32 - 1), f"the first {MAX_HEADER_BYTES} bytes"),
        (b"RIFF\0\0\0\0WAVE" + chunk(b"JUNK", b"", MAX_HEADER_BYTES), f"the first {MAX_HEADER_BYTES} bytes"),
        (b"RIFF\0\0\0\0WAVE" + MAX_CHUNKS * chunk(b"JUNK", b""), f"at most {MAX_CHUNKS - 1} chunks"),
    ],
)
def test_invalid_header_is_rejected_with_its_fault(start: bytes, message: str) -> None:
    with pytest.raises(InvalidRequestError, match=message):
        read_wav_header(start)


@given(st.binary(max_size=200))
@settings(derandomize=True, deadline=None)
def test_any_bytes_are_a_header_or_incomplete_or_rejected(tail: bytes) -> None:
    try:
        header = read_wav_header(b"RIFF\0\0\0\0WAVE" + tail)
    except InvalidRequestError:
        return
    assert header is None or header.header_bytes <= 12 + len(tail)


@pytest.mark.parametrize("start", [b"RIFX", b"RIFF\0\0\0\0AVI ", b"RIFF\0\0\0\0WAVX", b"\0", b"fLaC"])
def test_other_bytes_do_not_start_a_wav_file(start: bytes) -> None:
    assert not starts_wav(start)
