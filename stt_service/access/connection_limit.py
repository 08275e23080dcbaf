"""Limits connections to the open files that the process may have: each connection is one, and probes need some too."""

from __future__ import annotations

import resource
from collections.abc import Iterator

MAX_CONNECTIONS = 2_000  # of a gRPC port
RESERVED_FILES = 256  # the metrics port's clients, models, recordings, the log
PORTS = 2
WANTED_FILES = PORTS * MAX_CONNECTIONS + RESERVED_FILES
LEAST_CONNECTIONS = 8  # of a port, however few files there may be


def raise_limit() -> None:
    """Raise the soft limit of open files as far as the hard one lets it, and as far as it is of use."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = WANTED_FILES if hard == resource.RLIM_INFINITY else min(WANTED_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def limit() -> int:
    """Return how many files may be open."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return WANTED_FILES if soft == resource.RLIM_INFINITY else soft


def connections(files: int) -> int:
    """Return how many connections a port may have where the process may have so many open files."""
    return min(MAX_CONNECTIONS, max(LEAST_CONNECTIONS, (files - RESERVED_FILES) // PORTS))


def warnings(files: int) -> Iterator[str]:
    """Yield what an operator should know of the limit."""
    if files < WANTED_FILES:
        yield (
            f"The process may have {files} open files, so each port takes {connections(files)} connections: "
            f"set `ulimit -n {WANTED_FILES}` (systemd: LimitNOFILE) for {MAX_CONNECTIONS}."
        )
