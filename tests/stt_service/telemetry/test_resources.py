"""How much memory the process may take."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest

from stt_service.telemetry.resources import ResourceUsage, memory_limit_bytes

MACHINE = psutil.virtual_memory().total


@pytest.mark.parametrize(
    ("limit", "limit_bytes"),
    [
        pytest.param("1073741824\n", 2**30, id="a container's share"),
        pytest.param("max\n", MACHINE, id="a container without a limit"),
        pytest.param("9223372036854771712\n", MACHINE, id="a limit beyond the machine"),
        pytest.param(None, MACHINE, id="no container"),
    ],
)
def test_memory_is_limited_by_the_container_or_the_machine(tmp_path: Path, limit: str | None, limit_bytes: int) -> None:
    if limit is not None:
        (tmp_path / "memory.max").write_text(limit)
    assert memory_limit_bytes(tmp_path / "memory.max") == limit_bytes


def test_port_near_its_connection_limit_is_logged_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    monkeypatch.setattr("stt_service.access.connection_limit.limit", lambda: 256)  # eight connections for each port
    usage = ResourceUsage()
    with ExitStack() as opened:
        usage.check_connections()
        assert caplog.messages == []
        for number in range(8):
            opened.enter_context((tmp_path / str(number)).open("w"))
        usage.check_connections()
        usage.check_connections()
    assert caplog.messages == ["connections near limit open=8 max_per_port=8 open_file_limit=256"]
