"""Uploads are decoded in separate processes, which are killed in time and whose failure affects no other call."""

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
from stt_service.recognition import recording_decoder
from stt_service.recognition.recording_decoder import RecordingDecoders, environment
from tests.support.audio.audio_files import encode

pytestmark = pytest.mark.process

# Writes far more samples than are buffered, and then nothing.
ENDLESS = "sys.stdin.buffer.read(); sys.stdout.write({} * 600000); sys.stdout.flush(); time.sleep(600)"


async def pcm(content: bytes, decoders: RecordingDecoders | None = None) -> tuple[bytes, list[str]]:
    """Return the samples and the warnings."""
    warnings, samples = list[str](), bytearray()
    async with aclosing((decoders or RecordingDecoders()).decode(content, warnings.append)) as chunks:
        async for chunk in chunks:
            samples += chunk
    return bytes(samples), warnings


def script(code: str, timeout_s: float = 60) -> RecordingDecoders:
    """Return decoders that run this program."""
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
async def test_recording_is_decoded_as_in_this_process(tmp_path: Path, name: str, codec: str, rate_hz: int) -> None:
    content = encode(tmp_path / name, codec, rate_hz, "stereo").read_bytes()
    samples, warnings = await pcm(content)
    assert len(samples) == pytest.approx(2 * 32_000, abs=4_000)
    assert samples == b"".join(decode_recording(content))
    assert warnings == []


async def test_data_that_is_no_recording_is_rejected_with_the_reason() -> None:
    with pytest.raises(
        InvalidRequestError, match=r"The 21 bytes of audio cannot be decoded .*: send a whole file of WAV"
    ):
        await pcm(b"ffconcat version 1.0\n")


async def test_truncated_recording_is_decoded_with_a_warning(tmp_path: Path) -> None:
    content = encode(tmp_path / "a.flac", "flac").read_bytes()
    samples, warnings = await pcm(content[: len(content) // 2])
    assert 0 < len(samples) < 2 * 32_000
    assert ["truncated" in warning for warning in warnings] == [True]


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        pytest.param("sys.stdin.buffer.read(); os.abort()", "the decoder ended with status -6", id="after reading"),
        pytest.param("os.kill(os.getpid(), signal.SIGSEGV)", "the decoder ended with status -11", id="before reading"),
        pytest.param("sys.stdin.buffer.read(); sys.exit(1)", "the decoder ended with status 1", id="a traceback"),
    ],
)
async def test_crash_of_a_decoder_fails_only_its_call(code: str, reason: str) -> None:
    with pytest.raises(InvalidRequestError, match=reason):
        await pcm(bytes(10**6), script(code))


@pytest.mark.parametrize(
    "code",
    [
        pytest.param("time.sleep(600)", id="reads nothing"),
        pytest.param("sys.stdin.buffer.read(); time.sleep(600)", id="writes nothing"),
        pytest.param("signal.signal(signal.SIGTERM, signal.SIG_IGN); os.close(1); time.sleep(600)", id="does not exit"),
    ],
)
async def test_hanging_decoder_is_killed(code: str) -> None:
    decoders = script(code, timeout_s=0.2)
    with pytest.raises(InvalidRequestError, match="it takes too long"):
        await pcm(bytes(10**6), decoders)
    assert decoders.running == 0


async def test_canceled_call_kills_its_decoder() -> None:
    decoders = script(
        "sys.stdin.buffer.read(); sys.stdout.write(f'{os.getpid():9}' * 40000); sys.stdout.flush(); time.sleep(600)"
    )
    chunks = decoders.decode(b"x", lambda warning: None)
    pid = int((await anext(chunks))[:9])
    rest = asyncio.ensure_future(anext(chunks))
    await asyncio.sleep(0)
    rest.cancel()
    with pytest.raises(asyncio.CancelledError):
        await rest
    assert decoders.running == 0
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_closed_iterator_kills_its_decoder() -> None:
    decoders = script(ENDLESS.format("'samples'"))
    async with aclosing(decoders.decode(b"x", lambda warning: None)) as chunks:
        await anext(chunks)
        assert decoders.running == 1
    assert decoders.running == 0


async def test_decoder_with_unread_output_ends_with_its_call() -> None:
    """asyncio would wait forever: reading of the pipe is paused, so its end is never seen."""
    decoders = script(ENDLESS.format("'samples'"))
    async with asyncio.timeout(60), aclosing(decoders.decode(b"x", lambda warning: None)) as chunks:
        await anext(chunks)
        assert await pcm(b"x", script("sys.stdin.buffer.read(); sys.stdout.write('ab')")) == (b"ab", [])  # meanwhile
    assert decoders.running == 0


async def test_endless_output_is_cut_off_at_an_hour() -> None:
    with pytest.raises(InvalidRequestError, match=f"longer than {MAX_RECORDING_S} s"):
        await pcm(b"x", script("sys.stdin.buffer.read()\nwhile True: sys.stdout.buffer.write(bytes(2**20))"))


async def test_decoders_over_the_limit_are_rejected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording_decoder, "MAX_PROCESSES", 1)
    decoders = script(ENDLESS.format("'samples'"))
    async with aclosing(decoders.decode(b"x", lambda warning: None)) as chunks:
        await anext(chunks)
        with pytest.raises(ResourceExhaustedError, match="1 recordings are being decoded: try again later"):
            await pcm(b"x", decoders)


async def test_report_lines_that_are_not_json_are_ignored() -> None:
    report = b'[1]\n\xff{\n{"warning": "is old."}\n'
    code = f"sys.stdin.buffer.read(); sys.stdout.write('ab'); sys.stderr.buffer.write({report!r})"
    assert await pcm(b"x", script(code)) == (b"ab", ["is old."])


def test_decoder_does_not_inherit_the_environment_of_the_server(monkeypatch: pytest.MonkeyPatch) -> None:
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


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have fewer limits")
async def test_decoder_cannot_open_files_or_sockets_and_has_bounded_memory() -> None:
    assert (await pcm(b"x", script(LIMITS)))[0] == b"True True True"


async def test_decoder_imports_no_module_of_the_server() -> None:
    code = "import stt_media.worker\nsys.stdin.buffer.read()\nprint(*sys.modules)"
    loaded = set((await pcm(b"x", script(code)))[0].decode().split())
    assert "av" in loaded
    assert loaded.isdisjoint({"grpc", "ctranslate2", "asyncio", "stt_service"})


@pytest.mark.parametrize(
    ("encoding", "rate_hz", "channels"), [(Encoding.MULAW, 8_000, 1), (Encoding.PCM_S16LE, 16_000, 2)]
)
def test_headerless_recording_is_limited_to_an_hour(encoding: Encoding, rate_hz: int, channels: int) -> None:
    audio_format = AudioFormat(encoding, rate_hz, channels)
    hour = MAX_RECORDING_S * rate_hz * audio_format.frame_bytes
    check_headerless(hour, audio_format)
    with pytest.raises(InvalidRequestError, match="longer than 3600 s"):
        check_headerless(hour + 1, audio_format)
