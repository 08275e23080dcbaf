"""HTTP/1.1 and WebSocket connections: uvicorn's protocols with the bounds of `connections`.

uvicorn limits neither the time in which the head of a request arrives, nor the number of connections, nor the time in
which a client reads. A connection has HEAD_TIMEOUT_S for each head. So no number of idle, slow or flooding
connections keeps a probe from its response.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import CloseCode, Frame

from stt_service.http.connections import (
    MAX_WEBSOCKETS,
    ConnectionTable,
    LingeringTransport,
    SlicedReads,
    TimedWrites,
    WriteTimer,
)

HEAD_TIMEOUT_S = 2.0
MAX_SHOWN = 120  # characters of h11's messages, which contain input
MAX_PONG_BYTES = 2**16  # pending; then the client is not read
MAX_FRAGMENTS = 1024  # of a WebSocket message, empty ones too
TLS_RECORD, HTTP2_PREFACE = b"\x16\x03", b"PRI * HTTP/2"
REASONS = {400: b"Bad Request", 431: b"Request Header Fields Too Large", 501: b"Not Implemented", 503: b"Unavailable"}


class BoundedHttpProtocol(TimedWrites, H11Protocol, SlicedReads):
    """An HTTP/1.1 connection."""

    table: ConnectionTable  # of the listener
    lingering: LingeringTransport
    _head_timer: asyncio.TimerHandle | None = None
    _received = _failed = _is_websocket = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.lingering = LingeringTransport(transport, self.loop, self._is_unfinished, lambda: self.table.wait(self))
        super().connection_made(self.lingering)
        self._writes = WriteTimer(transport, self.loop)
        connection = transport.get_extra_info("ssl_object")
        certificate = connection.getpeercert(binary_form=True) if connection is not None else None
        self.app_state = {**self.app_state, "client_certificate": certificate is not None, "abort": self.abort}
        self._await_head()
        self.table.add(self)
        self.connected()

    def data_received(self, data: bytes) -> None:
        if self.lingering.lingers:
            return
        if not self._received and data.startswith((TLS_RECORD, HTTP2_PREFACE)):
            self._reject_protocol(data)
            return
        self._received = True
        super().data_received(data)
        if self._is_websocket or self.lingering.is_closing():
            return
        if self.cycle is not None and not self.cycle.response_complete:
            self._head_arrived()
        elif self.timeout_keep_alive_task is None and self._head_timer is None:
            self._await_head()  # the next request of a kept connection has started

    def connection_lost(self, exc: Exception | None) -> None:
        if self._writes is None:  # lost during the TLS handshake
            return
        self._head_arrived()
        self._writes.stop()
        self.lingering.lost()
        self.table.remove(self)
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        if self.conn.their_state is h11.SEND_BODY:  # the response does not depend on the rest of the body
            self.transport.close()
            return
        super().on_response_complete()
        if not self.transport.is_closing() and self.cycle.response_complete:
            self.table.wait(self)

    def shutdown(self) -> None:
        if self.lingering.lingers:
            self.abort()
        else:
            super().shutdown()

    def send_400_response(self, msg: str) -> None:
        """Answer a request that is not HTTP; h11's error, which is being handled, has the reason and the status."""
        error = sys.exception()
        status = error.error_status_hint if isinstance(error, h11.RemoteProtocolError) else 400
        self._reject(status if status in REASONS else 400, f"Invalid HTTP request: {str(error or msg)[:MAX_SHOWN]}.")

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        self._head_arrived()
        if len(self.table.websockets) >= MAX_WEBSOCKETS:
            self._reject(503, f"All {MAX_WEBSOCKETS} WebSocket connections of this server are in use: try again later.")
            return
        self._is_websocket = True
        self.table.remove(self)  # the protocol of the WebSocket adds itself
        super().handle_websocket_upgrade(event)

    def abort(self) -> None:
        """Close the connection at once."""
        self._head_arrived()
        self.transport.abort()

    def _reject_protocol(self, data: bytes) -> None:
        expected = "HTTP/1.1; gRPC clients use DATA_PORT" if data.startswith(HTTP2_PREFACE) else "HTTP without TLS"
        self._reject(400, f"Invalid protocol: this port expects {expected}.")

    def _reject(self, status: int, sentence: str) -> None:
        """Answer without the application, and close."""
        if self.cycle is not None:
            self.cycle.disconnected = True  # its application sends no more
            self.cycle.message_event.set()
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            body = f"{sentence}\n".encode()
            head = (
                b"HTTP/1.1 %d %s\r\nserver: stt-server\r\ncontent-type: text/plain; charset=utf-8\r\n"
                b"content-length: %d\r\nconnection: close\r\n\r\n"
            )
            self.lingering.write(head % (status, REASONS[status], len(body)) + body)
        self._failed = True
        self.lingering.close()

    def _is_unfinished(self) -> bool:
        return self._failed or self.conn.their_state in (h11.SEND_BODY, h11.ERROR)

    def _await_head(self) -> None:
        self.table.wait(self)
        self._head_timer = self.loop.call_later(HEAD_TIMEOUT_S, self.abort)

    def _head_arrived(self) -> None:
        self.table.stop_waiting(self)
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None


class BoundedWebSocketProtocol(TimedWrites, WebSocketsSansIOProtocol, SlicedReads):
    """A WebSocket connection: bounded fragments, and pongs for a client that does not read."""

    table: ConnectionTable  # of the listener
    lingering: LingeringTransport
    _pongs_pending = False
    _received_s = 0.0  # when the last input was received

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, LingeringTransport)
        self.lingering = LingeringTransport(
            transport.inner, self.loop, lambda: self.close_sent, lambda: self.table.wait(self)
        )
        super().connection_made(self.lingering)
        self._writes = WriteTimer(transport.inner, self.loop)
        self.table.websockets.add(self)
        self.table.add(self)
        self.connected()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._writes is not None:
            self._writes.stop()
        self.lingering.lost()
        self.table.remove(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._received_s = self.loop.time()
        if not self.lingering.lingers:
            super().data_received(data)

    def keepalive_timeout(self) -> None:
        """Close the connection of a silent client; the pong of another one is behind its unread input."""
        if self.read_paused or self._received_s > self.ping_sent_at:
            self.pong_timer = self.pending_ping_payload = None
            self.schedule_ping()
        else:
            super().keepalive_timeout()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._pongs_pending = False
        if not self.read_paused:
            self.transport.resume_reading()

    def handle_ping(self) -> None:
        super().handle_ping()
        if self.lingering.inner.get_write_buffer_size() >= MAX_PONG_BYTES:
            self._pongs_pending = True
            self.transport.pause_reading()

    async def receive(self) -> Any:
        """Return the next message, and read on when the queue is empty and the client reads its pongs."""
        message = await self.queue.get()
        if self.read_paused and self.queue.empty():
            self.read_paused = False
            if not self._pongs_pending:
                self.transport.resume_reading()
        return message

    async def send(self, message: Any) -> None:
        """Send a message; a rejection completes the handshake, else uvicorn logs an error."""
        await super().send(message)
        if message["type"] == "websocket.http.response.body" and not message.get("more_body", False):
            self.handshake_complete = True

    def handle_cont(self, event: Frame) -> None:
        if self.close_sent:
            return
        if len(self.frames) >= MAX_FRAGMENTS:
            self._fail(CloseCode.MESSAGE_TOO_BIG, f"A message has at most {MAX_FRAGMENTS} fragments.")
            return
        super().handle_cont(event)

    def send_receive_event_to_app(self) -> None:
        try:
            if self.curr_msg_data_type == "text":
                b"".join(self.frames).decode()
        except UnicodeDecodeError:
            self._fail(CloseCode.INVALID_DATA, "A text message must be UTF-8.")
            return
        super().send_receive_event_to_app()

    def abort(self) -> None:
        """Close the connection at once."""
        self.transport.abort()

    def _fail(self, code: CloseCode, reason: str) -> None:
        if not self.close_sent:
            self.conn.fail(code, reason)
            self.handle_parser_exception()
