"""The health check of the images answers what the server on this machine says."""

from __future__ import annotations

import os
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

from stt_service.healthcheck import answer

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


@contextmanager
def grpc_health(status: health_pb2.HealthCheckResponse.ServingStatus.ValueType) -> Iterator[str]:
    """Run a gRPC server that has this health; yield its port."""
    servicer = health.HealthServicer()
    servicer.set("", status)
    server = grpc.server(ThreadPoolExecutor(1))
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield str(port)
    server.stop(None).wait()


@contextmanager
def readyz(status: int) -> Iterator[str]:
    """Run an HTTP server whose /readyz answers so; yield its port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/readyz" else 404)
            self.end_headers()

        def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002  (its name there)
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield str(server.server_port)
        server.shutdown()


@pytest.mark.parametrize(("status", "told"), [(SERVING, (True, "SERVING")), (NOT_SERVING, (False, "NOT_SERVING"))])
def test_it_tells_what_health_says(
    status: health_pb2.HealthCheckResponse.ServingStatus.ValueType, told: tuple[bool, str]
) -> None:
    with grpc_health(status) as port:
        assert answer({"DATA_PORT": port}) == told


@pytest.mark.parametrize("bind", ["0.0.0.0", "127.0.0.1"])  # noqa: S104
def test_a_server_that_listens_everywhere_is_asked_on_this_machine(bind: str) -> None:
    with grpc_health(SERVING) as port:
        assert answer({"DATA_PORT": port, "SERVER_BIND": bind, "ALLOW_INSECURE": "true"}) == (True, "SERVING")


def test_where_nobody_listens_it_says_so() -> None:
    with grpc_health(SERVING) as port:
        pass
    serves, text = answer({"DATA_PORT": port})
    assert not serves
    assert text.startswith("UNAVAILABLE: ")


@pytest.mark.parametrize(("status", "told"), [(200, (True, "/readyz 200")), (503, (False, "/readyz 503"))])
def test_of_a_server_with_tls_it_asks_readyz(status: int, told: tuple[bool, str]) -> None:
    with readyz(status) as port:
        assert answer({"METRICS_PORT": port, "TLS_CERT": "server.pem", "TLS_KEY": "server.key"}) == told


def test_a_setting_that_will_not_do_is_an_answer_too() -> None:
    serves, text = answer({"DATA_PORT": "many"})
    assert not serves
    assert "Invalid DATA_PORT='many': must be" in text


def test_the_exit_code_tells_it(tmp_path: Path) -> None:
    with grpc_health(NOT_SERVING) as port:
        done = subprocess.run(
            [sys.executable, "-m", "stt_service.healthcheck"],
            env={**os.environ, "DATA_PORT": port},
            cwd=tmp_path,
            capture_output=True,
            text=True,
        )
    assert (done.returncode, done.stdout) == (1, "NOT_SERVING\n")


def test_it_loads_no_model() -> None:
    """It runs every few seconds, beside a server that needs the machine."""
    models = {"av", "ctranslate2", "faster_whisper", "onnxruntime"}
    code = f"import sys, stt_service.healthcheck; print({models} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
