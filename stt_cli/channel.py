"""Opens connections to servers and says in a sentence why one failed. Knows gRPC, no message of ours."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from socket import SOCK_STREAM

import grpc
import grpc.aio

from stt_cli.errors import ClientError, ServiceError, Unreachable
from stt_cli.handshakes import unreached
from stt_cli.target import Target, Tls

CONNECT_TIMEOUT_S = 5.0
LOST_STATUS = "Internal error from Core"  # what gRPC leaves of a status that came while it was writing
# A network that is dead without a word is noticed within eight seconds.
PING_MS = 4_000
OPTIONS: Sequence[tuple[str, str | int]] = (
    ("grpc.keepalive_time_ms", PING_MS),
    ("grpc.keepalive_timeout_ms", PING_MS),
    ("grpc.http2.ping_timeout_ms", PING_MS),  # that of all other pings, which keepalive waits behind: 60 s if not set
    ("grpc.http2.max_pings_without_data", 0),  # or pings stop in silence
    ("grpc.use_local_subchannel_pool", 1),  # or a new channel waits for an older one's back-off
    # Of a name's addresses any that answers will do, not the first that does.
    ("grpc.service_config", json.dumps({"loadBalancingConfig": [{"round_robin": {}}]})),
)


@asynccontextmanager
async def connected(
    target: Target, address: str, timeout_s: float = CONNECT_TIMEOUT_S
) -> AsyncIterator[grpc.aio.Channel]:
    """Yield a channel to one of the target's addresses whose connection stands.

    Raises:
        Unreachable: when the address refuses, or does not answer in time.
        ClientError: when a TLS file cannot be read.
    """
    async with _channel(target, address) as channel:
        said = ""
        try:
            async with asyncio.timeout(timeout_s):
                if not (ready := await _is_ready(channel)):
                    said = await _said(target, address)
        except TimeoutError:
            ready = False
        if not ready:
            raise Unreachable(unreached(address, target.tls, said))
        yield channel


async def _said(target: Target, address: str) -> str:
    """Return what gRPC says of all that the address stands for: asked for the name, it tells of any one of them."""
    host, _, port = address.rpartition(":")
    name = host.strip("[]")
    try:
        found = await asyncio.get_running_loop().getaddrinfo(name, port, type=SOCK_STREAM)
    except OSError:
        return ""
    said = []
    for ip in dict.fromkeys(str(where[0]) for *_, where in found):
        literal = f"[{ip}]:{port}" if ":" in ip else f"{ip}:{port}"
        async with _channel(target, literal, ("grpc.ssl_target_name_override", name)) as channel:
            call: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary("/", bytes, bytes)
            said.append(await call(b"").details())
    return " ".join(said)


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


def explained(error: grpc.aio.AioRpcError, address: str) -> ServiceError:
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


def _channel(target: Target, address: str, *more: tuple[str, str]) -> grpc.aio.Channel:
    options = (*OPTIONS, *more)
    if target.tls is None:
        return grpc.aio.insecure_channel(address, options=options)
    return grpc.aio.secure_channel(address, _credentials(target.tls), options=options)


def _credentials(tls: Tls) -> grpc.ChannelCredentials:
    return grpc.ssl_channel_credentials(_content(tls.authorities), _content(tls.key), _content(tls.certificate))


def _content(path: Path | None) -> bytes | None:
    try:
        return None if path is None else path.read_bytes()
    except OSError as error:
        raise ClientError(f"{path} cannot be read: {error.strerror}.") from error


async def _is_ready(channel: grpc.aio.Channel) -> bool:
    """Wait until all addresses of the server have been tried, or one answered."""
    state = channel.get_state(try_to_connect=True)
    while state not in (grpc.ChannelConnectivity.READY, grpc.ChannelConnectivity.TRANSIENT_FAILURE):
        await channel.wait_for_state_change(state)
        state = channel.get_state(try_to_connect=True)
    return state is grpc.ChannelConnectivity.READY
