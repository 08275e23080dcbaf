"""Connections are limited to the open files that the process may have."""

from __future__ import annotations

import subprocess
import sys

import pytest

from stt_service.access.connection_limit import MAX_CONNECTIONS, MIN_CONNECTIONS, WANTED_FILES, connections, warnings


@pytest.mark.parametrize(
    ("files", "of_a_port"),
    [(20, MIN_CONNECTIONS), (256, MIN_CONNECTIONS), (1024, 256), (WANTED_FILES, MAX_CONNECTIONS), (10**6, 2000)],
)
def test_connections_of_a_port_depend_on_the_open_file_limit(files: int, of_a_port: int) -> None:
    assert connections(files) == of_a_port


def test_low_open_file_limit_is_a_warning() -> None:
    assert list(warnings(WANTED_FILES)) == []
    [warning] = warnings(1024)
    assert "The open file limit is 1024, so each port accepts 256 connections" in warning
    assert f"ulimit -n {WANTED_FILES}" in warning


def test_soft_limit_is_raised_up_to_the_hard_limit() -> None:
    program = """
import resource
from stt_service.access import connection_limit
resource.setrlimit(resource.RLIMIT_NOFILE, (128, 512))
connection_limit.raise_limit()
print(resource.getrlimit(resource.RLIMIT_NOFILE))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "(512, 512)\n"
