"""HTTP/2 frames that gRPC never sends: unfinished messages, names that are not UTF-8, SETTINGS without ACK."""

from __future__ import annotations

import re
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager

from grpc import StatusCode

HEADERS, SETTINGS = 1, 4
ACK = END_STREAM = 1
END_HEADERS = 4
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def literal(name: bytes, value: bytes) -> bytes:
    """Return a header field without indexing or Huffman coding."""
    return b"\x00" + integer(len(name)) + name + integer(len(value)) + value


def integer(number: int) -> bytes:
    """Return the number with a prefix of seven bits (RFC 7541, 5.1)."""
    if number < 127:
        return bytes([number])
    rest, out = number - 127, b"\x7f"
    while rest > 127:
        out, rest = out + bytes([rest & 127 | 128]), rest >> 7
    return out + bytes([rest])


def announced(length: int, part: bytes = b"") -> bytes:
    """Return the beginning of a gRPC message of that length."""
    return struct.pack(">BI", 0, length) + part


class RawConnection:
    """A connection after its preface. It acknowledges SETTINGS only on request."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket, self._next = connection, 1
        self._socket.sendall(PREFACE + frame(SETTINGS, 0, 0))

    def call(self, path: str | bytes, message: bytes = b"", *more: tuple[bytes, bytes], end: bool = False) -> int:
        """Start a call; return its stream."""
        name = path.encode() if isinstance(path, str) else path
        fields = [
            (b":method", b"POST"),
            (b":scheme", b"http"),
            (b":path", name),
            (b":authority", b"test"),
            (b"content-type", b"application/grpc"),
            (b"te", b"trailers"),
            *more,
        ]
        stream, self._next = self._next, self._next + 2
        block = b"".join(literal(*field) for field in fields)
        data = frame(0, END_STREAM if end else 0, stream, message)
        self._socket.sendall(frame(HEADERS, END_HEADERS, stream, block) + data)
        return stream

    def status(self, stream: int) -> StatusCode:
        """Wait for the end of the call; return its status, if it is the first call that ends on this connection."""
        while True:
            kind, of, payload = self._frame()
            if kind == HEADERS and of == stream and (found := re.search(rb"grpc-status.(\d+)", payload, re.DOTALL)):
                return next(code for code in StatusCode if code.value[0] == int(found[1]))

    def acknowledge(self) -> None:
        """Acknowledge the server's SETTINGS."""
        while self._frame()[0] != SETTINGS:
            pass
        self._socket.sendall(frame(SETTINGS, ACK, 0))

    def _frame(self) -> tuple[int, int, bytes]:
        """Return the next frame's kind, stream and payload."""
        head = self._exactly(9)
        payload = self._exactly(int.from_bytes(head[:3], "big"))
        return head[3], int.from_bytes(head[5:9], "big"), payload

    def _exactly(self, length: int) -> bytes:
        found = b""
        while len(found) < length:
            part = self._socket.recv(length - len(found))
            assert part, "the server closed the connection"
            found += part
        return found


@contextmanager
def raw(address: str) -> Iterator[RawConnection]:
    host, _, port = address.rpartition(":")
    with socket.create_connection((host, int(port)), timeout=60) as connection:
        yield RawConnection(connection)
