"""Health check of the server on this machine: `python -m stt_service.healthcheck`, exit code 0 if it serves.

The container images run it. It calls gRPC health as a client would; a server with TLS is checked at /readyz instead,
because the check has no client certificate and no server name to verify. It runs every few seconds, so it loads the
settings and gRPC but no model.
"""

from __future__ import annotations

import os
import ssl
import sys
from collections.abc import Mapping
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import HTTPSHandler, ProxyHandler, build_opener

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from stt_service.errors import SttError
from stt_service.settings import environment
from stt_service.settings.schema import ServerSettings

TIMEOUT_S = 4.0  # below the timeout of the images' health check, so that the reason is printed
LOOPBACK = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "[::]": "[::1]"}  # noqa: S104
# The server is on this machine, so the proxies of the environment do not apply.
NO_PROXY = (("grpc.enable_http_proxy", 0), ("grpc.address_http_proxy_enabled_addresses", ""))
SERVING = health_pb2.HealthCheckResponse.SERVING


def check_health(environ: Mapping[str, str], env_file: Path | None = None) -> tuple[bool, str]:
    """Return whether the server with these settings serves, and its response or the error."""
    try:
        settings = environment.load(environ, env_file).settings
        host = LOOPBACK.get(settings.server_bind, settings.server_bind)
        return _check_http(host, settings) if settings.tls_cert else _check_grpc(host, settings)
    except (SttError, OSError) as error:  # urllib's errors are OSErrors
        return False, str(error)


def _check_grpc(host: str, settings: ServerSettings) -> tuple[bool, str]:
    try:
        with grpc.insecure_channel(f"{host}:{settings.data_port}", options=NO_PROXY) as channel:
            response = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=TIMEOUT_S)
    except grpc.RpcError as error:
        return False, f"{error.code().name}: {error.details()}"
    return response.status == SERVING, health_pb2.HealthCheckResponse.ServingStatus.Name(response.status)


def _check_http(host: str, settings: ServerSettings) -> tuple[bool, str]:
    try:
        url = f"https://{host}:{settings.http_port}/readyz"
        opener = build_opener(ProxyHandler({}), HTTPSHandler(context=_unverified()))
        with opener.open(url, timeout=TIMEOUT_S) as response:
            return True, f"/readyz {response.status}"
    except HTTPError as error:
        return False, f"/readyz {error.code}"


def _unverified() -> ssl.SSLContext:
    """Return a context for this machine's own server: its certificate has the names that clients use."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


if __name__ == "__main__":
    serves, text = check_health(os.environ, Path(".env"))
    print(text)  # noqa: T201
    sys.exit(0 if serves else 1)
