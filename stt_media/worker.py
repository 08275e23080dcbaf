"""Decodes one recording in a separate process: `python -m stt_media.worker RATE_HZ`, run by the server.

stdin: the recording, to its end. stdout: mono 16-bit samples. stderr: a line of JSON per warning; an error is
the last line. Exit status: 0, or REJECTED after an error; any other status is a crash.

Before it decodes, the process restricts itself: it cannot open files or sockets or write files, and its memory and CPU
time are limited to the constants below.
"""

from __future__ import annotations

import io
import json
import os
import signal
import stat
import sys
import wave
from contextlib import suppress
from importlib import import_module
from typing import BinaryIO

from stt_media.errors import MediaError
from stt_media.recording import Recording

REJECTED = 3
MEMORY_BYTES = 2**30  # address space; Python, FFmpeg and a recording of 32 MiB use a third of it
CPU_S = 120  # an hour of stereo Opus takes 12 s
NICENESS = 10  # same as the server's decode threads: the event loop has priority


def main() -> None:
    for number in (
        signal.SIGINT,
        signal.SIGTERM,
    ):  # signals to the process group are for the server: it still sends pending finals
        signal.signal(number, signal.SIG_IGN)
    recording: BinaryIO = sys.stdin.buffer
    if not stat.S_ISREG(os.fstat(sys.stdin.fileno()).st_mode):  # FFmpeg seeks in some containers
        recording = io.BytesIO(recording.read())
    restrict()
    try:
        _decode(recording, int(sys.argv[1]))
    except MediaError as error:
        _report(error=type(error).__name__, detail=str(error))
        os._exit(REJECTED)
    except BrokenPipeError:  # the call has ended
        os._exit(REJECTED)


def restrict() -> None:
    """Drop all rights that decoding does not need; limits that the system does not support are skipped."""
    _load()
    with suppress(AttributeError, OSError):
        os.nice(NICENESS)
    with suppress(ImportError):  # Windows
        import resource

        limits = {
            resource.RLIMIT_AS: MEMORY_BYTES,
            resource.RLIMIT_CPU: CPU_S,
            resource.RLIMIT_CORE: 0,
            resource.RLIMIT_FSIZE: 0,
            resource.RLIMIT_NOFILE: 3,  # stdin, stdout, stderr
        }
        for limit, value in limits.items():
            with suppress(ValueError, OSError):
                resource.setrlimit(limit, (value, value))


def _load() -> None:
    """Import all modules in advance: PyAV imports some at the first stream of their kind."""
    for name in ("attachments.stream", "data.stream", "subtitles.codec", "subtitles.stream", "video.stream"):
        with suppress(ImportError):  # PyAV of another version
            import_module(f"av.{name}")
    samples = b"".join(Recording(io.BytesIO(_stereo()), lambda sentence: None).samples(16_000))
    assert samples


def _stereo() -> bytes:
    """Return a stereo WAV recording of 0.1 s."""
    file = io.BytesIO()
    with wave.open(file, "wb") as recording:
        recording.setparams((2, 2, 8_000, 0, "NONE", ""))
        recording.writeframes(bytes(3_200))
    return file.getvalue()


def _decode(file: BinaryIO, rate_hz: int) -> None:
    recording = Recording(file, lambda sentence: _report(warning=sentence))
    for samples in recording.samples(rate_hz):
        sys.stdout.buffer.write(samples)
    sys.stdout.buffer.flush()


def _report(**fields: str) -> None:
    sys.stderr.write(f"{json.dumps(fields)}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    main()
