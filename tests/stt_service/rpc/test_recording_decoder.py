"""Uploads are decoded in a process that is killed in time, and whose end harms no other call."""

from __future__ import annotations

import asyncio
import os
import sys
from contextlib import aclosing
from pathlib import Path

import pytest

from stt_service.audio.pcm import AudioFormat, Encoding
from stt_service.audio.recordings import MAX_RECORDING_S, check_headerless, decode_recording
from stt_service.errors import InvalidRequestError, ResourceExhaustedError
from stt_service.rpc import recording_decoder
from stt_service.rpc.recording_decoder import RecordingDecoders, environment
from tests.support.audio_files import encode

pytestmark = pytest.mark.process

# Writes far more samples than are read ahead, and then nothing.
ENDLESS = "sys.stdin.buffer.read(); sys.stdout.write({} * 600000); sys.stdout.flush(); time.sleep(600)"


async def pcm(content: bytes, using: RecordingDecoders | None = None) -> tuple[bytes, list[str]]:
    """Return the samples and the warnings."""
    warnings, samples = list[str](), bytearray()
    async with aclosing((using or RecordingDecoders()).decoded(content, warnings.append)) as chunks:
        async for chunk in chunks:
            samples += chunk
    return bytes(samples), warnings


def script(code: str, timeout_s: float = 60) -> RecordingDecoders:
    """Return decoders whose process is that program."""
    return RecordingDecoders((sys.executable, "-c", f"import os, signal, sys, time\n{code}"), timeout_s)


@pytest.mark.parametrize(
    ("name", "codec", "rate_hz"),
    [
        ("a.flac", "flac", 16_000),
        ("a.mp3", "libmp3lame", 44_100),
        ("a.m4a", "aac", 48_000),
        ("a.mkv", "libopus", 48_000),
    ],
)
async def test_a_recording_is_decoded_as_in_this_process(tmp_path: Path, name: str, codec: str, rate_hz: int) -> None:
    content = encode(tmp_path / name, codec, rate_hz, "stereo").read_bytes()
    samples, warnings = await pcm(content)
    assert len(samples) == pytest.approx(2 * 32_000, abs=4_000)
    assert samples == b"".join(decode_recording(content))
    assert warnings == []


async def test_what_is_no_recording_is_refused_with_the_reason() -> None:
    with pytest.raises(
        InvalidRequestError, match=r"The 21 bytes of audio cannot be decoded .*: send a whole file of WAV"
    ):
        await pcm(b"ffconcat version 1.0\n")


async def test_a_recording_cut_short_is_decoded_with_a_warning(tmp_path: Path) -> None:
    content = encode(tmp_path / "a.flac", "flac").read_bytes()
    samples, warnings = await pcm(content[: len(content) // 2])
    assert 0 < len(samples) < 2 * 32_000
    assert ["cut short" in warning for warning in warnings] == [True]


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        pytest.param("sys.stdin.buffer.read(); os.abort()", "the decoder ended with status -6", id="after it has all"),
        pytest.param("os.kill(os.getpid(), signal.SIGSEGV)", "the decoder ended with status -11", id="before"),
        pytest.param("sys.stdin.buffer.read(); sys.exit(1)", "the decoder ended with status 1", id="a traceback"),
    ],
)
async def test_a_crash_costs_that_call_only(code: str, reason: str) -> None:
    with pytest.raises(InvalidRequestError, match=reason):
        await pcm(bytes(10**6), script(code))


@pytest.mark.parametrize(
    "code",
    [
        pytest.param("time.sleep(600)", id="reads nothing"),
        pytest.param("sys.stdin.buffer.read(); time.sleep(600)", id="gives nothing"),
        pytest.param("signal.signal(signal.SIGTERM, signal.SIG_IGN); os.close(1); time.sleep(600)", id="does not end"),
    ],
)
async def test_a_decoder_that_hangs_is_killed(code: str) -> None:
    using = script(code, timeout_s=0.2)
    with pytest.raises(InvalidRequestError, match="it takes too long"):
        await pcm(bytes(10**6), using)
    assert using.running == 0


async def test_a_call_that_is_cancelled_kills_its_decoder() -> None:
    using = script(
        "sys.stdin.buffer.read(); sys.stdout.write(f'{os.getpid():9}' * 40000); sys.stdout.flush(); time.sleep(600)"
    )
    chunks = using.decoded(b"x", lambda warning: None)
    pid = int((await anext(chunks))[:9])
    rest = asyncio.ensure_future(anext(chunks))
    await asyncio.sleep(0)
    rest.cancel()
    with pytest.raises(asyncio.CancelledError):
        await rest
    assert using.running == 0
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_an_iterator_that_is_closed_kills_its_decoder() -> None:
    using = script(ENDLESS.format("'samples'"))
    async with aclosing(using.decoded(b"x", lambda warning: None)) as chunks:
        await anext(chunks)
        assert using.running == 1
    assert using.running == 0


async def test_a_decoder_whose_output_is_not_read_ends_with_its_call() -> None:
    """asyncio would wait for it for ever: the pipe's reading is paused, so its end does not come."""
    using = script(ENDLESS.format("'samples'"))
    async with asyncio.timeout(60), aclosing(using.decoded(b"x", lambda warning: None)) as chunks:
        await anext(chunks)
        assert await pcm(b"x", script("sys.stdin.buffer.read(); sys.stdout.write('ab')")) == (b"ab", [])  # meanwhile
    assert using.running == 0


async def test_output_without_end_is_cut_off_at_an_hour() -> None:
    with pytest.raises(InvalidRequestError, match=f"longer than {MAX_RECORDING_S} s"):
        await pcm(b"x", script("sys.stdin.buffer.read()\nwhile True: sys.stdout.buffer.write(bytes(2**20))"))


async def test_more_decoders_than_are_allowed_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording_decoder, "MAX_PROCESSES", 1)
    using = script(ENDLESS.format("'samples'"))
    async with aclosing(using.decoded(b"x", lambda warning: None)) as chunks:
        await anext(chunks)
        with pytest.raises(ResourceExhaustedError, match="1 recordings are being decoded: try again later"):
            await pcm(b"x", using)


async def test_a_report_that_is_no_json_is_passed_over() -> None:
    report = b'[1]\n\xff{\n{"warning": "is old."}\n'
    code = f"sys.stdin.buffer.read(); sys.stdout.write('ab'); sys.stderr.buffer.write({report!r})"
    assert await pcm(b"x", script(code)) == (b"ab", ["is old."])


def test_a_decoder_gets_none_of_the_servers_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "secret")
    assert "secret" not in environment().values()


LIMITS = """
import io, socket
from stt_media import worker
sys.stdin.buffer.read()
worker.restrict()
def fails(action):
    try:
        action()
    except (OSError, MemoryError):
        return True
    return False
print(fails(lambda: open("/etc/passwd")), fails(lambda: socket.socket()), fails(lambda: bytes(2**31)), end="")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="other systems know fewer limits")
async def test_a_decoder_can_open_no_file_and_no_socket_and_has_bounded_memory() -> None:
    assert (await pcm(b"x", script(LIMITS)))[0] == b"True True True"


async def test_a_decoder_loads_nothing_of_the_server() -> None:
    code = "import stt_media.worker\nsys.stdin.buffer.read()\nprint(*sys.modules)"
    loaded = set((await pcm(b"x", script(code)))[0].decode().split())
    assert "av" in loaded
    assert loaded.isdisjoint({"grpc", "ctranslate2", "asyncio", "stt_service"})


@pytest.mark.parametrize(
    ("encoding", "rate_hz", "channels"), [(Encoding.MULAW, 8_000, 1), (Encoding.PCM_S16LE, 16_000, 2)]
)
def test_a_headerless_recording_is_an_hour_at_most(encoding: Encoding, rate_hz: int, channels: int) -> None:
    audio_format = AudioFormat(encoding, rate_hz, channels)
    hour = MAX_RECORDING_S * rate_hz * audio_format.frame_bytes
    check_headerless(hour, audio_format)
    with pytest.raises(InvalidRequestError, match="longer than 3600 s"):
        check_headerless(hour + 1, audio_format)
