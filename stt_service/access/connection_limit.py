"""Limits connections by the open files of the process: each connection uses one, and probes need some too."""

from __future__ import annotations

import resource
from collections.abc import Iterator

MAX_CONNECTIONS = 2_000  # per gRPC port
MAX_HTTP_CONNECTIONS = 512
RESERVED_FILES = 256  # for models, recordings and the log
PORTS = 2
WANTED_FILES = PORTS * MAX_CONNECTIONS + MAX_HTTP_CONNECTIONS + RESERVED_FILES
MIN_CONNECTIONS = 8  # per port, whatever the limit is


def raise_limit() -> None:
    """Raise the soft limit of open files to WANTED_FILES, or to the hard limit if that is lower."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = WANTED_FILES if hard == resource.RLIM_INFINITY else min(WANTED_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def limit() -> int:
    """Return the limit of open files."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return WANTED_FILES if soft == resource.RLIM_INFINITY else soft


def connections(files: int) -> int:
    """Return the connection limit of a gRPC port for this limit of open files."""
    return min(MAX_CONNECTIONS, max(MIN_CONNECTIONS, (files - RESERVED_FILES - http_connections(files)) // PORTS))


def http_connections(files: int) -> int:
    """Return the connection limit of the HTTP port for this limit of open files."""
    return min(MAX_HTTP_CONNECTIONS, max(MIN_CONNECTIONS, files // 4))


def warnings(files: int) -> Iterator[str]:
    """Yield a warning if the limit is low."""
    if files < WANTED_FILES:
        yield (
            f"The open file limit is {files}, so each port accepts {connections(files)} connections: "
            f"set `ulimit -n {WANTED_FILES}` (systemd: LimitNOFILE) for {MAX_CONNECTIONS}."
        )
