"""A gRPC port: its options, certificates and address."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, cast

import grpc
from grpc._cython import cygrpc  # type: ignore[attr-defined]  # missing in the stubs

from stt_service.access import connection_limit
from stt_service.access.credentials import PortCredentials
from stt_service.access.file_watcher import ReloadingFile
from stt_service.access.listen_address import ListenAddress
from stt_service.rpc.auth_interceptor import Authentication
from stt_service.rpc.request_reader import METADATA_BYTES, UNIMPLEMENTED, RequestReader

if TYPE_CHECKING:
    from stt_service.access.certificates import Pem

UNKNOWN_SERVICE, UNKNOWN_METHOD = secrets.token_hex(16), "unknown"  # random: a call of this name is not accepted
UNKNOWN = f"/{UNKNOWN_SERVICE}/{UNKNOWN_METHOD}"
_ACCEPT = "_make_request_call_future"  # private method of AioServer; versions without it do not need this workaround
MAX_CALLS_PER_CONNECTION = 1_000  # a proxy sends many streams over one connection
OPTIONS = (
    ("grpc.so_reuseport", 0),  # otherwise two servers can bind one port without an error
    ("grpc.http2.bdp_probe", 0),  # otherwise clients buffer two minutes of audio ahead of a busy server
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_ping_interval_without_data_ms", 2_000),  # clients send a ping every four seconds: channel.py
    ("grpc.http2.max_ping_strikes", 2),  # pings at shorter intervals before the connection is closed
    ("grpc.max_concurrent_streams", MAX_CALLS_PER_CONNECTION),
    ("grpc.server_handshake_timeout_ms", 10_000),  # for TLS and HTTP/2; the default is two minutes
    ("grpc.http2.settings_timeout", 3_000),  # gRPC does not limit metadata until the peer acknowledges the settings
    ("grpc.max_connection_idle_ms", 300_000),  # without calls
    ("grpc.max_metadata_size", METADATA_BYTES),
    ("grpc.absolute_max_metadata_size", METADATA_BYTES),
)


class GrpcListener:
    """A gRPC port. Services are added to `server` before it starts."""

    def __init__(
        self,
        address: ListenAddress,
        credentials: PortCredentials,
        reader: RequestReader,
        on_rejected: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Create the server. `on_rejected` receives the reason of each rejected call."""
        self._listen_address, self._pem = address, credentials.pem
        tokens = (Authentication(address.setting, credentials.tokens, on_rejected),) if credentials.tokens else ()
        limits = (
            ("grpc.max_receive_message_length", reader.max_message_bytes),
            ("grpc.max_allowed_incoming_connections", connection_limit.connections(connection_limit.limit())),
        )
        self.server = new_server((*tokens, reader), (*OPTIONS, *limits))
        self.number = 0  # until `bind`

    @property
    def address(self) -> str:
        return self._listen_address.at(self.number)

    def bind(self) -> None:
        """Bind the port; it accepts connections once `server` is started.

        Raises:
            StartupError: another program uses the port, or the address is not one of this machine.
        """
        address = self._listen_address.at(self._listen_address.number)
        try:
            if self._pem is None:
                self.number = self.server.add_insecure_port(address)
            else:
                self.number = self.server.add_secure_port(address, _credentials(self._pem))
        except RuntimeError as error:
            raise self._listen_address.bind_error() from error


def _credentials(pem: ReloadingFile[Pem]) -> grpc.ServerCredentials:
    """Return credentials that read the files again at each handshake."""
    served = pem.value()

    def reload_if_changed() -> grpc.ServerCertificateConfiguration | None:
        nonlocal served
        if (current := pem.value()) is served:
            return None
        served = current
        return _configuration(current)

    requires_client = served.client_ca is not None
    # The stubs do not know that None means no change.
    return grpc.dynamic_ssl_server_credentials(_configuration(served), reload_if_changed, requires_client)  # type: ignore[arg-type]


def _configuration(pem: Pem) -> grpc.ServerCertificateConfiguration:
    return grpc.ssl_server_certificate_configuration([(pem.key, pem.chain)], root_certificates=pem.client_ca)


def new_server(interceptors: Sequence[object], options: Sequence[tuple[str, object]]) -> grpc.aio.Server:
    """Return a grpc.aio server that no method name can stop.

    grpcio 1.85 decodes the name of an unknown method in the loop that accepts calls. One call whose :path is not UTF-8
    ends that loop, and with it the server, even without a token. So calls of unknown methods are accepted under the
    name UNKNOWN here, and their own name is never decoded. Older versions decode it where the failure ends only the
    call. Methods must be registered, as generated code does; generic handlers are not found.
    """
    create = cast("Any", grpc.aio.server)
    if not hasattr(cygrpc.AioServer, _ACCEPT):
        return cast("grpc.aio.Server", create(interceptors=interceptors, options=options))
    original = cygrpc.AioServer
    cygrpc.AioServer = _accepting_unknown(original)
    try:
        server = create(interceptors=interceptors, options=options)
    finally:
        cygrpc.AioServer = original
    server.add_registered_method_handlers(UNKNOWN_SERVICE, {UNKNOWN_METHOD: UNIMPLEMENTED})
    return cast("grpc.aio.Server", server)


def _accepting_unknown(base: Any) -> Any:
    class AcceptingUnknown(base):  # type: ignore[misc]  # the class is missing in the stubs
        """Accepts calls of any unknown method as calls of UNKNOWN."""

        def _make_request_call_future(self, method: bytes | None) -> asyncio.Future[Any]:
            if method is None:
                return asyncio.get_running_loop().create_future()  # pending until the server stops
            if method == UNKNOWN.encode():
                return cast("asyncio.Future[Any]", asyncio.ensure_future(self._request_call()))
            return cast("asyncio.Future[Any]", super()._make_request_call_future(method))

    return AcceptingUnknown
