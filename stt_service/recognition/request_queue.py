"""The requests of a connection that its stream has not read yet, bounded by their memory.

The bound is minutes of audio and not a few chunks: the end of a connection is visible only after all audio before it
has been read from the socket, so a shorter queue would hide that a client has disconnected.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator

from stt.v1 import stt_pb2 as pb

MAX_QUEUED_BYTES = 4 * 2**20  # two minutes at 16 kHz
REQUEST_BYTES = 256  # of memory, in addition to the audio


class RequestQueue:
    """A queue with one reader and one writer."""

    def __init__(self) -> None:
        self._requests: deque[pb.StreamingRecognizeRequest] = deque()
        self._queued_bytes = 0
        self._is_closed = False
        self._added, self._removed = asyncio.Event(), asyncio.Event()

    async def put(self, request: pb.StreamingRecognizeRequest) -> None:
        """Add a request; wait while MAX_QUEUED_BYTES are queued. A closed queue drops it."""
        while self._queued_bytes >= MAX_QUEUED_BYTES and not self._is_closed:
            self._removed.clear()
            await self._removed.wait()
        if not self._is_closed:
            self._requests.append(request)
            self._queued_bytes += _memory_bytes(request)
            self._added.set()

    def drop_audio(self) -> None:
        """Drop the audio after the last other request."""
        while self._requests and self._requests[-1].WhichOneof("request") == "audio":
            self._queued_bytes -= _memory_bytes(self._requests.pop())
        self._removed.set()

    def close(self) -> None:
        """End the stream after the queued requests."""
        self._is_closed = True
        self._added.set()
        self._removed.set()

    async def read(self) -> AsyncIterator[pb.StreamingRecognizeRequest]:
        """Yield the requests until the queue is closed and empty."""
        while True:
            while self._requests:
                request = self._requests.popleft()
                self._queued_bytes -= _memory_bytes(request)
                self._removed.set()
                yield request
            if self._is_closed:
                return
            self._added.clear()
            await self._added.wait()


def _memory_bytes(request: pb.StreamingRecognizeRequest) -> int:
    return REQUEST_BYTES + len(request.audio)
