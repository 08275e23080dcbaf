"""The address of a port."""

from __future__ import annotations

import socket
from dataclasses import dataclass

from stt_service.errors import StartupError


@dataclass(frozen=True, slots=True)
class ListenAddress:
    """The address of a port and the setting that configures it; number 0: any free port."""

    setting: str
    bind: str
    number: int

    def at(self, number: int) -> str:
        host = f"[{self.bind}]" if ":" in self.bind else self.bind
        return f"{host}:{number}"

    def listen(self, backlog: int) -> socket.socket:
        """Return a listening socket, whose connections send small messages at once.

        Without TCP_NODELAY the second of two messages waits for the client's delayed acknowledgment, up to 40 ms. Event
        loops set the option only for sockets with an explicit protocol number, which `create_server` does not set.

        Raises:
            StartupError: another program uses the port, or the address is not one of this machine.
        """
        try:
            family = socket.getaddrinfo(self.bind, self.number, type=socket.SOCK_STREAM)[0][0]
            listening = socket.create_server((self.bind, self.number), family=family, backlog=backlog)
        except OSError as error:
            raise self.bind_error() from error
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # accepted sockets inherit it
        return listening

    def bind_error(self) -> StartupError:
        """Return the error for a port that cannot be bound."""
        return StartupError(
            f"Cannot listen on {self.setting}={self.number} at {self.bind}: another program uses the port, or the "
            f"address is not one of this machine; set {self.setting} or SERVER_BIND."
        )
