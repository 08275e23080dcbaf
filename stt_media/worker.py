"""Decodes one recording in a process of its own: `python -m stt_media.worker RATE_HZ`, run by the server.

stdin: the recording, to its end. stdout: mono 16-bit samples. stderr: a line of JSON for each warning, and the last
one for an error. Exit status: 0, or REFUSED with such an error; anything else is a crash.

By then the process can open no file and no socket, write no file, and use no more memory and CPU time than below.
"""

from __future__ import annotations

import io
import json
import os
import signal
import sys
import wave
from contextlib import suppress
from importlib import import_module

from stt_media.errors import MediaError
from stt_media.recording import Recording

REFUSED = 3
MEMORY_BYTES = 2**30  # of address space; Python, FFmpeg and a recording of 32 MiB take a third of it
CPU_S = 120  # an hour of stereo Opus takes twelve
NICENESS = 10  # as the server's own decodes: the event loop has priority


def main() -> None:
    for number in (signal.SIGINT, signal.SIGTERM):  # for the server alone: it still sends pending finals
        signal.signal(number, signal.SIG_IGN)
    recording = sys.stdin.buffer.read()
    restrict()
    try:
        _decode(recording, int(sys.argv[1]))
    except MediaError as error:
        _report(error=type(error).__name__, detail=str(error))
        os._exit(REFUSED)
    except BrokenPipeError:  # the call has ended
        os._exit(REFUSED)


def restrict() -> None:
    """Give up what decoding does not need. What the system does not know is left out."""
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
    """Have all modules imported: PyAV imports some when a stream of their kind first comes."""
    for name in ("attachments.stream", "data.stream", "subtitles.codec", "subtitles.stream", "video.stream"):
        with suppress(ImportError):  # of another version
            import_module(f"av.{name}")
    samples = b"".join(Recording(io.BytesIO(_stereo()), lambda sentence: None).samples(16_000))
    assert samples


def _stereo() -> bytes:
    """Return a recording of 0.1 s."""
    file = io.BytesIO()
    with wave.open(file, "wb") as recording:
        recording.setparams((2, 2, 8_000, 0, "NONE", ""))
        recording.writeframes(bytes(3_200))
    return file.getvalue()


def _decode(data: bytes, rate_hz: int) -> None:
    recording = Recording(io.BytesIO(data), lambda sentence: _report(warning=sentence))
    for samples in recording.samples(rate_hz):
        sys.stdout.buffer.write(samples)
    sys.stdout.buffer.flush()


def _report(**fields: str) -> None:
    sys.stderr.write(f"{json.dumps(fields)}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    main()
