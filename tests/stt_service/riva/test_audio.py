"""The audio of a Riva stream: how its format is found, and which bytes are samples."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stt.riva.v1 import riva_pb2 as riva

from stt_service.audio.pcm import AudioFormat, Encoding
from stt_service.errors import InvalidRequestError
from stt_service.riva.audio import StreamAudio, declared_audio, is_recording
from tests.support.audio.wav_files import MULAW, PCM, chunk, format_chunk, wav

LAW = settings(derandomize=True, deadline=None, max_examples=200)
SAMPLES = bytes(range(1, 101))
NOTHING = riva.Options()
PCM_8K = riva.Options(encoding=riva.ENCODING_PCM_S16LE, sample_rate_hz=8_000)
FILES = {
    "plain": wav(SAMPLES),
    "chunks before": wav(SAMPLES, None, chunk(b"LIST", b"abc")),
    "chunks after": wav(SAMPLES, after=chunk(b"LIST", b"abc")),
    "unknown length": wav(SAMPLES, size=0),
    "too long a length": wav(SAMPLES, size=10**6),
}


def received(options: riva.Options, data: bytes, cuts: list[int] | None = None) -> tuple[AudioFormat | None, bytes]:
    """Return the format and the samples of data that arrives in pieces."""
    audio = StreamAudio(options)
    bounds = [0, *sorted(cuts or []), len(data)]
    samples = b"".join([*(audio.push(data[a:b]) for a, b in pairwise(bounds)), audio.finish()])
    return audio.format, samples


@pytest.mark.parametrize("file", FILES.values(), ids=list(FILES))
def test_only_the_samples_of_a_wav_file_are_passed_on(file: bytes) -> None:
    assert received(NOTHING, file) == (AudioFormat(), SAMPLES)


@LAW
@given(st.sampled_from(list(FILES.values())), st.lists(st.integers(0, 2**16), max_size=9))
def test_samples_do_not_depend_on_the_chunks(file: bytes, cuts: list[int]) -> None:
    assert received(NOTHING, file, [cut % len(file) for cut in cuts]) == (AudioFormat(), SAMPLES)


def test_length_that_is_less_than_the_samples_ends_them() -> None:
    assert received(NOTHING, wav(SAMPLES, size=10)) == (AudioFormat(), SAMPLES[:10])


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (riva.Options(sample_rate_hz=44_100, channels=2), AudioFormat(Encoding.PCM_S16LE, 44_100, 2)),
        (riva.Options(encoding=riva.ENCODING_PCM_S16LE), AudioFormat()),
        (PCM_8K, AudioFormat(Encoding.PCM_S16LE, 8_000)),
        (riva.Options(encoding=riva.ENCODING_MULAW), AudioFormat(Encoding.MULAW, 8_000)),
        (riva.Options(encoding=riva.ENCODING_ALAW, sample_rate_hz=16_000), AudioFormat(Encoding.ALAW, 16_000)),
    ],
)
def test_headerless_audio_has_the_declared_format(options: riva.Options, expected: AudioFormat) -> None:
    for data in (SAMPLES, b"RI", b"RIFFRIFFRIFF", b"fL", bytes(5)):
        assert received(options, data) == (expected, data)


@pytest.mark.parametrize(
    ("options", "certain"),
    [
        (NOTHING, False),
        (riva.Options(sample_rate_hz=8_000), False),
        (riva.Options(encoding=riva.ENCODING_PCM_S16LE), False),
        (PCM_8K, True),
        (riva.Options(encoding=riva.ENCODING_MULAW), True),
    ],
)
def test_format_is_known_before_the_audio_if_encoding_and_rate_are(options: riva.Options, certain: bool) -> None:
    assert (StreamAudio(options).format is not None) is certain


def test_header_that_agrees_with_the_declared_format_is_removed() -> None:
    assert received(PCM_8K, wav(SAMPLES, format_chunk(PCM, 8_000))) == (
        AudioFormat(Encoding.PCM_S16LE, 8_000),
        SAMPLES,
    )


def test_header_that_contradicts_the_declared_format_is_rejected() -> None:
    with pytest.raises(InvalidRequestError, match=r"has PCM_S16LE, 16000 Hz.*but the config has PCM_S16LE, 8000 Hz"):
        received(PCM_8K, FILES["plain"])


def test_header_decides_where_the_config_does_not() -> None:
    file = wav(SAMPLES, format_chunk(MULAW, 8_000, 1, 8))
    assert received(riva.Options(sample_rate_hz=44_100), file) == (AudioFormat(Encoding.MULAW, 8_000), SAMPLES)


@pytest.mark.parametrize(
    ("options", "data", "message"),
    [
        (NOTHING, b"ID3\4" + SAMPLES, "encoding is unknown"),
        (NOTHING, b"\0", "encoding is unknown"),
        (NOTHING, b"fLaC" + SAMPLES, "Invalid encoding FLAC: a stream must be"),
        (NOTHING, b"OggS" + SAMPLES, "Invalid encoding OGGOPUS: a stream must be"),
        (riva.Options(sample_rate_hz=16_000), b"fLaC" + SAMPLES, "Invalid encoding FLAC"),
        (riva.Options(encoding=riva.ENCODING_FLAC), b"", "Invalid encoding FLAC"),
        (riva.Options(encoding=riva.ENCODING_OGG_OPUS, sample_rate_hz=48_000), b"", "Invalid encoding OGGOPUS"),
        (NOTHING, FILES["plain"][:43], "its 43 bytes end inside the header"),
        (NOTHING, FILES["plain"][:12], "its 12 bytes end inside the header"),
    ],
)
def test_audio_without_a_usable_format_is_rejected(options: riva.Options, data: bytes, message: str) -> None:
    with pytest.raises(InvalidRequestError, match=message):
        received(options, data)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (riva.Options(sample_rate_hz=7_999), "sample_rate_hz=7999"),
        (riva.Options(sample_rate_hz=-1), "sample_rate_hz=-1"),
        (riva.Options(encoding=riva.ENCODING_MULAW, channels=33), "channels=33"),
        (riva.Options.FromString(b"\x08\x05"), "encoding=5: must be LINEAR_PCM"),
    ],
)
def test_options_out_of_range_are_rejected(options: riva.Options, message: str) -> None:
    with pytest.raises(InvalidRequestError, match=message):
        declared_audio(options)


def test_stream_without_audio_has_a_format() -> None:
    assert received(NOTHING, b"") == (AudioFormat(), b"")


@pytest.mark.parametrize(
    ("options", "audio", "expected"),
    [
        (NOTHING, SAMPLES, True),  # FFmpeg decides
        (NOTHING, FILES["plain"], True),
        (PCM_8K, FILES["plain"], True),
        (PCM_8K, SAMPLES, False),
        (PCM_8K, b"fLaC" + SAMPLES, False),
        (riva.Options(sample_rate_hz=8_000), b"fLaC" + SAMPLES, True),
        (riva.Options(sample_rate_hz=8_000), SAMPLES, False),
        (riva.Options(encoding=riva.ENCODING_FLAC, sample_rate_hz=8_000), SAMPLES, True),
    ],
)
def test_recording_is_a_file_unless_it_is_declared_headerless(
    options: riva.Options, audio: bytes, expected: bool
) -> None:
    assert is_recording(options, audio) is expected
