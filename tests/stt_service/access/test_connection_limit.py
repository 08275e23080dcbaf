"""Connections are limited to the open files that the process may have."""

from __future__ import annotations

import subprocess
import sys

import pytest

from stt_service.access.connection_limit import LEAST_CONNECTIONS, MAX_CONNECTIONS, WANTED_FILES, connections, warnings


@pytest.mark.parametrize(
    ("files", "of_a_port"),
    [(20, LEAST_CONNECTIONS), (256, LEAST_CONNECTIONS), (1024, 384), (WANTED_FILES, MAX_CONNECTIONS), (10**6, 2000)],
)
def test_a_port_takes_the_connections_that_files_are_left_for(files: int, of_a_port: int) -> None:
    assert connections(files) == of_a_port


def test_a_limit_that_costs_connections_is_warned_of() -> None:
    assert list(warnings(WANTED_FILES)) == []
    [warning] = warnings(1024)
    assert "1024 open files, so each port takes 384 connections" in warning
    assert f"ulimit -n {WANTED_FILES}" in warning


def test_the_soft_limit_is_raised_as_far_as_the_hard_one_lets_it() -> None:
    program = """
import resource
from stt_service import open_files
resource.setrlimit(resource.RLIMIT_NOFILE, (128, 512))
open_files.raise_limit()
print(resource.getrlimit(resource.RLIMIT_NOFILE))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "(512, 512)\n"
