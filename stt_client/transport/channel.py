"""Opens connections to servers and says in a sentence why one failed. Knows gRPC, no message of ours."""

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
logging.getLogger("grpc").addHandler(logging.NullHandler())  # or a malformed message prints a traceback on stderr
LOST_STATUS = "Internal error from Core"  # what gRPC leaves of a status that came while it was writing
# A network that is dead without a word is noticed within eight seconds.
PING_MS = 4_000
# No proxy, whatever the environment names: it would receive audio and token in the clear, even for localhost.
# The first is for http_proxy, https_proxy and grpc_proxy, the second for GRPC_ADDRESS_HTTP_PROXY.
NO_PROXY: Sequence[tuple[str, str | int]] = (
    ("grpc.enable_http_proxy", 0),
    ("grpc.address_http_proxy_enabled_addresses", ""),
)
OPTIONS: Sequence[tuple[str, str | int]] = (
    *NO_PROXY,
    ("grpc.keepalive_time_ms", PING_MS),
    ("grpc.keepalive_timeout_ms", PING_MS),
    ("grpc.http2.ping_timeout_ms", PING_MS),  # that of all other pings, which keepalive waits behind: 60 s if not set
    ("grpc.http2.max_pings_without_data", 0),  # or pings stop in silence
    ("grpc.use_local_subchannel_pool", 1),  # or a new channel waits for an older one's back-off
    # Of a name's addresses any that answers will do, not the first that does.
    ("grpc.service_config", json.dumps({"loadBalancingConfig": [{"round_robin": {}}]})),
)


@asynccontextmanager
async def open_channel(
    target: Target, address: str, timeout_s: float = CONNECT_TIMEOUT_S
) -> AsyncIterator[grpc.aio.Channel]:
    """Yield a channel to one of the target's addresses whose connection stands.

    Raises:
        Unreachable: when the address refuses, or does not answer in time.
        ClientError: when a TLS file cannot be read.
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
    """Return gRPC's status of each IP address of the host: for the name itself it reports any one of them."""
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
    """Return a sentence on why no connection came about; without a status the name may be the reason."""
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
    """Return what goes with every call.

    Raises:
        ClientError: the token cannot be one.
    """
    if target.token is None:
        return ()
    if not (target.token.isascii() and target.token.isprintable()):
        raise ClientError("the token has characters that no token has: is it the right one?")
    return (("authorization", f"Bearer {target.token}"),)


def require_message(message: T | None, address: str) -> T:
    """Return the message.

    Raises:
        ServiceError: gRPC could not parse it, for which it returns None.
    """
    if message is None:
        raise ServiceError(f"{address} sent a malformed message: is it an stt-server?", "INTERNAL")
    return message


def to_service_error(error: grpc.aio.AioRpcError, address: str) -> ServiceError:
    """Put a status that came without a `failure` in a sentence."""
    status, details = error.code().name, error.details() or "no reason given"
    if details == LOST_STATUS:
        return ServiceError(f"{address} broke off the stream and gave no reason.", "UNKNOWN")
    match error.code():
        case grpc.StatusCode.UNIMPLEMENTED:
            message = f"what answers at {address} is no stt-server: {details}"
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
    """Wait until all addresses of the server have been tried, or one answered."""
    state = channel.get_state(try_to_connect=True)
    while state not in (grpc.ChannelConnectivity.READY, grpc.ChannelConnectivity.TRANSIENT_FAILURE):
        await channel.wait_for_state_change(state)
        state = channel.get_state(try_to_connect=True)
    return state is grpc.ChannelConnectivity.READY


# What gRPC 1.85 says. The server's own certificate is checked by the client, which knows what is wrong with it; of the
# client's certificate the server says nothing more than that it hangs up.
TLS_EXPIRED = "certificate has expired"
TLS_NOT_YET_VALID = "certificate is not yet valid"
TLS_UNTRUSTED = ("CERTIFICATE_VERIFY_FAILED", "BAD_SIGNATURE")
TLS_OTHER_HOST = "Hostname Verification Check failed"
TLS_NOT_SPOKEN = "WRONG_VERSION_NUMBER"
TLS_FAILED = "Tls handshake failed"
TLS_UNUSABLE_FILES = "Failed to create security handshaker"
CONNECTION_CLOSED = ("Socket closed", "Connection reset", "End of TCP stream")


def explain_connection_failure(address: str, tls: Tls | None, status: str) -> str:
    """Return why nothing that can be talked to answers at the address; `said` is the status of a call there."""
    host = address.rpartition(":")[0].strip("[]")
    if TLS_EXPIRED in status:
        return f"the certificate of {address} has expired: its operator has to replace it."
    if TLS_NOT_YET_VALID in status:
        return f"the certificate of {address} is not valid yet: is the clock of this machine right?"
    if any(words in status for words in TLS_UNTRUSTED):
        return f"the certificate of {address} is signed by nobody trusted here: name its authority with --tls-ca."
    if TLS_OTHER_HOST in status:
        return f"the certificate of {address} is not for {host}: use the name that stands in it."
    if TLS_NOT_SPOKEN in status:
        return f"{address} does not speak TLS: leave the --tls options out, or name another port."
    if TLS_UNUSABLE_FILES in status:
        return (
            "the files of --tls-ca, --tls-cert, --tls-key will not do: they should be PEM, the key the certificate's."
        )
    if TLS_FAILED in status:
        return f"TLS with {address} failed: {status.partition(TLS_FAILED)[2].strip(' :')}."
    if any(words in status for words in CONNECTION_CLOSED):
        return f"{address} hangs up: {_certificate_hint(tls)}"
    return f"cannot reach {address}: is stt-server running?"


def _certificate_hint(tls: Tls | None) -> str:
    if tls is None:
        return "if it wants TLS, add --tls, or --tls-ca with its authority."
    if tls.certificate is None:
        return "it wants a client certificate: give one with --tls-cert and --tls-key."
    return f"it does not take the certificate {tls.certificate}: that has expired, or another authority signed it."
