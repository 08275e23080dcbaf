"""The audio of a recording in other formats that a client may send, encoded by FFmpeg."""

from __future__ import annotations

import io
import wave

import av
import numpy as np


def encode_pcm(pcm: bytes, container: str, codec: str, rate_hz: int = 16_000, layout: str = "mono") -> bytes:
    """Return 16 kHz mono samples in another format; the raw containers are s16le, f32le, mulaw and alaw."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=container) as output:
        stream = output.add_stream(codec, rate=rate_hz, layout=layout)
        assert isinstance(stream, av.AudioStream)
        frame = av.AudioFrame.from_ndarray(np.frombuffer(pcm, "<i2").reshape(1, -1), "s16", "mono")
        frame.sample_rate = 16_000
        context = stream.codec_context
        resampler = av.AudioResampler(context.format, layout, rate_hz, frame_size=context.frame_size or 1024)
        for part in [*resampler.resample(frame), *resampler.resample(None), None]:
            for packet in stream.encode(part):
                output.mux(packet)
    return buffer.getvalue()


def wav(pcm: bytes) -> bytes:
    """Return 16-bit samples at 16 kHz as a WAV file, its header 44 bytes long."""
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as output:
        output.setnchannels(1)
        output.setsampwidth(2)
        output.setframerate(16_000)
        output.writeframes(pcm)
    return buffer.getvalue()


def video_without_audio() -> bytes:
    """Return an AVI file with a video track and no other."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="avi") as output:
        stream = output.add_stream("mpeg4", rate=5)
        assert isinstance(stream, av.VideoStream)
        stream.width = stream.height = 64
        stream.pix_fmt = "yuv420p"
        for part in [av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), "rgb24"), None]:
            for packet in stream.encode(part):
                output.mux(packet)
    return buffer.getvalue()


def silence(seconds: float) -> bytes:
    """Return 16-bit samples at 16 kHz."""
    return bytes(2 * round(16_000 * seconds))
