"""The port of Wyoming: accepts connections, bounds their number and closes them when the server stops."""

from __future__ import annotations

import asyncio

from stt_service.access.admission import RETRY_AFTER_S
from stt_service.access.listen_address import ListenAddress
from stt_service.access.rate_limit import socket_address
from stt_service.errors import ResourceExhaustedError
from stt_service.recognition.speech_service import SpeechService
from stt_service.wyoming.connection import DEFAULT_TIMEOUTS, Connection, Timeouts
from stt_service.wyoming.events import HEADER_BYTES

MAX_CONNECTIONS = 64  # of which MAX_STREAMS transcribe; Home Assistant opens one per command
MAX_REJECTING = 16  # connections beyond MAX_CONNECTIONS that receive an error; others are closed without one
SHUTDOWN_TIMEOUT_S = 5.0  # for pending events to be sent
BACKLOG = 64


class WyomingListener:
    """The port of Wyoming.

    When MAX_CONNECTIONS are open, a new one replaces the oldest one without a transcription, so idle clients do not
    exclude others.
    """

    def __init__(self, where: ListenAddress, service: SpeechService, timeouts: Timeouts = DEFAULT_TIMEOUTS) -> None:
        """Take the setting, address and number of the port; number 0: any free one."""
        self._where, self._service, self._timeouts = where, service, timeouts
        self._server: asyncio.Server | None = None
        self._connections: dict[Connection, asyncio.Task[None]] = {}  # oldest first
        self._rejecting = set[asyncio.Task[None]]()
        self.number = 0  # until it is bound

    @property
    def address(self) -> str:
        return self._where.at(self.number)

    async def start(self) -> None:
        """Bind the port and accept connections until `stop`.

        Raises:
            StartupError: the port is in use, or the address does not belong to this machine.
        """
        listening = self._where.listen(BACKLOG)
        self.number = listening.getsockname()[1]
        self._server = await asyncio.start_server(self._accept, sock=listening, limit=HEADER_BYTES, backlog=BACKLOG)

    async def stop(self) -> None:
        """Accept no more connections; return when pending text has been sent, or after SHUTDOWN_TIMEOUT_S."""
        if self._server is not None:
            self._server.close()
        for connection, task in self._connections.items():
            if not connection.is_transcribing:
                task.cancel()
        tasks = {*self._connections.values(), *self._rejecting}
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=SHUTDOWN_TIMEOUT_S)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve a connection in a task of its own: asyncio logs the cancellation of a callback's as an error."""
        connection = Connection(reader, writer, self._service, _client_name(writer), self._timeouts)
        if len(self._connections) < MAX_CONNECTIONS or self._close_oldest_idle():
            self._connections[connection] = task = asyncio.create_task(connection.run())
            task.add_done_callback(lambda _: self._ended(connection))
        elif len(self._rejecting) < MAX_REJECTING:
            full = f"All {MAX_CONNECTIONS} connections of this port are in use: try again later."
            task = asyncio.create_task(connection.reject(ResourceExhaustedError(full, RETRY_AFTER_S)))
            self._rejecting.add(task)
            task.add_done_callback(self._rejecting.discard)
        else:
            writer.transport.abort()

    def _ended(self, connection: Connection) -> None:
        """Close the connection of an ended task; one that was canceled before it ran has not closed it."""
        self._connections.pop(connection, None)
        connection.writer.close()

    def _close_oldest_idle(self) -> bool:
        """Close the oldest connection without a transcription; return whether there was one."""
        idle = next((connection for connection in self._connections if not connection.is_transcribing), None)
        if idle is None:
            return False
        self._connections.pop(idle).cancel()
        return True


def _client_name(writer: asyncio.StreamWriter) -> str:
    host, port, *_ = writer.get_extra_info("peername") or ("", 0)
    return socket_address(host, port)
