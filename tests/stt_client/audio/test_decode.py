"""Decoding of real formats: whole, truncated and damaged recordings, and files that are no recordings."""

from __future__ import annotations

import errno
import io
import wave
from pathlib import Path

import av
import numpy as np
import pytest

from stt_client.audio.decode import DecodedAudio, open_file, open_raw, open_stream
from stt_client.errors import SourceError, UnsupportedAudioError
from stt_client.events import AudioFormat, Encoding
from tests.support.audio.audio_files import FakeListener, encode

FORMATS = [
    pytest.param("a.wav", "pcm_s16le", 16_000, "mono", id="wav"),
    pytest.param("a.wav", "pcm_f32le", 44_100, "stereo", id="wav of floats"),
    pytest.param("a.flac", "flac", 96_000, "stereo", id="flac"),
    pytest.param("a.mp3", "libmp3lame", 22_050, "mono", id="mp3"),
    pytest.param("a.ogg", "libopus", 48_000, "mono", id="opus in ogg"),
    pytest.param("a.m4a", "aac", 16_000, "mono", id="aac in mp4"),
    pytest.param("a.webm", "libopus", 48_000, "stereo", id="opus in webm"),
    pytest.param("a.wav", "pcm_s16le", 16_000, "7.1", id="eight channels"),
]


def duration_s(recording: DecodedAudio) -> float:
    return recording.format.duration_ms(sum(map(len, recording.chunks))) / 1000


@pytest.mark.parametrize(("name", "codec", "rate_hz", "layout"), FORMATS)
def test_recording_keeps_its_rate_and_length_and_is_mixed_to_one_channel(
    tmp_path: Path, name: str, codec: str, rate_hz: int, layout: str
) -> None:
    listener = FakeListener()
    recording = open_file(encode(tmp_path / name, codec, rate_hz, layout), listener.warn)
    assert recording.format == AudioFormat(rate_hz, 1, Encoding.S16LE)
    assert duration_s(recording) == pytest.approx(2, abs=0.15)
    assert listener.warnings == []


def test_lossless_recording_decodes_to_the_same_samples(tmp_path: Path) -> None:
    lossless = b"".join(open_file(encode(tmp_path / "a.flac", "flac"), FakeListener().warn).chunks)
    assert lossless == encode(tmp_path / "a.wav").read_bytes()[-len(lossless) :]


def test_chunks_have_100_ms_and_the_last_one_the_remainder(tmp_path: Path) -> None:
    recording = open_file(encode(tmp_path / "a.wav", rate_hz=11_025), FakeListener().warn)
    assert list(map(len, recording.chunks)) == [2 * 1_102] * 20 + [2 * 10]


def test_rate_that_the_server_rejects_is_resampled(tmp_path: Path) -> None:
    recording = open_file(encode(tmp_path / "a.wav", rate_hz=4_000), FakeListener().warn)
    assert recording.format.sample_rate_hz == 48_000
    assert duration_s(recording) == pytest.approx(2, abs=0.01)


def test_colon_in_a_file_name_is_not_a_protocol(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encode(tmp_path / "a.wav").rename(tmp_path / "talk:1.wav")
    monkeypatch.chdir(tmp_path)
    assert duration_s(open_file(Path("talk:1.wav"), FakeListener().warn)) == pytest.approx(2)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(b"", r"a\.wav is empty\.$", id="empty"),
        pytest.param(b"Dear Ann,\nthis is text.\n" * 40, r"a\.wav is not a supported recording", id="text"),
        pytest.param(b"RIFF\x10\0\0\0WAVEfmt ", r"a\.wav is not a supported recording", id="truncated header"),
    ],
)
def test_file_that_is_no_recording_raises_unsupported_audio(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(content)
    with pytest.raises(UnsupportedAudioError, match=message):
        open_file(path, FakeListener().warn)


def test_picture_raises_unsupported_audio(tmp_path: Path) -> None:
    path = tmp_path / "a.bmp"
    with av.open(str(path), "w", format="image2") as container:
        stream = container.add_stream("bmp", rate=1)
        stream.width = stream.height = 16
        stream.pix_fmt = "bgr24"
        picture = av.VideoFrame.from_ndarray(np.zeros((16, 16, 3), np.uint8), format="bgr24")
        for packet in [*stream.encode(picture), *stream.encode(None)]:
            container.mux(packet)
    with pytest.raises(UnsupportedAudioError, match="is not a supported recording"):
        open_file(path, FakeListener().warn)


def test_missing_file_raises_source_error(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"none\.wav cannot be read: No such file"):
        open_file(tmp_path / "none.wav", FakeListener().warn)


@pytest.mark.parametrize(
    ("name", "codec"),
    [("a.wav", "pcm_s16le"), ("a.flac", "flac"), ("a.mp3", "libmp3lame"), ("a.webm", "libopus")],
)
def test_truncated_recording_is_decoded_to_its_end_with_a_warning(tmp_path: Path, name: str, codec: str) -> None:
    path = encode(tmp_path / name, codec, 48_000)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    listener = FakeListener()
    assert 0.2 < duration_s(open_file(path, listener.warn)) < 1.5
    assert [name in warning and "truncated" in warning for warning in listener.warnings] == [True]


def test_forty_channels_are_mixed_to_one(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    with wave.open(str(path), "wb") as recording:
        recording.setparams((40, 2, 8_000, 0, "NONE", ""))
        recording.writeframes(np.full((4_000, 40), 5_000, "<i2").tobytes())
    listener = FakeListener()
    opened = open_file(path, listener.warn)
    assert opened.format == AudioFormat(8_000, 1)
    assert b"".join(opened.chunks) == np.full(4_000, 5_000, "<i2").tobytes()
    assert listener.warnings == []


def test_damage_in_the_middle_loses_only_the_damaged_part(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.m4a", "aac", 48_000)
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 400] = bytes(400)
    path.write_bytes(content)
    listener = FakeListener()
    assert duration_s(open_file(path, listener.warn)) > 1.8
    assert listener.warnings == [f"{path} is damaged: some of its audio could not be decoded."]


def test_recording_may_change_its_rate_and_channels(tmp_path: Path) -> None:
    mono = encode(tmp_path / "1.mp3", "libmp3lame", 16_000).read_bytes()
    stereo = encode(tmp_path / "2.mp3", "libmp3lame", 44_100, "stereo").read_bytes()
    recording = open_stream(io.BytesIO(mono + stereo), "pipe", FakeListener().warn)
    assert recording.format == AudioFormat(16_000, 1)
    assert duration_s(recording) == pytest.approx(4, abs=0.3)


def test_wav_with_placeholder_length_is_not_reported_as_truncated(tmp_path: Path) -> None:
    """`arecord > f.wav` cannot seek back to write the length."""
    path = encode(tmp_path / "a.wav")
    content = bytearray(path.read_bytes())
    data = content.index(b"data") + 4
    for placeholder in (0x8000_0000, 0x7FFF_FFDB, 0xFFFF_FFFF):
        content[4:8] = min(placeholder + 36, 0xFFFF_FFFF).to_bytes(4, "little")
        content[data : data + 4] = placeholder.to_bytes(4, "little")
        path.write_bytes(content)
        listener = FakeListener()
        recording = open_file(path, listener.warn)
        assert duration_s(recording) == pytest.approx(2)
        assert listener.warnings == []
        assert recording.duration_ms is None


@pytest.mark.parametrize("tag", [b"", b"ID3\x04\0\0\0\0\x20\0" + bytes(4096)])
def test_mp3_of_estimated_length_is_not_reported_as_truncated(tmp_path: Path, tag: bytes) -> None:
    """A variable bit rate without a Xing header: most of the file has a far lower bit rate than its start."""
    path = tmp_path / "a.mp3"
    loud, quiet = encode(tmp_path / "1.mp3", "libmp3lame", 44_100), mp3_of(tmp_path / "2.mp3", 8_000)
    path.write_bytes(tag + without_length(quiet.read_bytes()) + without_length(loud.read_bytes()))
    listener = FakeListener()
    recording = open_file(path, listener.warn)
    assert duration_s(recording) > 3
    assert not any("truncated" in warning for warning in listener.warnings)
    assert recording.duration_ms is None


def mp3_of(path: Path, bit_rate: int) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libmp3lame", rate=44_100, layout="mono", bit_rate=bit_rate)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 44_100 * 2), np.int16), format="s16p", layout="mono")
        frame.sample_rate = 44_100
        resampler = av.AudioResampler("s16p", "mono", 44_100, frame_size=1152)
        for converted in [*resampler.resample(frame), None]:
            container.mux(stream.encode(converted))
    return path


def without_length(content: bytes) -> bytes:
    """Return an MP3 without the tag that states its number of frames."""
    return content.replace(b"Xing", bytes(4)).replace(b"Info", bytes(4))


def test_truncated_mp3_with_a_large_id3_tag_is_reported(tmp_path: Path) -> None:
    content = encode(tmp_path / "a.mp3", "libmp3lame", 44_100).read_bytes()
    frames = content[content.index(b"\xff\xfb") :]
    path = tmp_path / "b.mp3"
    path.write_bytes(b"ID3\x04\0\0\0\0\x40\0" + bytes(8192) + frames[:4000])
    listener = FakeListener()
    assert duration_s(open_file(path, listener.warn)) < 1
    assert [("truncated" in warning) for warning in listener.warnings] == [True]


def test_playlist_is_rejected_and_reads_no_other_file(tmp_path: Path) -> None:
    encode(tmp_path / "private.wav")
    path = tmp_path / "memo.flac"
    path.write_text("ffconcat version 1.0\nfile private.wav\n")
    with pytest.raises(UnsupportedAudioError, match=r"memo\.flac is not a supported recording"):
        open_file(path, FakeListener().warn)


def test_missing_track_is_an_error_that_does_not_skip_the_file(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="there is no audio track 2: valid numbers are 1 to 1") as failure:
        open_file(encode(tmp_path / "a.wav"), FakeListener().warn, track=2)
    assert not isinstance(failure.value, UnsupportedAudioError)


def test_read_error_raises_source_error(tmp_path: Path) -> None:
    class Failing(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            if self.tell() > 400_000:
                raise OSError(errno.EIO, "Input/output error")
            return super().read(size)

    recording = open_stream(Failing(encode(tmp_path / "a.wav", seconds=20).read_bytes()), "disk", FakeListener().warn)
    with pytest.raises(SourceError, match="disk cannot be read any further: Input/output error"):
        list(recording.chunks)


def test_raw_audio_that_ends_within_a_sample_is_truncated_to_whole_samples() -> None:
    listener, audio_format = FakeListener(), AudioFormat(16_000, 2, Encoding.S16LE)
    recording = open_raw(io.BytesIO(bytes(6403)), "a.raw", audio_format, listener.warn)
    assert sum(map(len, recording.chunks)) == 6400
    assert listener.warnings == [
        "a.raw ends within a sample: its last 3 of 4 bytes are ignored. Check --raw.",
    ]


def test_raw_audio_is_passed_through_unchanged() -> None:
    audio_format = AudioFormat(8_000, 2, Encoding.MULAW)
    recording = open_raw(io.BytesIO(bytes(range(256)) * 10), "pipe", audio_format)
    assert recording.format == audio_format
    chunks = list(recording.chunks)
    assert b"".join(chunks) == bytes(range(256)) * 10
    assert len(chunks[0]) == 1600


def test_empty_raw_audio_is_an_error() -> None:
    with pytest.raises(UnsupportedAudioError, match="pipe is empty"):
        open_raw(io.BytesIO(), "pipe", AudioFormat())
