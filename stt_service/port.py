"""One gRPC listener: its options, its address, and the sentence when it cannot have it."""

from __future__ import annotations

import grpc

from stt_service.errors import StartFailed

OPTIONS = (
    ("grpc.so_reuseport", 0),  # or two servers bind one port in silence
    ("grpc.http2.bdp_probe", 0),  # or clients run two minutes ahead of a busy server
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_ping_interval_without_data_ms", 2_000),  # clients ask every four seconds: channel.py
)


class Port:
    """A port that is named by a setting. Services are added to `server` before it starts."""

    def __init__(self, setting: str, bind: str, number: int, max_message_bytes: int) -> None:
        self._setting, self._bind, self._wanted = setting, bind, number
        self.server = grpc.aio.server(options=(*OPTIONS, ("grpc.max_receive_message_length", max_message_bytes)))
        self.number = 0  # until it is bound

    @property
    def address(self) -> str:
        return f"{self._bind}:{self.number}"

    def bind(self) -> None:
        """Take the port; it listens when `server` is started.

        Raises:
            StartFailed: the port is taken, or the address is not this machine's.
        """
        try:
            self.number = self.server.add_insecure_port(f"{self._bind}:{self._wanted}")
        except RuntimeError as error:
            raise StartFailed(
                f"{self._setting}={self._wanted} on {self._bind} cannot be used: "
                f"another program has it, or the address is not this machine's; set {self._setting} or SERVER_BIND."
            ) from error
