"""What tests share: the recordings, and where the weights lie."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from pathlib import Path

import grpc.aio
import pytest
import pytest_asyncio
from stt.v1 import stt_pb2_grpc

from benchmarks.recordings import RECORDINGS, Recording
from benchmarks.service import Service
from stt_service.models.store import models_folder


@pytest.fixture(scope="session")
def recordings() -> Mapping[str, Recording]:
    """Return the recordings by name: `recordings["en/jfk"].samples()`."""
    return {recording.name: recording for recording in RECORDINGS}


@pytest.fixture(scope="session")
def models_dir() -> Path:
    """Return the folder of the weights that `make setup` fetched: base and tiny.en."""
    return models_folder(os.environ.get("MODELS_DIR", ""))


@pytest.fixture(scope="session")
def service() -> Iterator[Service]:
    """Return a server with the real model, for all end-to-end tests; it has room for sixteen streams."""
    settings = {"DEVICE": "cpu", "LANGUAGE": "en", "WHISPER_MODEL": "base", "REALTIME_MODEL": "base"}
    with Service({**settings, "MAX_STREAMS": "16"}) as running:
        running.wait_until_listening()
        yield running


@pytest_asyncio.fixture
async def stub(service: Service) -> AsyncIterator[stt_pb2_grpc.SpeechToTextStub]:
    """Return a connection of its own to that server."""
    async with grpc.aio.insecure_channel(service.address) as channel:
        stub_on: Callable[[grpc.aio.Channel], stt_pb2_grpc.SpeechToTextStub] = stt_pb2_grpc.SpeechToTextStub
        yield stub_on(channel)
