"""Health check of the container images: the health of the server on this machine."""

from __future__ import annotations

import os
import ssl
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import grpc
import pytest
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from stt_service.healthcheck import check_health
from tests.support.environment.certificates import CertificateAuthority

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


@contextmanager
def grpc_health(status: health_pb2.HealthCheckResponse.ServingStatus.ValueType) -> Iterator[str]:
    """Run a gRPC server with this health status; yield its port."""
    servicer = health.HealthServicer()
    servicer.set("", status)
    server = grpc.server(ThreadPoolExecutor(1))
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield str(port)
    server.stop(None).wait()


@contextmanager
def readyz(status: int, folder: Path) -> Iterator[str]:
    """Run an HTTPS server whose /readyz returns this status; yield its port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/readyz" else 404)
            self.end_headers()

        def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002  (the name in the base class)
            pass

    certificate = CertificateAuthority(folder).issue("server", "elsewhere.example")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.cert_file, certificate.key_file)
    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        Thread(target=server.serve_forever, daemon=True).start()
        yield str(server.server_port)
        server.shutdown()


@pytest.mark.parametrize(("status", "expected"), [(SERVING, (True, "SERVING")), (NOT_SERVING, (False, "NOT_SERVING"))])
def test_result_is_the_grpc_health_status(
    status: health_pb2.HealthCheckResponse.ServingStatus.ValueType, expected: tuple[bool, str]
) -> None:
    with grpc_health(status) as port:
        assert check_health({"DATA_PORT": port}) == expected


@pytest.mark.parametrize("bind", ["0.0.0.0", "127.0.0.1"])  # noqa: S104
def test_server_on_a_wildcard_address_is_checked_on_loopback(bind: str) -> None:
    with grpc_health(SERVING) as port:
        assert check_health({"DATA_PORT": port, "SERVER_BIND": bind, "ALLOW_INSECURE": "true"}) == (True, "SERVING")


def test_unreachable_server_is_reported() -> None:
    with grpc_health(SERVING) as port:
        pass
    serves, text = check_health({"DATA_PORT": port})
    assert not serves
    assert text.startswith("UNAVAILABLE: ")


@pytest.mark.parametrize(("status", "expected"), [(200, (True, "/readyz 200")), (503, (False, "/readyz 503"))])
def test_server_with_tls_is_checked_at_readyz(status: int, expected: tuple[bool, str], tmp_path: Path) -> None:
    with readyz(status, tmp_path) as port:
        assert check_health({"HTTP_PORT": port, "TLS_CERT": "server.pem", "TLS_KEY": "server.key"}) == expected


def test_invalid_setting_is_reported() -> None:
    serves, text = check_health({"DATA_PORT": "many"})
    assert not serves
    assert "Invalid DATA_PORT='many': must be" in text


def test_exit_code_is_the_result(tmp_path: Path) -> None:
    with grpc_health(NOT_SERVING) as port:
        done = subprocess.run(
            [sys.executable, "-m", "stt_service.healthcheck"],
            env={**os.environ, "DATA_PORT": port},
            cwd=tmp_path,
            capture_output=True,
            text=True,
        )
    assert (done.returncode, done.stdout) == (1, "NOT_SERVING\n")


def test_healthcheck_imports_no_model_code() -> None:
    """It runs every few seconds, next to a server that needs the CPU."""
    models = {"av", "ctranslate2", "faster_whisper", "onnxruntime"}
    code = f"import sys, stt_service.healthcheck; print({models} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
