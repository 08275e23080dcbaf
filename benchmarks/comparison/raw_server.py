"""Live text from faster-whisper alone, as scripts do it: transcribe all audio since the last final, again and again.

`python -m benchmarks.comparison.raw_server LANGUAGE` listens on a free loopback port and prints it. A connection sends
16 kHz mono 16-bit audio and shuts down its side at the end; it receives JSON lines with kind and text.
"""

from __future__ import annotations

import json
import os
import socketserver
import sys
from collections.abc import Iterator
from threading import Condition, Thread
from typing import IO

import numpy as np
from faster_whisper import WhisperModel
from faster_whisper.vad import VadOptions, get_speech_timestamps
from numpy.typing import NDArray

from benchmarks.comparison.systems import SAMPLE_BYTES, SAMPLE_RATE_HZ
from stt_service.models.store import models_folder, resolve

MODEL = "base"
ENDPOINT_S = 0.7
AT_LEAST_BYTES = SAMPLE_RATE_HZ * SAMPLE_BYTES // 10  # of new audio before the next decode
LEADING_SILENCE_BYTES = SAMPLE_RATE_HZ * SAMPLE_BYTES  # of silence: a word may start in it
ENDPOINT = VadOptions(min_silence_duration_ms=int(ENDPOINT_S * 1000), speech_pad_ms=0)

Samples = NDArray[np.float32]


def load() -> WhisperModel:
    """Return the model, quantized to 8 bits, on the CPU."""
    folder = resolve(MODEL, models_folder(os.environ.get("MODELS_DIR", "")))
    return WhisperModel(str(folder), device="cpu", compute_type="int8")


def transcript(model: WhisperModel, samples: Samples, language: str) -> str:
    segments, _ = model.transcribe(samples, language=language, beam_size=5, vad_filter=True)
    return " ".join(segment.text.strip() for segment in segments)


def samples_of(pcm: bytes) -> Samples:
    return np.frombuffer(pcm, "<i2").astype(np.float32) / np.float32(32768)


class _Buffer:
    """The audio of a stream since its last final: filled by one thread, consumed by another."""

    def __init__(self) -> None:
        self._pcm = bytearray()
        self._seen = 0  # bytes of it that were returned before
        self._ended = False
        self._changed = Condition()

    def fill(self, source: IO[bytes]) -> None:
        """Read until the source ends."""
        while chunk := source.read(1024):
            with self._changed:
                self._pcm += chunk
                self._changed.notify()
        with self._changed:
            self._ended = True
            self._changed.notify()

    def take(self) -> tuple[bytes, bool]:
        """Return all of it once it has grown, and whether that is the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._ended or len(self._pcm) - self._seen >= AT_LEAST_BYTES)
            self._seen = len(self._pcm)
            return bytes(self._pcm), self._ended

    def drop(self, count: int) -> None:
        with self._changed:
            del self._pcm[:count]
            self._seen -= count


def transcripts(buffer: _Buffer, model: WhisperModel, language: str) -> Iterator[tuple[str, str]]:
    """Yield partials and finals until the audio ends. A final is due when the VAD detects silence at the end."""
    ended = False
    while not ended:
        pcm, ended = buffer.take()
        samples = samples_of(pcm)
        speech = get_speech_timestamps(samples, ENDPOINT)
        if not speech:
            buffer.drop(max(0, len(pcm) - LEADING_SILENCE_BYTES))
            continue
        is_final = ended or speech[-1]["end"] < len(samples)
        yield "final" if is_final else "partial", transcript(model, samples, language)
        if is_final:
            buffer.drop(len(pcm))


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True

    def __init__(self, language: str) -> None:
        self.model = load()
        self.language = language
        super().__init__(("127.0.0.1", 0), _Handler)


class _Handler(socketserver.StreamRequestHandler):
    server: _Server

    def handle(self) -> None:
        buffer = _Buffer()
        Thread(target=buffer.fill, args=(self.rfile,), daemon=True).start()
        for kind, text in transcripts(buffer, self.server.model, self.server.language):
            self.wfile.write(json.dumps({"kind": kind, "text": text}).encode() + b"\n")


def main() -> None:
    """Serve until the process is killed."""
    with _Server(sys.argv[1]) as server:
        print(f"Listening on port {server.server_address[1]}", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
