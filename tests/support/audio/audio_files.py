"""Recordings in real formats, generated for a test, and a listener that records the calls of an audio source."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np

from stt_client.events import AudioFormat


class FakeListener:
    """Records warnings and audio of a source."""

    def __init__(self) -> None:
        self.warnings = list[str]()
        self.audio_ms = 0.0

    def warn(self, message: str) -> None:
        self.warnings.append(message)

    def on_audio(self, chunk: bytes, audio_format: AudioFormat) -> None:
        self.audio_ms += audio_format.duration_ms(len(chunk))


def encode(
    path: Path, codec: str = "pcm_s16le", rate_hz: int = 16_000, layout: str = "mono", seconds: float = 2
) -> Path:
    """Write a tone into a file of this format; return the path."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate_hz, layout=layout)
        assert isinstance(stream, av.AudioStream)
        channels = stream.codec_context.layout.nb_channels
        tone = 0.3 * np.sin(2 * np.pi * 300 / rate_hz * np.arange(round(seconds * rate_hz)))
        samples = np.repeat((tone * 32_767).astype(np.int16), channels).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(samples, format="s16", layout=layout)
        frame.sample_rate = rate_hz
        resampler = av.AudioResampler(
            stream.codec_context.format, layout, rate_hz, frame_size=stream.codec_context.frame_size or 1024
        )
        for part in [*resampler.resample(frame), *resampler.resample(None), None]:
            for packet in stream.encode(part):
                container.mux(packet)
    return path
