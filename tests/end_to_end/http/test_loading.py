"""The HTTP port while the models load: alive, not ready, and no recognition."""

from __future__ import annotations

from http.client import HTTPException

import pytest

from benchmarks.harness.ports import free_port
from tests.end_to_end.http.conftest import TINY
from tests.support.clients.raw_http import HttpPort, wait_until
from tests.support.servers.server_process import Server

pytestmark = [pytest.mark.model, pytest.mark.process]


class LoadingPort(HttpPort):
    """The HTTP port of a server that has not printed its address."""

    def __init__(self, server: Server, number: int) -> None:
        self.server, self.host, self.number = server, "127.0.0.1", number


def test_loading_server_is_alive_and_rejects_recordings_with_a_reason() -> None:
    number = free_port()
    with Server({**TINY, "HTTP_PORT": str(number)}) as server:
        port = LoadingPort(server, number)

        def listens() -> bool:
            try:
                return port.get("/healthz").status == 200
            except (OSError, HTTPException):
                return False

        wait_until(listens)
        ready, rejected = port.get("/readyz"), port.upload(b"RIFF")
        assert (ready.status, "still loading" in ready.message) == (503, True)
        assert (rejected.status, "still loading" in rejected.message) == (503, True)
        assert port.get("/metrics").status == 200
        wait_until(lambda: port.get("/readyz").status == 200)
