"""Bounds of one connection and of all connections of the HTTP port, for any client.

- `ConnectionTable` limits connections. If there are too many, the one that has waited longest for a request is closed.
- `SlicedReads` limits the bytes that are parsed in one turn of the event loop, so that no input delays other clients.
- `WriteTimer` aborts a connection whose client reads nothing.
- `LingeringTransport` closes a connection whose client is still sending, such that it receives the response: a socket
  that is closed with unread input is reset, and the client loses its unread input.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Protocol

MAX_WAITING = 128  # connections in a handshake, between two requests, or whose input is discarded
MAX_WEBSOCKETS = 256  # with or without a stream
READ_BYTES = 4096  # the slowest input, chunks of one byte, takes 15 ms per read
SEND_TIMEOUT_S = 30.0  # for the client to read something
LINGER_S = 5.0  # for the client to stop sending after its response


class Connection(Protocol):
    """A connection that can be closed at once."""

    def abort(self) -> None:
        """Close it without a response."""
        ...


class ConnectionTable:
    """The connections of a port, at most `max_connections`."""

    def __init__(self, max_connections: int) -> None:
        self._max_connections = max_connections
        self._open: set[Connection] = set()
        self._waiting: dict[Connection, None] = {}  # oldest first
        self.websockets: set[Connection] = set()

    def add(self, connection: Connection) -> None:
        """Add a new connection; another one, or itself if none waits, is closed if there are too many."""
        self._open.add(connection)
        if len(self._open) > self._max_connections:
            next(iter(self._waiting), connection).abort()

    def remove(self, connection: Connection) -> None:
        """Forget a closed connection."""
        self._open.discard(connection)
        self.websockets.discard(connection)
        self.stop_waiting(connection)

    def wait(self, connection: Connection) -> None:
        """Mark a connection as one that waits for a request; the oldest of too many is closed."""
        self._waiting.pop(connection, None)
        if len(self._waiting) >= MAX_WAITING:
            next(iter(self._waiting)).abort()
        self._waiting[connection] = None

    def stop_waiting(self, connection: Connection) -> None:
        """Mark a connection as one in use."""
        self._waiting.pop(connection, None)


class SlicedReads(asyncio.BufferedProtocol):
    """Passes at most READ_BYTES to `data_received` per turn of the event loop.

    What arrives before `connection_made`, as after a TLS handshake, is passed after it.
    """

    _buffer: memoryview | None = None
    _early = b""
    is_connected = False

    def get_buffer(self, sizehint: int) -> memoryview:
        """Return the buffer of the next read; asyncio's TLS fills slices of it, which a bytearray would copy."""
        if self._buffer is None:
            self._buffer = memoryview(bytearray(READ_BYTES))
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Pass on the bytes that were read."""
        data = bytes(self.get_buffer(0)[:nbytes])
        if self.is_connected:
            self.data_received(data)
        else:
            self._early += data

    def connected(self) -> None:
        """Pass on what arrived early; to be called when the connection is made."""
        self.is_connected = True
        if self._early:
            self.data_received(self._early)

    def data_received(self, data: bytes) -> None:
        """Process input."""
        raise NotImplementedError

    def eof_received(self) -> bool | None:
        """Close the connection: the client sends no more."""
        return None


class WriteTimer:
    """Aborts a connection when nothing of its pending output is sent for SEND_TIMEOUT_S."""

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        transport.set_write_buffer_limits(high=1, low=0)  # writing is paused while any output is pending
        self._transport, self._loop = transport, loop
        self._pending_bytes = 0
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Output is pending."""
        self.stop()
        self._pending_bytes = self._transport.get_write_buffer_size()
        self._timer = self._loop.call_later(SEND_TIMEOUT_S, self._check)

    def stop(self) -> None:
        """No output is pending, or the connection is lost."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _check(self) -> None:
        if self._transport.get_write_buffer_size() < self._pending_bytes:
            self.start()
        else:
            self._transport.abort()


class TimedWrites(asyncio.BaseProtocol):
    """Runs a `WriteTimer` while output is pending. A mixin before the class of a protocol."""

    _writes: WriteTimer | None = None

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._writes is not None:
            self._writes.start()

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._writes is not None:
            self._writes.stop()


class LingeringTransport(asyncio.Transport):
    """A transport whose `close` waits for the client to stop sending, for at most LINGER_S.

    Args:
        transport: The transport.
        loop: Its event loop.
        is_unfinished: Whether the client may still be sending when `close` is called.
        on_linger: Called when it starts to wait.
    """

    def __init__(
        self,
        transport: asyncio.Transport,
        loop: asyncio.AbstractEventLoop,
        is_unfinished: Callable[[], bool],
        on_linger: Callable[[], None],
    ) -> None:
        self._transport, self._loop = transport, loop
        self._is_unfinished, self._on_linger = is_unfinished, on_linger
        self._timer: asyncio.TimerHandle | None = None

    @property
    def inner(self) -> asyncio.Transport:
        """The transport whose `close` does not wait."""
        return self._transport

    @property
    def lingers(self) -> bool:
        """Whether input is to be discarded."""
        return self._timer is not None

    def close(self) -> None:
        """Close, once the client has received the response."""
        if self.is_closing():
            return
        if not self._is_unfinished():
            self._transport.close()
            return
        if self._transport.can_write_eof():
            self._transport.write_eof()
        self._transport.resume_reading()
        self._timer = self._loop.call_later(LINGER_S, self._transport.abort)
        self._on_linger()

    def abort(self) -> None:
        """Close at once."""
        self._transport.abort()

    def lost(self) -> None:
        """Release the timer of a closed connection."""
        if self._timer is not None:
            self._timer.cancel()

    def is_closing(self) -> bool:
        """Whether nothing can be sent any more."""
        return self.lingers or self._transport.is_closing()

    def write(self, data: Any) -> None:
        """Send data, unless the connection is closing; asyncio would log each write to a lost connection."""
        if not self.is_closing():
            self._transport.write(data)

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Return information on the connection."""
        return self._transport.get_extra_info(name, default)

    def pause_reading(self) -> None:
        """Stop reading."""
        if not self.lingers:
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Continue reading."""
        self._transport.resume_reading()

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Pass input to another protocol."""
        self._transport.set_protocol(protocol)
