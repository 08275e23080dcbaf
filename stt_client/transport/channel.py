"""gRPC channels to servers, and messages that explain why a connection failed. Independent of stt.proto."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

import grpc
import grpc.aio

from stt_client.errors import ClientError, ConnectionFailedError, ServiceError
from stt_client.target import Target, Tls
from stt_client.transport.dns import LookupFailedError, look_up, to_ascii

CONNECT_TIMEOUT_S = 5.0
T = TypeVar("T")
logging.getLogger("grpc").addHandler(
    logging.NullHandler()
)  # otherwise a malformed message prints a traceback on stderr
LOST_STATUS = "Internal error from Core"  # what gRPC reports when a status arrived while it was writing
# A network that is dead without an error is detected within eight seconds.
PING_MS = 4_000
# Proxies of the environment are ignored: they would receive audio and token in clear text, even for localhost.
# The first option is for http_proxy, https_proxy and grpc_proxy, the second for GRPC_ADDRESS_HTTP_PROXY.
NO_PROXY: Sequence[tuple[str, str | int]] = (
    ("grpc.enable_http_proxy", 0),
    ("grpc.address_http_proxy_enabled_addresses", ""),
)
OPTIONS: Sequence[tuple[str, str | int]] = (
    *NO_PROXY,
    ("grpc.keepalive_time_ms", PING_MS),
    ("grpc.keepalive_timeout_ms", PING_MS),
    ("grpc.http2.ping_timeout_ms", PING_MS),  # of all other pings, for which keepalive waits; default 60 s
    ("grpc.http2.max_pings_without_data", 0),  # otherwise pings stop while no data is sent
    ("grpc.use_local_subchannel_pool", 1),  # otherwise a new channel waits for an older one's back-off
    # Connect to any address of a host name that answers, not only to the first one.
    ("grpc.service_config", json.dumps({"loadBalancingConfig": [{"round_robin": {}}]})),
)


@asynccontextmanager
async def open_channel(
    target: Target, address: str, timeout_s: float = CONNECT_TIMEOUT_S
) -> AsyncIterator[grpc.aio.Channel]:
    """Yield a connected channel to one of the target's addresses.

    Raises:
        ConnectionFailedError: The address refuses the connection, or does not answer in time.
        ClientError: A TLS file cannot be read.
    """
    async with _new_channel(target, address) as channel:
        is_ready, status = False, ""
        try:
            async with asyncio.timeout(timeout_s):
                if not (is_ready := await _wait_until_ready(channel)):
                    status = await _connection_status(target, address)
        except TimeoutError:
            pass
        if not is_ready:
            raise ConnectionFailedError(await _explain(target, address, status))
        yield channel


async def _connection_status(target: Target, address: str) -> str:
    """Return gRPC's status for each IP address of the host: for the host name it reports only one of them."""
    host, port = _split(address)
    try:
        literals = _literals(await look_up(host), port)
    except LookupFailedError:
        return ""
    details = []
    for literal in literals:
        async with _new_channel(target, literal, ("grpc.ssl_target_name_override", host)) as channel:
            call: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary("/", bytes, bytes)
            details.append(await call(b"").details())
    return " ".join(details)


async def _explain(target: Target, address: str, status: str) -> str:
    """Return why the connection failed; without a status, the name lookup may be the reason."""
    try:
        if not status:
            await look_up(_split(address)[0])
    except LookupFailedError as error:
        return f"cannot reach {address}: {error}"
    return explain_connection_failure(address, target.tls, status)


def _split(address: str) -> tuple[str, str]:
    host, colon, port = address.rpartition(":")
    return (host if colon else port).strip("[]"), port


def _literals(ips: Iterable[str], port: str) -> list[str]:
    return [f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}" for ip in ips]


def metadata(target: Target) -> tuple[tuple[str, str], ...]:
    """Return the metadata of every call.

    Raises:
        ClientError: The token is invalid.
    """
    if target.token is None:
        return ()
    if not (target.token.isascii() and target.token.isprintable()):
        raise ClientError("invalid token: a token has printable ASCII characters only.")
    return (("authorization", f"Bearer {target.token}"),)


def require_message(message: T | None, address: str) -> T:
    """Return the message if there is one.

    Raises:
        ServiceError: The message is None, which gRPC returns for a message that it cannot parse.
    """
    if message is None:
        raise ServiceError(f"{address} sent a malformed message: is it an stt-server?", "INTERNAL")
    return message


def to_service_error(error: grpc.aio.AioRpcError, address: str) -> ServiceError:
    """Return the error for a status that arrived without a `failure` message."""
    status, details = error.code().name, error.details() or "no reason given"
    if details == LOST_STATUS:
        return ServiceError(f"{address} aborted the stream without a reason.", "UNKNOWN")
    match error.code():
        case grpc.StatusCode.UNIMPLEMENTED:
            message = f"{address} is not an stt-server: {details}"
        case grpc.StatusCode.UNAVAILABLE:
            message = f"the connection to {address} was lost: {details}"
        case _:
            message = f"{address} answered {status}: {details}"
    return ServiceError(message, status)


def _new_channel(target: Target, address: str, *more: tuple[str, str]) -> grpc.aio.Channel:
    address, options = to_ascii(address), (*OPTIONS, *more)
    if target.tls is None:
        return grpc.aio.insecure_channel(address, options=options)
    return grpc.aio.secure_channel(address, _credentials(target.tls), options=options)


def _credentials(tls: Tls) -> grpc.ChannelCredentials:
    return grpc.ssl_channel_credentials(_read_file(tls.ca_file), _read_file(tls.key), _read_file(tls.certificate))


def _read_file(path: Path | None) -> bytes | None:
    try:
        return None if path is None else path.read_bytes()
    except OSError as error:
        raise ClientError(f"{path} cannot be read: {error.strerror}.") from error


async def _wait_until_ready(channel: grpc.aio.Channel) -> bool:
    """Wait until an address of the server answered, or all failed; return whether one answered."""
    state = channel.get_state(try_to_connect=True)
    while state not in (grpc.ChannelConnectivity.READY, grpc.ChannelConnectivity.TRANSIENT_FAILURE):
        await channel.wait_for_state_change(state)
        state = channel.get_state(try_to_connect=True)
    return state is grpc.ChannelConnectivity.READY


# Parts of gRPC 1.85's messages. The client verifies the server's certificate, so the message has the reason; a server
# that rejects the client's certificate only closes the connection.
TLS_EXPIRED = "certificate has expired"
TLS_NOT_YET_VALID = "certificate is not yet valid"
TLS_UNTRUSTED = ("CERTIFICATE_VERIFY_FAILED", "BAD_SIGNATURE")
TLS_OTHER_HOST = "Hostname Verification Check failed"
TLS_NOT_SPOKEN = "WRONG_VERSION_NUMBER"
TLS_FAILED = "Tls handshake failed"
TLS_UNUSABLE_FILES = "Failed to create security handshaker"
CONNECTION_CLOSED = ("Socket closed", "Connection reset", "End of TCP stream")


def explain_connection_failure(address: str, tls: Tls | None, status: str) -> str:
    """Return why no connection to the address was established; `status` is gRPC's message of a call there."""
    host = address.rpartition(":")[0].strip("[]")
    if TLS_EXPIRED in status:
        return f"the certificate of {address} has expired: ask its operator to renew it."
    if TLS_NOT_YET_VALID in status:
        return f"the certificate of {address} is not valid yet: is the clock of this machine right?"
    if any(words in status for words in TLS_UNTRUSTED):
        return f"the certificate of {address} is not signed by a trusted CA: name its CA with --tls-ca."
    if TLS_OTHER_HOST in status:
        return f"the certificate of {address} is not for {host}: use a name that the certificate lists."
    if TLS_NOT_SPOKEN in status:
        return f"{address} does not use TLS: remove the --tls options, or name another port."
    if TLS_UNUSABLE_FILES in status:
        return "invalid files for --tls-ca, --tls-cert, --tls-key: they must be PEM, the key must match."
    if TLS_FAILED in status:
        return f"TLS with {address} failed: {status.partition(TLS_FAILED)[2].strip(' :')}."
    if any(words in status for words in CONNECTION_CLOSED):
        return f"{address} closed the connection: {_certificate_hint(tls)}"
    return f"cannot reach {address}: is stt-server running?"


def _certificate_hint(tls: Tls | None) -> str:
    if tls is None:
        return "if it requires TLS, add --tls, or --tls-ca with its CA."
    if tls.certificate is None:
        return "it requires a client certificate: pass one with --tls-cert and --tls-key."
    return f"it rejects the certificate {tls.certificate}: expired, or signed by another CA."
