"""Recordings in real formats, whole, cut short, damaged, or none at all."""

from __future__ import annotations

import io
from pathlib import Path

import av
import numpy as np
import pytest
from made_audio import Ear, encode

from stt_cli.decoding import Recording, open_file, open_raw, open_stream
from stt_cli.errors import NotAudio, SourceError
from stt_cli.events import AudioFormat, Encoding

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


def duration_s(recording: Recording) -> float:
    return recording.format.duration_ms(sum(map(len, recording.chunks))) / 1000


@pytest.mark.parametrize(("name", "codec", "rate_hz", "layout"), FORMATS)
def test_a_recording_keeps_its_rate_and_its_length_and_is_mixed_to_one_channel(
    tmp_path: Path, name: str, codec: str, rate_hz: int, layout: str
) -> None:
    ear = Ear()
    recording = open_file(encode(tmp_path / name, codec, rate_hz, layout), ear.warn)
    assert recording.format == AudioFormat(rate_hz, 1, Encoding.S16LE)
    assert duration_s(recording) == pytest.approx(2, abs=0.15)
    assert ear.warnings == []


def test_samples_come_out_as_they_went_in(tmp_path: Path) -> None:
    lossless = b"".join(open_file(encode(tmp_path / "a.flac", "flac"), Ear().warn).chunks)
    assert lossless == encode(tmp_path / "a.wav").read_bytes()[-len(lossless) :]


def test_chunks_are_100_ms_and_the_last_is_the_rest(tmp_path: Path) -> None:
    recording = open_file(encode(tmp_path / "a.wav", rate_hz=11_025), Ear().warn)
    assert list(map(len, recording.chunks)) == [2 * 1_102] * 20 + [2 * 10]


def test_a_rate_that_the_server_does_not_take_is_changed(tmp_path: Path) -> None:
    recording = open_file(encode(tmp_path / "a.wav", rate_hz=4_000), Ear().warn)
    assert recording.format.sample_rate_hz == 48_000
    assert duration_s(recording) == pytest.approx(2, abs=0.01)


def test_a_colon_in_a_name_is_no_protocol(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encode(tmp_path / "a.wav").rename(tmp_path / "talk:1.wav")
    monkeypatch.chdir(tmp_path)
    assert duration_s(open_file(Path("talk:1.wav"), Ear().warn)) == pytest.approx(2)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        pytest.param(b"", r"a\.wav is empty\.$", id="empty"),
        pytest.param(b"Dear Ann,\nthis is text.\n" * 40, r"a\.wav is no recording", id="text"),
        pytest.param(b"RIFF\x10\0\0\0WAVEfmt ", r"a\.wav is no recording", id="a header cut in two"),
    ],
)
def test_a_file_that_is_no_recording_is_told_so(tmp_path: Path, content: bytes, sentence: str) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(content)
    with pytest.raises(NotAudio, match=sentence):
        open_file(path, Ear().warn)


def test_a_picture_is_no_recording(tmp_path: Path) -> None:
    path = tmp_path / "a.bmp"
    with av.open(str(path), "w", format="image2") as container:
        stream = container.add_stream("bmp", rate=1)
        stream.width = stream.height = 16
        stream.pix_fmt = "bgr24"
        picture = av.VideoFrame.from_ndarray(np.zeros((16, 16, 3), np.uint8), format="bgr24")
        for packet in [*stream.encode(picture), *stream.encode(None)]:
            container.mux(packet)
    with pytest.raises(NotAudio, match="is no recording that can be read"):
        open_file(path, Ear().warn)


def test_a_missing_file_is_told_so(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"none\.wav cannot be read: No such file"):
        open_file(tmp_path / "none.wav", Ear().warn)


@pytest.mark.parametrize(
    ("name", "codec"),
    [("a.wav", "pcm_s16le"), ("a.flac", "flac"), ("a.mp3", "libmp3lame"), ("a.webm", "libopus")],
)
def test_a_recording_cut_short_gives_what_there_is_and_says_so(tmp_path: Path, name: str, codec: str) -> None:
    path = encode(tmp_path / name, codec, 48_000)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    ear = Ear()
    assert 0.2 < duration_s(open_file(path, ear.warn)) < 1.5
    assert [name in warning and "cut short" in warning for warning in ear.warnings] == [True]


def test_damage_in_the_middle_costs_only_itself(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.m4a", "aac", 48_000)
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 400] = bytes(400)
    path.write_bytes(content)
    ear = Ear()
    assert duration_s(open_file(path, ear.warn)) > 1.8
    assert ear.warnings == [f"{path} is damaged: some of its audio could not be decoded."]


def test_a_recording_may_change_its_rate_and_channels_on_the_way(tmp_path: Path) -> None:
    mono = encode(tmp_path / "1.mp3", "libmp3lame", 16_000).read_bytes()
    stereo = encode(tmp_path / "2.mp3", "libmp3lame", 44_100, "stereo").read_bytes()
    recording = open_stream(io.BytesIO(mono + stereo), "pipe", Ear().warn)
    assert recording.format == AudioFormat(16_000, 1)
    assert duration_s(recording) == pytest.approx(4, abs=0.3)


def test_raw_sound_is_handed_on_as_it_is() -> None:
    audio_format = AudioFormat(8_000, 2, Encoding.MULAW)
    recording = open_raw(io.BytesIO(bytes(range(256)) * 10), "pipe", audio_format)
    assert recording.format == audio_format
    chunks = list(recording.chunks)
    assert b"".join(chunks) == bytes(range(256)) * 10
    assert len(chunks[0]) == 1600


def test_raw_sound_of_no_length_is_an_error() -> None:
    with pytest.raises(NotAudio, match="pipe is empty"):
        open_raw(io.BytesIO(), "pipe", AudioFormat())
