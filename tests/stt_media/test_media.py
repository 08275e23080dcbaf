"""Recordings in the shared decoder: timestamps, tracks, channels, and files that reference other files."""

from __future__ import annotations

import io
import os
import random
import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from stt_media.errors import EmptyError, MediaError, NoAudioTrackError, NoSuchTrackError, UnreadableError
from stt_media.recording import Recording
from tests.support.audio.audio_files import encode

RATE_HZ = 16_000
CASES = int(os.environ.get("MEDIA_FUZZ_CASES", "150"))


def read(content: bytes, track: int | None = None) -> tuple[NDArray[np.int16], list[str]]:
    """Return the samples and the warnings."""
    warnings = list[str]()
    chunks = list(Recording(io.BytesIO(content), warnings.append, track).samples(RATE_HZ))
    return np.frombuffer(b"".join(chunks), "<i2"), warnings


def audible_range_s(samples: NDArray[np.int16]) -> tuple[float, float]:
    """Return the start and the end of the audible samples."""
    (loud,) = np.nonzero(np.abs(samples.astype(int)) > 1000)
    return loud[0] / RATE_HZ, loud[-1] / RATE_HZ


def remuxed(
    source: Path,
    target: Path,
    start_s: Callable[[float], float | None],
    video_s: int = 0,
) -> bytes:
    """Return the recording with other timestamps (None: the packet is missing) and that many seconds of video."""
    with av.open(str(source)) as old, av.open(str(target), "w") as new:
        stream = new.add_stream_from_template(old.streams.audio[0])
        if video_s:
            _add_video(new, video_s)
        for packet in old.demux(old.streams.audio[0]):
            if packet.pts is None or packet.time_base is None:
                continue
            moved_s = start_s(float(packet.pts * packet.time_base))
            if moved_s is not None:
                packet.pts = packet.dts = round(moved_s / packet.time_base)
                packet.stream = stream
                new.mux(packet)
    return target.read_bytes()


def _add_video(container: av.container.OutputContainer, seconds: int) -> None:
    video = container.add_stream("mpeg4", rate=1)
    video.width = video.height = 16
    video.pix_fmt = "yuv420p"
    picture = av.VideoFrame.from_ndarray(np.zeros((24, 16), np.uint8), format="yuv420p")
    for index in range(seconds):
        picture.pts = index
        container.mux(video.encode(picture))
    container.mux(video.encode(None))


@pytest.fixture(scope="module")
def opus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return encode(tmp_path_factory.mktemp("opus") / "a.webm", "libopus", 48_000)


def test_audio_that_starts_after_the_video_keeps_its_time(opus: Path, tmp_path: Path) -> None:
    samples, warnings = read(remuxed(opus, tmp_path / "late.mkv", lambda time_s: time_s + 10, video_s=16))
    assert audible_range_s(samples) == pytest.approx((10, 12), abs=0.05)
    assert warnings == []


def test_missing_packets_are_silence(opus: Path, tmp_path: Path) -> None:
    content = remuxed(opus, tmp_path / "gap.mkv", lambda time_s: time_s if time_s < 1 else time_s + 20)
    samples, warnings = read(content)
    assert audible_range_s(samples) == pytest.approx((0, 22), abs=0.05)
    assert not np.abs(samples[2 * RATE_HZ : 20 * RATE_HZ].astype(int)).max() > 100
    assert warnings == []


def test_timestamp_jump_of_hours_adds_no_silence_and_warns(opus: Path, tmp_path: Path) -> None:
    content = remuxed(opus, tmp_path / "far.mkv", lambda time_s: time_s if time_s < 1 else time_s + 10 * 3600)
    samples, warnings = read(content)
    assert len(samples) / RATE_HZ == pytest.approx(2, abs=0.05)
    assert len(warnings) == 1
    assert "time stamps that jump" in warnings[0]


def test_transport_stream_starts_at_its_first_timestamp(tmp_path: Path) -> None:
    samples, warnings = read(encode(tmp_path / "a.ts", "aac", 48_000).read_bytes())
    assert audible_range_s(samples) == pytest.approx((0, 2), abs=0.06)
    assert warnings == []


def test_truncated_video_file_warns(opus: Path, tmp_path: Path) -> None:
    whole = remuxed(opus, tmp_path / "film.mkv", lambda time_s: time_s, video_s=30)
    assert read(whole)[1] == []
    assert any("truncated" in warning for warning in read(whole[: len(whole) // 2])[1])


def two_tracks(folder: Path, dispositions: tuple[int, int]) -> bytes:
    """Return a recording with tones of 300 Hz for 2 s, and for 1 s."""
    long, short = encode(folder / "long.flac", "flac"), encode(folder / "short.flac", "flac", seconds=1)
    target = folder / "tracks.mkv"
    with av.open(str(long)) as first, av.open(str(short)) as second, av.open(str(target), "w") as new:
        sources = [first, second]
        streams = [new.add_stream_from_template(source.streams.audio[0]) for source in sources]
        for stream, disposition in zip(streams, dispositions, strict=True):
            stream.disposition = av.stream.Disposition(disposition)
            stream.metadata["title"] = "\x1b]52;c;QQ==\x07Director"
        for source, stream in zip(sources, streams, strict=True):
            for packet in source.demux():
                if packet.pts is not None:
                    packet.stream = stream
                    new.mux(packet)
    return target.read_bytes()


COMMENT, DEFAULT, BLIND = (
    int(av.stream.Disposition.comment),
    int(av.stream.Disposition.default),
    int(av.stream.Disposition.visual_impaired),
)


@pytest.mark.parametrize(
    ("dispositions", "track", "length_s"),
    [
        pytest.param((0, 0), None, 2, id="the first"),
        pytest.param((0, DEFAULT), None, 1, id="the default"),
        pytest.param((COMMENT, 0), None, 1, id="not a comment"),
        pytest.param((BLIND | DEFAULT, 0), None, 1, id="not a description, even if it is the default"),
        pytest.param((0, DEFAULT), 1, 2, id="the requested one"),
    ],
)
def test_one_of_two_tracks_is_used(
    tmp_path: Path, dispositions: tuple[int, int], track: int | None, length_s: float
) -> None:
    samples, warnings = read(two_tracks(tmp_path, dispositions), track)
    assert audible_range_s(samples)[1] == pytest.approx(length_s, abs=0.05)
    assert len(warnings) == (track is None)


def test_track_names_in_warnings_contain_no_control_characters(tmp_path: Path) -> None:
    [warning] = read(two_tracks(tmp_path, (0, DEFAULT)))[1]
    assert warning.startswith("has 2 audio tracks: 1 ")
    assert "Director" in warning
    assert warning.isprintable()
    assert warning.endswith("track 2 is used.")


@pytest.mark.parametrize("number", [0, 3])
def test_missing_track_raises(tmp_path: Path, number: int) -> None:
    with pytest.raises(NoSuchTrackError, match=f"there is no audio track {number}: valid numbers are 1 to 2"):
        read(two_tracks(tmp_path, (0, 0)), number)


def wav(samples: NDArray[np.int16], rate_hz: int = RATE_HZ) -> bytes:
    """Return a file of the samples, of shape (n, channels), with the header of the simplest recorders."""
    data, channels = samples.astype("<i2").tobytes(), samples.shape[1]
    numbers = [(16, 4), (1, 2), (channels, 2), (rate_hz, 4), (rate_hz * channels * 2, 4), (channels * 2, 2), (16, 2)]
    header = b"WAVEfmt " + b"".join(value.to_bytes(size, "little") for value, size in numbers)
    body = header + b"data" + len(data).to_bytes(4, "little") + data
    return b"RIFF" + len(body).to_bytes(4, "little") + body


@pytest.mark.parametrize("channels", [3, 6, 9, 20, 33, 40, 64, 128])
def test_any_number_of_channels_is_mixed(channels: int) -> None:
    speech = np.random.default_rng(1).integers(-9000, 9000, RATE_HZ).astype(np.int16)
    samples = np.zeros((RATE_HZ, channels), np.int16)
    samples[:, channels // 2] = speech
    mix, warnings = read(wav(samples))
    assert np.abs(mix.astype(int) - speech).max() <= 2
    assert warnings == []


def test_planar_audio_with_eight_channels_is_mixed(tmp_path: Path) -> None:
    samples, _ = read(encode(tmp_path / "a.mka", "aac", 48_000, "7.1").read_bytes())
    assert audible_range_s(samples) == pytest.approx((0, 2), abs=0.05)


def test_channels_of_opposite_phase_are_reported() -> None:
    speech = np.random.default_rng(1).integers(-9000, 9000, RATE_HZ).astype(np.int16)
    mix, warnings = read(wav(np.stack((speech, -speech), axis=1)))
    assert np.array_equal(mix, speech)
    assert warnings == ["has channels that cancel each other: channel 1 alone is used there."]


FILES_WITH_REFERENCES = {
    "ffconcat": "ffconcat version 1.0\nfile {name}\n",
    "HLS": "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n{name}\n#EXT-X-ENDLIST\n",
    "HLS by URL": "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nfile://{path}\n#EXT-X-ENDLIST\n",
    "SDP": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio {port} RTP/AVP 0\n"
    "a=rtpmap:0 PCMU/8000\n",
    "DASH": '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"><Period><AdaptationSet>'
    '<Representation id="1" bandwidth="1"><BaseURL>{path}</BaseURL></Representation></AdaptationSet></Period></MPD>',
    "RTSP reference": "rtsp://127.0.0.1:{port}/x\n",
    "playlist": "[playlist]\nFile1={path}\n",
    "subfile": "subfile,,start,0,end,100,,:{path}",
    "text": "The quick brown fox. {name}\n",
    "filter graph": "amovie={name}",
    "pattern": "%03d.png {name}",
    "IMF": '<?xml version="1.0"?><CompositionPlaylist><Asset>{path}</Asset></CompositionPlaylist>',
}


@pytest.mark.parametrize("kind", FILES_WITH_REFERENCES)
def test_file_with_references_is_rejected(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = encode(tmp_path / "a.wav")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1] & ~1
    content = FILES_WITH_REFERENCES[kind].format(name=path.name, path=path, port=port)
    with pytest.raises(UnreadableError):
        read(content.encode())


def test_video_without_audio_raises(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "a.mkv"), "w") as container:
        _add_video(container, 3)
    with pytest.raises(NoAudioTrackError):
        read((tmp_path / "a.mkv").read_bytes())


def test_recording_without_samples_raises() -> None:
    with pytest.raises(EmptyError):
        read(wav(np.zeros((0, 1), np.int16)))


FUZZED = [
    ("a.wav", "pcm_s16le", 16_000), ("a.flac", "flac", 16_000), ("a.ogg", "libopus", 48_000),
    ("a.mp3", "libmp3lame", 16_000), ("a.mp4", "aac", 16_000), ("a.webm", "libopus", 48_000),
    ("a.mkv", "aac", 16_000), ("a.ts", "aac", 48_000), ("a.aac", "aac", 16_000), ("a.aiff", "pcm_s16be", 16_000),
    ("a.au", "pcm_s16be", 16_000), ("a.wv", "wavpack", 16_000), ("a.asf", "aac", 16_000),
    ("a.avi", "pcm_s16le", 16_000), ("a.w64", "pcm_s16le", 16_000), ("a.caf", "pcm_s16le", 16_000),
    ("a.flv", "aac", 44_100),
]  # fmt: skip


def mutated(content: bytes, chance: random.Random) -> bytes:
    """Return the content truncated, or with changed bits, numbers and segments, most often in its header."""
    data = bytearray(content)
    if chance.random() < 0.2:
        return bytes(data[: chance.randrange(1, len(data))])
    for _ in range(chance.choice([1, 3, 10, 50, 300])):
        index = chance.randrange(min(len(data), chance.choice([400, len(data)])))
        match chance.randrange(5):
            case 0:
                data[index] ^= 1 << chance.randrange(8)
            case 1:
                data[index] = chance.choice([0, 255, 127, 128])
            case 2:
                data[index : index + 4] = chance.choice([b"\xff" * 4, bytes(4), b"\x7f\xff\xff\xff", b"\x80\0\0\0"])
            case 3:
                del data[index : index + chance.randrange(1, 40)]
            case _:
                data[index:index] = data[max(0, index - chance.randrange(1, 200)) : index]
        if len(data) < 10:
            break
    return bytes(data)


def test_damaged_recordings_give_samples_or_a_media_error(tmp_path: Path) -> None:
    """`MEDIA_FUZZ_CASES` is the number of recordings."""
    whole = [encode(tmp_path / name, codec, rate_hz).read_bytes() for name, codec, rate_hz in FUZZED]
    whole.append(fragmented(tmp_path))
    chance = random.Random(int(os.environ.get("MEDIA_FUZZ_SEED", "1")))
    for _ in range(CASES):
        content = mutated(chance.choice(whole), chance)
        with suppress(MediaError):
            samples, warnings = read(content)
            assert len(samples) <= 3600 * 2 * RATE_HZ
            assert all(warning.isprintable() for warning in warnings)


def fragmented(folder: Path) -> bytes:
    """Return a fragmented MP4, as recorded by phones and cameras."""
    source, target = encode(folder / "source.mp4", "aac"), folder / "fragments.mp4"
    options = {"movflags": "frag_keyframe+empty_moov", "frag_duration": "300000"}
    with av.open(str(source)) as old, av.open(str(target), "w", options=options) as new:
        stream = new.add_stream_from_template(old.streams.audio[0])
        for packet in old.demux():
            if packet.pts is not None:
                packet.stream = stream
                new.mux(packet)
    return target.read_bytes()
