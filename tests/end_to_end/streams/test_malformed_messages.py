"""Malformed, mutated and extreme messages to every method give an expected status and no error in the log.

FUZZ_CASES sets their number; the seed is fixed.
"""

from __future__ import annotations

import logging
import os
import random
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

import grpc
import grpc.aio
import pytest
import pytest_asyncio
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass
from grpc import StatusCode
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2
from stt.riva.v1 import riva_pb2
from stt.v1 import control_pb2, stt_pb2

from stt_service.riva import servicer as riva
from stt_service.server import Server
from tests.support.servers.in_process_server import BlockingServerEngine, running_server

CASES = int(os.environ.get("FUZZ_CASES", "600"))
FAULTS = {StatusCode.UNKNOWN, StatusCode.INTERNAL, StatusCode.DEADLINE_EXCEEDED, StatusCode.CANCELLED}
CHANGING = {"Drain", "CancelDrain", "LoadModel", "UnloadModel", "UpdateConfig"}  # receive malformed messages only
SILENT = stt_pb2.StreamingRecognizeRequest(config=stt_pb2.StreamingConfig(partials=True)).SerializeToString()
SEEDS = [
    SILENT,
    stt_pb2.StreamingRecognizeRequest(audio=bytes(640)).SerializeToString(),
    stt_pb2.StreamingRecognizeRequest(update=stt_pb2.Settings(language="en", initial_prompt="x")).SerializeToString(),
    stt_pb2.StreamingRecognizeRequest(finalize=stt_pb2.Finalize()).SerializeToString(),
    stt_pb2.RecognizeRequest(audio=bytes(640), format=stt_pb2.AudioFormat(channels=1)).SerializeToString(),
    health_pb2.HealthCheckRequest(service="stt.v1.SpeechToText").SerializeToString(),
    reflection_pb2.ServerReflectionRequest(list_services="*").SerializeToString(),
    control_pb2.FinalizeSessionRequest(session_id="1a2b3c4d").SerializeToString(),
    riva_pb2.RecordingRequest(
        options=riva_pb2.Options(encoding=riva_pb2.ENCODING_MULAW, language="en-US"), audio=bytes(640)
    ).SerializeToString(),
    b"",
]


@dataclass(frozen=True)
class Method:
    """A method of a server: its address, its name and the type of its request."""

    control: bool
    path: str
    request: type[Message]
    streams: bool

    @property
    def changes(self) -> bool:
        return self.path.rpartition("/")[2] in CHANGING

    def is_malformed(self, message: bytes) -> bool:
        try:
            self.request.FromString(message)
        except DecodeError:
            return True
        return False


def methods() -> list[Method]:
    """Return every method of a server, except those with long-running calls."""
    found = []
    for module, control in ((stt_pb2, False), (control_pb2, True), (health_pb2, False), (reflection_pb2, False)):
        for service in module.DESCRIPTOR.services_by_name.values():
            for method in service.methods:
                if method.name not in ("Watch", "WatchStatus"):
                    path, request = f"/{service.full_name}/{method.name}", GetMessageClass(method.input_type)
                    found.append(Method(control, path, request, method.client_streaming))
    for name, request, streams in (
        (riva.STREAM, riva_pb2.StreamRequest, True),
        (riva.RECORDING, riva_pb2.RecordingRequest, False),
        (riva.MODELS, riva_pb2.ModelsRequest, False),
    ):
        found.append(Method(False, f"/{riva.SERVICE}/{name}", request, streams))
    return found


def mutated(source: random.Random) -> bytes:
    """Return a message with a few bytes changed, removed, repeated or inserted."""
    message = bytearray(source.choice([*SEEDS, source.randbytes(source.randrange(40))]))
    for _ in range(source.choice([0, 1, 1, 2, 5])):
        at = source.randrange(len(message) + 1)
        match source.randrange(4):
            case 0:
                message[at : at + 1] = source.randbytes(1)
            case 1:
                del message[at : at + source.randrange(1, 9)]
            case 2:
                message[at:at] = source.randbytes(source.randrange(1, 9))
            case _:
                message[at:at] = b"\xff" * source.randrange(1, 11)
    return bytes(message)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def server() -> AsyncIterator[Server]:
    held = BlockingServerEngine()
    held.release()
    async with running_server(held, 8, more={"rate_limit_per_minute": 0, "riva": True}) as running:
        yield running


async def status(channel: grpc.aio.Channel, method: Method, messages: Sequence[bytes]) -> StatusCode:
    """Return the status of a call that sends these messages."""
    stream: grpc.aio.StreamStreamMultiCallable[bytes, bytes] = channel.stream_stream(method.path, bytes, bytes)
    call = stream(iter(messages), timeout=60)
    try:
        async for _ in call:
            pass
    except grpc.aio.AioRpcError as error:
        return error.code()
    return StatusCode.OK


async def test_malformed_messages_never_make_the_server_fail(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    source, statuses = random.Random(7), Counter[StatusCode]()
    async with (
        grpc.aio.insecure_channel(server.data.address) as data,
        grpc.aio.insecure_channel(server.control.address) as control,
    ):
        every = methods()
        for case in range(CASES):
            method, message = every[case % len(every)], mutated(source)
            malformed = method.is_malformed(message)
            if method.changes and not malformed:
                continue
            before = [SILENT] if method.path.endswith("StreamingRecognize") and source.random() < 0.5 else []
            received = await status(control if method.control else data, method, [*before, message])
            assert received not in FAULTS, (method.path, before, message)
            assert (received is StatusCode.INVALID_ARGUMENT) or not malformed, (method.path, received, message)
            statuses[received] += 1
    assert statuses[StatusCode.INVALID_ARGUMENT] > CASES / 10
    assert [record.getMessage() for record in caplog.records if record.levelno > logging.INFO] == []
    assert "Traceback" not in caplog.text
