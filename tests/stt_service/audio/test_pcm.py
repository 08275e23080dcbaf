"""Decoding of a client's bytes: properties of pcm.py for arbitrary chunks and pure tones."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from stt_service.audio.pcm import (
    FRAME_SAMPLES,
    SAMPLE_RATE_HZ,
    AudioFormat,
    Decoder,
    Encoding,
    FrameSplitter,
    Samples,
)
from stt_service.errors import InvalidRequestError

LAW = settings(derandomize=True, deadline=None, max_examples=150)
RATES_HZ = [8_000, 11_025, 16_000, 22_050, 44_100, 48_000, 192_000]
FORMATS = st.builds(AudioFormat, st.sampled_from(Encoding), st.sampled_from(RATES_HZ), st.sampled_from([1, 2, 3]))
WAV_HEADER = b"RIFF\x24\x00\x00\x00WAVEfmt " + bytes(28)


def decoded(data: bytes, audio_format: AudioFormat, cuts: list[int] | None = None) -> Samples:
    """Decode the data in chunks that end at the cuts."""
    decoder = Decoder(audio_format)
    bounds = [0, *sorted(cuts or []), len(data)]
    return np.concatenate([*(decoder.push(data[a:b]) for a, b in pairwise(bounds)), decoder.flush()])


def pcm(samples: NDArray[np.float64]) -> bytes:
    return (samples * 32768).astype("<i2").tobytes()


def tone(frequency_hz: float, rate_hz: int) -> NDArray[np.float64]:
    """Return one second of a tone at half of full scale."""
    return 0.5 * np.sin(2 * np.pi * frequency_hz * np.arange(rate_hz) / rate_hz)


def level_db(samples: Samples) -> float:
    """Return the level of the middle half, which has no edge effects, relative to `tone`."""
    middle = samples[len(samples) // 4 : -len(samples) // 4].astype(np.float64)
    return float(20 * np.log10(np.sqrt(np.mean(middle**2)) / (0.5 / np.sqrt(2)) + 1e-12))


def pitch_hz(samples: Samples) -> float:
    """Return the frequency of the highest peak; the spectrum of a second has a line for each hertz."""
    return float(np.argmax(np.abs(np.fft.rfft(samples, SAMPLE_RATE_HZ))))


@LAW
@given(audio_format=FORMATS, seed=st.integers(0, 2**32 - 1), data_source=st.data())
def test_samples_do_not_depend_on_the_chunks(audio_format: AudioFormat, seed: int, data_source: st.DataObject) -> None:
    length = audio_format.frame_bytes * data_source.draw(st.integers(0, audio_format.sample_rate_hz // 4))
    data = np.random.default_rng(seed).integers(0, 256, length, np.uint8).tobytes()
    cuts = data_source.draw(st.lists(st.integers(0, length), max_size=20))
    np.testing.assert_array_equal(decoded(data, audio_format, cuts), decoded(data, audio_format))


@pytest.mark.parametrize("rate_hz", RATES_HZ)
def test_samples_are_the_same_for_chunks_of_one_byte(rate_hz: int) -> None:
    data = np.random.default_rng(0).integers(0, 256, 6000, np.uint8).tobytes()
    audio_format = AudioFormat(sample_rate_hz=rate_hz)
    np.testing.assert_array_equal(decoded(data, audio_format, list(range(len(data)))), decoded(data, audio_format))


@LAW
@given(st.binary(max_size=600).map(lambda data: data[: len(data) // 8 * 8]), FORMATS)
def test_samples_of_any_bytes_are_finite_and_in_range(data: bytes, audio_format: AudioFormat) -> None:
    data = data[: len(data) // audio_format.frame_bytes * audio_format.frame_bytes]
    samples = decoded(data, audio_format)
    assert samples.dtype == np.float32
    assert np.all((samples >= -1) & (samples < 1))


def test_16_khz_passes_unchanged() -> None:
    data = np.random.default_rng(1).integers(-32768, 32768, 5000, np.int16).astype("<i2")
    samples = Decoder(AudioFormat()).push(data.tobytes())
    np.testing.assert_array_equal(samples, data.astype(np.float32) / 32768)


def test_channels_are_mixed_by_their_mean() -> None:
    data = np.array([[900, -300, 0], [3, 6, 9]] * 4, "<i2").tobytes()
    samples = decoded(data, AudioFormat(channels=3))
    np.testing.assert_array_equal(samples * 32768, [200, 6] * 4)


@pytest.mark.parametrize(
    ("encoding", "code", "expected"),
    [
        (Encoding.MULAW, 0x00, -32124),
        (Encoding.MULAW, 0x80, 32124),
        (Encoding.MULAW, 0x7F, 0),
        (Encoding.MULAW, 0xFF, 0),
        (Encoding.MULAW, 0xFE, 8),
        (Encoding.MULAW, 0xEF, 132),
        (Encoding.ALAW, 0x55, -8),
        (Encoding.ALAW, 0xD5, 8),
        (Encoding.ALAW, 0x2A, -32256),
        (Encoding.ALAW, 0xAA, 32256),
        (Encoding.ALAW, 0xC5, 264),
        (Encoding.ALAW, 0xF5, 528),
    ],
)
def test_g711_bytes_have_their_standard_values(encoding: Encoding, code: int, expected: int) -> None:
    samples = decoded(bytes([code] * 12), AudioFormat(encoding))
    assert set(samples * 32768) == {expected}


@pytest.mark.parametrize("encoding", [Encoding.MULAW, Encoding.ALAW])
def test_g711_samples_rise_with_the_magnitude_of_the_byte(encoding: Encoding) -> None:
    inverted = 0x7F if encoding is Encoding.MULAW else 0x55
    codes = bytes((magnitude | 0x80) ^ inverted for magnitude in range(128))
    assert np.all(np.diff(decoded(codes, AudioFormat(encoding))) > 0)


def test_non_finite_samples_become_silence_and_loud_ones_are_clipped() -> None:
    data = np.array([np.nan, np.inf, -np.inf, 7, -7, 0.25], "<f4").tobytes()
    samples = decoded(data, AudioFormat(Encoding.PCM_F32LE))
    np.testing.assert_array_equal(samples, np.array([0, 0, 0, 1 - 2**-24, -1, 0.25], np.float32))


@pytest.mark.parametrize("rate_hz", [44_100, 48_000, 192_000])
@pytest.mark.parametrize("frequency_hz", [100, 440, 3000, 7000])
def test_resampling_keeps_level_and_pitch(frequency_hz: int, rate_hz: int) -> None:
    samples = decoded(pcm(tone(frequency_hz, rate_hz)), AudioFormat(sample_rate_hz=rate_hz))
    assert level_db(samples) == pytest.approx(0, abs=0.1)
    assert pitch_hz(samples) == frequency_hz


def test_telephone_tone_has_no_image_above_4_khz() -> None:
    samples = decoded(pcm(tone(3000, 8_000)), AudioFormat(sample_rate_hz=8_000))
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples)), SAMPLE_RATE_HZ))
    assert level_db(samples) == pytest.approx(0, abs=0.1)
    assert max(spectrum[4000:]) < max(spectrum) / 1000


@pytest.mark.parametrize("frequency_hz", [9_000, 12_000, 18_000])
def test_frequencies_above_8_khz_are_removed(frequency_hz: int) -> None:
    samples = decoded(pcm(tone(frequency_hz, 48_000)), AudioFormat(sample_rate_hz=48_000))
    assert level_db(samples) < -60


@pytest.mark.parametrize("rate_hz", RATES_HZ)
@pytest.mark.parametrize("count", [0, 1, 5, 997, 30_011])
def test_resampling_keeps_the_duration(count: int, rate_hz: int) -> None:
    samples = decoded(bytes(2 * count), AudioFormat(sample_rate_hz=rate_hz))
    assert len(samples) == pytest.approx(count * SAMPLE_RATE_HZ / rate_hz, abs=1)


@pytest.mark.parametrize(("rate_hz", "latest_ms"), [(8_000, 120), (44_100, 45), (48_000, 45), (192_000, 45)])
def test_decoder_delay_is_bounded(rate_hz: int, latest_ms: int) -> None:
    decoder, returned = Decoder(AudioFormat(sample_rate_hz=rate_hz)), 0
    for _ in range(100):
        returned += len(decoder.push(bytes(rate_hz // 100 * 2)))
        assert decoder.received_ms - returned / 16 < latest_ms


def test_received_audio_is_counted_at_the_rate_of_the_client() -> None:
    decoder = Decoder(AudioFormat(sample_rate_hz=44_100, channels=2))
    decoder.push(bytes(4 * 44_100 - 5))
    decoder.push(bytes(4))
    assert decoder.received_ms == 999
    decoder.push(bytes(1))
    assert decoder.received_ms == 1000


@pytest.mark.parametrize("rate_hz", [7_999, 192_001, 0, -1])
def test_rate_out_of_range_is_rejected(rate_hz: int) -> None:
    message = rf"^Invalid sample_rate_hz={rate_hz}: must be 8000 to 192000\.$"
    with pytest.raises(InvalidRequestError, match=message):
        AudioFormat(sample_rate_hz=rate_hz)


@pytest.mark.parametrize("channels", [0, 33])
def test_number_of_channels_out_of_range_is_rejected(channels: int) -> None:
    with pytest.raises(InvalidRequestError, match=rf"^Invalid channels={channels}: must be 1 to 32\.$"):
        AudioFormat(channels=channels)


@LAW
@given(audio_format=FORMATS, cuts=st.lists(st.integers(0, 12)))
def test_wav_header_is_rejected_in_any_chunks(audio_format: AudioFormat, cuts: list[int]) -> None:
    with pytest.raises(InvalidRequestError, match=r"WAV header, .* without the header, or .* to Recognize"):
        decoded(WAV_HEADER, audio_format, cuts)


@pytest.mark.parametrize(
    "start", [b"", b"RIFX" + WAV_HEADER[4:], b"RIFF\0\0\0\0WA", b"RIFF\0\0\0\0AVI ", WAV_HEADER[2:]]
)
def test_other_first_bytes_are_decoded_as_samples(start: bytes) -> None:
    assert len(decoded(start, AudioFormat())) == len(start) // 2


def test_audio_that_ends_inside_a_sample_is_rejected() -> None:
    decoder = Decoder(AudioFormat(channels=2))
    decoder.push(bytes(403))
    decoder.flush()
    with pytest.raises(InvalidRequestError, match="with 3 of its 4 bytes left over"):
        decoder.check_whole()


@LAW
@given(lengths=st.lists(st.integers(0, 1500), max_size=8))
def test_frames_contain_the_samples_in_order_and_the_last_is_padded(lengths: list[int]) -> None:
    splitter, samples = FrameSplitter(), np.arange(1, sum(lengths) + 1, dtype=np.float32)
    chunks = np.split(samples, np.cumsum(lengths)[:-1]) if lengths else []
    pushed = [splitter.push(chunk) for chunk in chunks]
    assert sum(map(len, pushed)) == len(samples) // FRAME_SAMPLES
    frames = np.concatenate([*pushed, splitter.flush()])
    assert frames.shape == (-(-len(samples) // FRAME_SAMPLES), FRAME_SAMPLES)
    np.testing.assert_array_equal(frames.ravel()[: len(samples)], samples)
    assert not frames.ravel()[len(samples) :].any()


def test_flushed_splitter_is_empty() -> None:
    splitter = FrameSplitter()
    splitter.push(np.ones(10, np.float32))
    assert len(splitter.flush()) == 1
    assert len(splitter.flush()) == 0


@pytest.mark.parametrize("rate_hz", [16_000, 48_000])
def test_returned_arrays_are_read_only(rate_hz: int) -> None:
    decoder, splitter = Decoder(AudioFormat(sample_rate_hz=rate_hz)), FrameSplitter()
    samples = decoder.push(bytes(20_000))
    for array in (samples, decoder.flush(), splitter.push(samples), splitter.flush()):
        assert not array.flags.writeable
