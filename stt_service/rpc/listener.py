"""One gRPC listener: its options, certificates and address, and the sentence when it cannot have it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import grpc

from stt_service.access import connection_limit
from stt_service.access.credentials import PortCredentials
from stt_service.access.file_watcher import ReloadingFile
from stt_service.errors import StartupError
from stt_service.rpc.auth_interceptor import Authentication
from stt_service.rpc.method_names import new_server
from stt_service.rpc.request_reader import METADATA_BYTES, RequestReader

if TYPE_CHECKING:
    from stt_service.access.certificates import Pem

CALLS_OF_A_CONNECTION = 1_000  # a proxy sends many streams through one
OPTIONS = (
    ("grpc.so_reuseport", 0),  # or two servers bind one port in silence
    ("grpc.http2.bdp_probe", 0),  # or clients run two minutes ahead of a busy server
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_ping_interval_without_data_ms", 2_000),  # clients ask every four seconds: channel.py
    ("grpc.http2.max_ping_strikes", 2),  # pings that come sooner, before the connection is closed
    ("grpc.max_concurrent_streams", CALLS_OF_A_CONNECTION),
    ("grpc.server_handshake_timeout_ms", 10_000),  # of TLS and HTTP/2: two minutes if not set
    ("grpc.http2.settings_timeout", 3_000),  # until the peer acknowledges them, gRPC does not limit metadata
    ("grpc.max_connection_idle_ms", 300_000),  # without a call
    ("grpc.max_metadata_size", METADATA_BYTES),
    ("grpc.absolute_max_metadata_size", METADATA_BYTES),
)


@dataclass(frozen=True, slots=True)
class ListenAddress:
    """Where a port is: the setting that names it, the address, the number, 0 for any."""

    setting: str
    bind: str
    number: int

    def at(self, number: int) -> str:
        host = f"[{self.bind}]" if ":" in self.bind else self.bind
        return f"{host}:{number}"

    def unusable(self) -> StartupError:
        """Return why the server cannot start when the port cannot be had."""
        return StartupError(
            f"{self.setting}={self.number} on {self.bind} cannot be used: "
            f"another program has it, or the address is not this machine's; set {self.setting} or SERVER_BIND."
        )


class GrpcListener:
    """A port that is named by a setting. Services are added to `server` before it starts."""

    def __init__(
        self,
        where: ListenAddress,
        access: PortCredentials,
        receiving: RequestReader,
        refused: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Take where it is, what it asks of who comes, how it receives, and who is told why somebody was refused."""
        self._where, self._pem = where, access.pem
        tokens = (Authentication(where.setting, access.tokens, refused),) if access.tokens else ()
        limits = (
            ("grpc.max_receive_message_length", receiving.max_message_bytes),
            ("grpc.max_allowed_incoming_connections", connection_limit.connections(connection_limit.limit())),
        )
        self.server = new_server((*tokens, receiving), (*OPTIONS, *limits))
        self.number = 0  # until it is bound

    @property
    def address(self) -> str:
        return self._where.at(self.number)

    def bind(self) -> None:
        """Take the port; it listens when `server` is started.

        Raises:
            StartFailed: the port is taken, or the address is not this machine's.
        """
        where = self._where
        wanted = where.at(where.number)
        try:
            if self._pem is None:
                self.number = self.server.add_insecure_port(wanted)
            else:
                self.number = self.server.add_secure_port(wanted, _credentials(self._pem))
        except RuntimeError as error:
            raise where.unusable() from error


def _credentials(pem: ReloadingFile[Pem]) -> grpc.ServerCredentials:
    """Return credentials that take the files as they are at each handshake."""
    served = pem.value()

    def changed() -> grpc.ServerCertificateConfiguration | None:
        nonlocal served
        if (present := pem.value()) is served:
            return None
        served = present
        return _configuration(present)

    asks = served.client_authorities is not None
    # The stubs do not know that None stands for no change.
    return grpc.dynamic_ssl_server_credentials(_configuration(served), changed, asks)  # type: ignore[arg-type]


def _configuration(pem: Pem) -> grpc.ServerCertificateConfiguration:
    return grpc.ssl_server_certificate_configuration([(pem.key, pem.chain)], root_certificates=pem.client_authorities)
