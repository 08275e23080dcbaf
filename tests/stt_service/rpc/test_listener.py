"""A gRPC port over real sockets: certificates and their replacement, and limits before authentication."""

from __future__ import annotations

import shutil
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import pytest
from grpc import StatusCode
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1._async import HealthServicer

from stt_service.access.credentials import PortCredentials, load_credentials
from stt_service.access.listen_address import ListenAddress
from stt_service.errors import StartupError
from stt_service.rpc.listener import GrpcListener
from stt_service.rpc.request_reader import METADATA_BYTES, RequestReader
from stt_service.settings.schema import ServerSettings
from tests.support.environment.certificates import DAY, CertificateAuthority, IssuedCertificate


@pytest.fixture
def authority(tmp_path: Path) -> CertificateAuthority:
    return CertificateAuthority(tmp_path)


@pytest.fixture
def files(tmp_path: Path, authority: CertificateAuthority) -> tuple[Path, Path]:
    """Return the paths of the server's certificate and key."""
    where = tmp_path / "server.crt", tmp_path / "server.key.pem"
    install(authority.issue("server"), where)
    return where


def install(made: IssuedCertificate, where: tuple[Path, Path]) -> None:
    shutil.copy(made.cert_file, where[0])
    shutil.copy(made.key_file, where[1])


def long_after() -> float:
    """Return a time at which every file is stable."""
    return time.time() + 3600


@asynccontextmanager
async def listening(**settings: object) -> AsyncIterator[str]:
    """Run a port with these settings; yield its address."""
    parsed = ServerSettings.model_validate({name: str(value) for name, value in settings.items()})
    port = GrpcListener(
        ListenAddress("DATA_PORT", "127.0.0.1", 0),
        load_credentials(parsed, long_after).data,
        RequestReader(2**20),
    )
    health_pb2_grpc.add_HealthServicer_to_server(HealthServicer(), port.server)
    port.bind()
    await port.server.start()
    try:
        yield port.address
    finally:
        await port.server.stop(None)


async def status_of(
    address: str, trusted: CertificateAuthority | None = None, client: IssuedCertificate | None = None, **metadata: str
) -> StatusCode:
    """Return the status of a call over its own connection."""
    own = [("grpc.use_local_subchannel_pool", 1)]
    if trusted is None:
        channel = grpc.aio.insecure_channel(address, options=own)
    else:
        pair = (client.key_file.read_bytes(), client.cert_file.read_bytes()) if client else (None, None)
        credentials = grpc.ssl_channel_credentials(trusted.file.read_bytes(), *pair)
        channel = grpc.aio.secure_channel(address, credentials, options=own)
    async with channel:
        call = health_pb2_grpc.HealthStub(channel).Check(
            health_pb2.HealthCheckRequest(), metadata=tuple(metadata.items()), timeout=20
        )
        return await code(call)


async def code(call: grpc.aio.UnaryUnaryCall[object, object]) -> StatusCode:
    status: StatusCode = await call.code()
    return status


async def test_client_that_trusts_the_ca_is_served(authority: CertificateAuthority, files: tuple[Path, Path]) -> None:
    async with listening(tls_cert=files[0], tls_key=files[1]) as address:
        assert await status_of(address, authority) is StatusCode.OK


async def test_plaintext_and_unknown_cas_fail(
    tmp_path: Path, authority: CertificateAuthority, files: tuple[Path, Path]
) -> None:
    async with listening(tls_cert=files[0], tls_key=files[1]) as address:
        assert await status_of(address) is StatusCode.UNAVAILABLE
        assert await status_of(address, CertificateAuthority(tmp_path, "unknown")) is StatusCode.UNAVAILABLE


async def test_certificate_is_replaced_while_the_port_listens(
    tmp_path: Path, authority: CertificateAuthority, files: tuple[Path, Path]
) -> None:
    other = CertificateAuthority(tmp_path, "other")
    async with listening(tls_cert=files[0], tls_key=files[1]) as address:
        assert await status_of(address, other) is StatusCode.UNAVAILABLE
        install(other.issue("renewed"), files)
        assert await status_of(address, other) is StatusCode.OK
        assert await status_of(address, authority) is StatusCode.UNAVAILABLE


async def test_invalid_new_certificate_leaves_the_old_one_in_use_and_is_logged_once(
    authority: CertificateAuthority, files: tuple[Path, Path], caplog: pytest.LogCaptureFixture
) -> None:
    async with listening(tls_cert=files[0], tls_key=files[1]) as address:
        shutil.copy(authority.issue("without its key").cert_file, files[0])
        assert [await status_of(address, authority) for _ in range(3)] == [StatusCode.OK] * 3
    (message,) = caplog.messages
    assert "is not the key of TLS_CERT" in message


async def test_only_clients_with_valid_certificates_are_served(
    tmp_path: Path, authority: CertificateAuthority, files: tuple[Path, Path]
) -> None:
    expired = authority.issue("expired", begins=-9 * DAY, ends=-DAY)
    unknown = CertificateAuthority(tmp_path, "unknown").issue("guest")
    async with listening(tls_cert=files[0], tls_key=files[1], tls_client_ca=authority.file) as address:
        assert await status_of(address, authority, authority.issue("client")) is StatusCode.OK
        for client in (None, expired, unknown):
            assert await status_of(address, authority, client) is StatusCode.UNAVAILABLE


async def test_client_ca_is_replaced_while_the_port_listens(
    tmp_path: Path, authority: CertificateAuthority, files: tuple[Path, Path]
) -> None:
    other = CertificateAuthority(tmp_path, "other")
    clients = tmp_path / "clients.pem"
    shutil.copy(authority.file, clients)
    async with listening(tls_cert=files[0], tls_key=files[1], tls_client_ca=clients) as address:
        assert await status_of(address, authority, other.issue("new client")) is StatusCode.UNAVAILABLE
        shutil.copy(other.file, clients)
        assert await status_of(address, authority, other.issue("new client")) is StatusCode.OK
        assert await status_of(address, authority, authority.issue("old client")) is StatusCode.UNAVAILABLE


async def test_metadata_over_the_limit_is_rejected() -> None:
    async with listening() as address:
        assert await status_of(address, note="x" * (METADATA_BYTES // 2)) is StatusCode.OK
        assert await status_of(address, note="x" * (METADATA_BYTES + 1)) is StatusCode.RESOURCE_EXHAUSTED


async def test_port_in_use_by_another_program_is_named_by_its_setting() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        number = other.getsockname()[1]
        port = GrpcListener(ListenAddress("CONTROL_PORT", "127.0.0.1", number), PortCredentials(), RequestReader(2**20))
        with pytest.raises(StartupError, match=f"^Cannot listen on CONTROL_PORT={number} at 127.0.0.1: "):
            port.bind()
        await port.server.stop(None)


@pytest.mark.parametrize(("bind", "address"), [("10.0.0.5", "10.0.0.5:8012"), ("::1", "[::1]:8012")])
def test_ipv6_address_has_brackets(bind: str, address: str) -> None:
    assert ListenAddress("DATA_PORT", bind, 8012).at(8012) == address
