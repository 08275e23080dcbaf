"""Shared fixtures, and the marker `fast` of the tests that `make test-fast` runs."""

from __future__ import annotations

import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from functools import cache
from pathlib import Path

import grpc.aio
import pytest
import pytest_asyncio
from stt.v1 import stt_pb2_grpc

from benchmarks.recordings import RECORDINGS, Recording
from benchmarks.service import Service
from stt_service.models.store import models_folder

# A module that contains one of these starts processes or talks over sockets: none of its tests is fast.
_EXTERNAL = re.compile(r"subprocess|multiprocessing|cli_process|spawned|open_connection|\bos\.fork\b|\bpty\b|\btmux\b")
_EXTERNAL_EVENTS = {"subprocess.Popen", "os.fork", "os.posix_spawn", "os.exec"}
_LOOPBACK = ("127.", "::1", "localhost")


class _Guard:
    """Raises when a fast test starts a process or connects to another machine."""

    active = False

    def __call__(self, event: str, arguments: tuple[object, ...]) -> None:
        if self.active and (event in _EXTERNAL_EVENTS or (event == "socket.connect" and _is_remote(arguments[1]))):
            raise RuntimeError(
                f"A fast test must not start processes or use the network: mark it `process`. Got {event}."
            )


def _is_remote(address: object) -> bool:
    return isinstance(address, tuple) and not str(address[0]).startswith(_LOOPBACK)


_guard = _Guard()
sys.addaudithook(_guard)


@cache
def _is_external(module: Path) -> bool:
    return bool(_EXTERNAL.search(module.read_text(encoding="utf-8")))


def pytest_configure() -> None:
    """Let the processes of the tests receive SIGINT, which a shell ignores in programs that it starts with `&`."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of the packages that need no weights, processes or network, and take less than ten seconds."""
    for item in items:
        marks = {mark.name for mark in item.iter_markers()}
        of_package = item.path.relative_to(Path(__file__).parent).parts[0].startswith("stt_")
        if of_package and marks.isdisjoint({"model", "slow", "process"}) and not _is_external(item.path):
            item.add_marker(pytest.mark.fast)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Guard fast tests while they run."""
    _guard.active = item.get_closest_marker("fast") is not None
    try:
        return (yield)
    finally:
        _guard.active = False


@pytest.fixture(scope="session")
def recordings() -> Mapping[str, Recording]:
    """Return the recordings by name: `recordings["en/jfk"].samples()`."""
    return {recording.name: recording for recording in RECORDINGS}


@pytest.fixture(scope="session")
def models_dir() -> Path:
    """Return the folder of the weights that `make setup` downloaded: base and tiny.en."""
    return models_folder(os.environ.get("MODELS_DIR", ""))


@pytest.fixture(scope="session")
def service() -> Iterator[Service]:
    """Return a server with the real model for all end-to-end tests; it accepts sixteen streams."""
    settings = {"DEVICE": "cpu", "LANGUAGE": "en", "WHISPER_MODEL": "base", "REALTIME_MODEL": "base"}
    with Service({**settings, "MAX_STREAMS": "16"}) as running:
        running.wait_until_listening()
        yield running


@pytest_asyncio.fixture
async def stub(service: Service) -> AsyncIterator[stt_pb2_grpc.SpeechToTextStub]:
    """Return a stub with its own connection to that server."""
    async with grpc.aio.insecure_channel(service.address) as channel:
        stub_on: Callable[[grpc.aio.Channel], stt_pb2_grpc.SpeechToTextStub] = stt_pb2_grpc.SpeechToTextStub
        yield stub_on(channel)
