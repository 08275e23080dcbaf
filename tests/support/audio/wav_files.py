"""WAV files, also malformed ones."""

from __future__ import annotations

import struct

PCM, FLOAT, ALAW, MULAW = 1, 3, 6, 7  # format tags


def format_chunk(tag: int = PCM, rate_hz: int = 16_000, channels: int = 1, bits: int = 16) -> bytes:
    frame_bytes = channels * bits // 8
    return struct.pack("<HHIIHH", tag, channels, rate_hz, rate_hz * frame_bytes, frame_bytes, bits)


def extensible_chunk(tag: int, bits: int) -> bytes:
    """Return a format whose tag is in the extension."""
    guid = struct.pack("<H", tag) + bytes.fromhex("000000001000800000aa00389b71")
    return format_chunk(0xFFFE, bits=bits) + struct.pack("<HHI", 22, bits, 0) + guid


def chunk(name: bytes, content: bytes, size: int | None = None) -> bytes:
    """Return a chunk, padded to an even length; `size` is what its header claims."""
    padding = bytes(len(content) % 2)
    return name + struct.pack("<I", len(content) if size is None else size) + content + padding


def wav(samples: bytes, fmt: bytes | None = None, *before: bytes, size: int | None = None, after: bytes = b"") -> bytes:
    """Return a WAV file with these samples and further chunks before and after them."""
    format_of_file = format_chunk() if fmt is None else fmt
    body = b"".join((b"WAVE", chunk(b"fmt ", format_of_file), *before, chunk(b"data", samples, size), after))
    return b"RIFF" + struct.pack("<I", len(body)) + body
