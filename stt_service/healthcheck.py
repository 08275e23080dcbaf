"""Tells whether the server on this machine serves: `python -m stt_service.healthcheck`, exit code 0 when it does.

The images' health check. It asks as a client would, by gRPC; of a server with TLS it asks /readyz instead, having no
certificate to show and no name to check. It runs every few seconds, so it loads the settings and gRPC and no model.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import ProxyHandler, build_opener

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from stt_service.errors import SttError
from stt_service.settings import environment
from stt_service.settings.schema import ServerSettings

TIMEOUT_S = 4.0  # below that of the images' health check, so that the reason is told
EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "[::]": "[::1]"}  # noqa: S104
# The server is on this machine: a proxy that the environment names has no part in it.
NO_PROXY = (("grpc.enable_http_proxy", 0), ("grpc.address_http_proxy_enabled_addresses", ""))
SERVING = health_pb2.HealthCheckResponse.SERVING


def answer(environ: Mapping[str, str], env_file: Path | None = None) -> tuple[bool, str]:
    """Return whether the server that these settings start serves, and what it answered."""
    try:
        parameters = environment.load(environ, env_file).settings
        host = EVERYWHERE.get(parameters.server_bind, parameters.server_bind)
        return _by_http(host, parameters) if parameters.tls_cert else _by_grpc(host, parameters)
    except (SttError, OSError) as error:  # urllib's errors are OSErrors
        return False, str(error)


def _by_grpc(host: str, parameters: ServerSettings) -> tuple[bool, str]:
    try:
        with grpc.insecure_channel(f"{host}:{parameters.data_port}", options=NO_PROXY) as channel:
            told = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=TIMEOUT_S)
    except grpc.RpcError as error:
        return False, f"{error.code().name}: {error.details()}"
    return told.status == SERVING, health_pb2.HealthCheckResponse.ServingStatus.Name(told.status)


def _by_http(host: str, parameters: ServerSettings) -> tuple[bool, str]:
    try:
        url = f"http://{host}:{parameters.metrics_port}/readyz"
        with build_opener(ProxyHandler({})).open(url, timeout=TIMEOUT_S) as told:
            return True, f"/readyz {told.status}"
    except HTTPError as error:
        return False, f"/readyz {error.code}"


if __name__ == "__main__":
    serves, text = answer(os.environ, Path(".env"))
    print(text)  # noqa: T201
    sys.exit(0 if serves else 1)
