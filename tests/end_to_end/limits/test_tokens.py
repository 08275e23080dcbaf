"""Ports that require tokens: admitted clients, and the single message for all others."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import grpc
import grpc.aio
import pytest
import pytest_asyncio
from grpc import StatusCode
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from stt.v1 import control_pb2, stt_pb2

from stt_service.access.tokens import line, new_token
from stt_service.rpc.auth_interceptor import REJECTION
from stt_service.server import Server
from tests.support.clients.control_client import operator, rejection
from tests.support.clients.wire_client import Call, StreamResult, audio, config, connected
from tests.support.servers.in_process_server import BlockingServerEngine, running_server

ANN, OPERATOR = new_token(), new_token()
REJECTED = (StatusCode.UNAUTHENTICATED, REJECTION)


@dataclass(frozen=True)
class ServerWithTokens:
    """A server whose ports require tokens, and its token files."""

    server: Server
    clients: Path
    later_s: list[float]  # the clock of the server is ahead by the last item


@pytest_asyncio.fixture
async def server_with_tokens(tmp_path: Path) -> AsyncIterator[ServerWithTokens]:
    clients, operators = tmp_path / "clients", tmp_path / "operators"
    clients.write_text(line("ann", ANN))
    operators.write_text(line("root", OPERATOR))
    files = {"auth_tokens_file": str(clients), "control_tokens_file": str(operators)}
    later_s, more = [0.0], {"max_streams_per_peer": 2, **files}
    async with running_server(BlockingServerEngine(), 4, more=more, now=lambda: time.time() + later_s[-1]) as server:
        yield ServerWithTokens(server, clients, later_s)


def bearer(token: str | None) -> tuple[tuple[str, str], ...]:
    return () if token is None else (("authorization", f"Bearer {token}"),)


async def stream(server: Server, token: str | None, *more: stt_pb2.StreamingRecognizeRequest) -> StreamResult:
    async with connected(server.data.address) as stub:
        call = Call(stub, bearer(token))
        await call.send(config(), *more)
        return await call.end()


async def control(server: Server, token: str | None) -> tuple[StatusCode, str]:
    async with operator(server.control.address) as stub:
        return await rejection(stub.GetStatus(control_pb2.GetStatusRequest(), metadata=bearer(token)))


async def test_client_with_a_token_of_the_port_is_served(server_with_tokens: ServerWithTokens) -> None:
    assert (await stream(server_with_tokens.server, ANN)).code is StatusCode.OK
    async with operator(server_with_tokens.server.control.address) as stub:
        answer = await stub.GetStatus(control_pb2.GetStatusRequest(), metadata=bearer(OPERATOR))
    assert answer.status.state == control_pb2.STATE_SERVING


@pytest.mark.parametrize(
    "token", [None, "", "wrong", OPERATOR, ANN[:-1]], ids=["none", "empty", "wrong", "operators", "part"]
)
async def test_data_port_answers_every_invalid_token_with_the_same_message(
    server_with_tokens: ServerWithTokens, token: str | None
) -> None:
    result = await stream(server_with_tokens.server, token)
    assert (result.code, result.failure_message()) == REJECTED
    assert result.kinds == ["failure"]
    async with connected(server_with_tokens.server.data.address) as stub:
        assert await rejection(stub.Recognize(stt_pb2.RecognizeRequest(), metadata=bearer(token))) == REJECTED


@pytest.mark.parametrize("token", [None, "wrong", ANN], ids=["none", "wrong", "of the data port"])
async def test_control_port_answers_every_invalid_token_with_the_same_message(
    server_with_tokens: ServerWithTokens, token: str | None
) -> None:
    assert await control(server_with_tokens.server, token) == REJECTED


async def test_client_that_keeps_writing_receives_the_rejection(server_with_tokens: ServerWithTokens) -> None:
    async with connected(server_with_tokens.server.data.address) as stub:
        call = Call(stub, bearer("wrong"))
        await call.send(*[config(), *[audio(bytes(3200))] * 500])
        assert (await call.until("failure")).failure.message == REJECTION


async def test_methods_are_not_disclosed_without_a_token(server_with_tokens: ServerWithTokens) -> None:
    async with grpc.aio.insecure_channel(server_with_tokens.server.data.address) as channel:
        no_such_call: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(
            "/stt.v1.SpeechToText/NoSuchCall", bytes, bytes
        )
        assert await rejection(no_such_call(b"")) == REJECTED
        assert await rejection(services(channel, None)) == REJECTED
        assert len(await services(channel, ANN)) == 3


async def services(channel: grpc.aio.Channel, token: str | None) -> list[str]:
    question = reflection_pb2.ServerReflectionRequest(list_services="*")
    method = reflection_pb2_grpc.ServerReflectionStub(channel).ServerReflectionInfo
    call = method(iter([question]), metadata=bearer(token))
    return [service.name async for answer in call for service in answer.list_services_response.service]


async def test_health_check_needs_no_token_and_health_watch_needs_one(server_with_tokens: ServerWithTokens) -> None:
    async with grpc.aio.insecure_channel(server_with_tokens.server.data.address) as channel:
        health = health_pb2_grpc.HealthStub(channel)
        answer = await health.Check(health_pb2.HealthCheckRequest())
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
        assert await rejection(anext(aiter(health.Watch(health_pb2.HealthCheckRequest())))) == REJECTED


async def test_token_is_valid_exactly_while_its_line_is_in_the_file(server_with_tokens: ServerWithTokens) -> None:
    bob = new_token()
    assert (await stream(server_with_tokens.server, bob)).code is StatusCode.UNAUTHENTICATED
    server_with_tokens.clients.write_text(line("bob", bob) + "\n")
    assert (await stream(server_with_tokens.server, bob)).code is StatusCode.OK
    server_with_tokens.later_s.append(60.0)
    assert (await stream(server_with_tokens.server, ANN)).code is StatusCode.UNAUTHENTICATED


async def test_invalid_token_file_keeps_the_previous_tokens(
    server_with_tokens: ServerWithTokens, caplog: pytest.LogCaptureFixture
) -> None:
    server_with_tokens.later_s.append(60.0)
    server_with_tokens.clients.write_text(f"ann {ANN}\n")
    for _ in range(2):
        assert (await stream(server_with_tokens.server, ANN)).code is StatusCode.OK
    (expected,) = [message for message in caplog.messages if "AUTH_TOKENS_FILE" in message]
    assert "line 1 must be NAME sha256:HASH" in expected
    assert "file reload failed, previous content stays in use" in expected


async def test_token_holder_has_no_more_streams_than_its_quota(server_with_tokens: ServerWithTokens) -> None:
    async with connected(server_with_tokens.server.data.address) as stub:
        calls = [Call(stub, bearer(ANN)) for _ in range(2)]
        for call in calls:
            await call.send(config())
            await call.until("started")
        result = await stream(server_with_tokens.server, ANN)
        assert result.code is StatusCode.RESOURCE_EXHAUSTED
        assert result.failure_message() == "Stream limit exceeded: at most 2 streams per client; close one first."
        await asyncio.gather(*[call.end() for call in calls])


async def test_operator_sees_the_token_holder_of_each_stream(server_with_tokens: ServerWithTokens) -> None:
    async with (
        connected(server_with_tokens.server.data.address) as stub,
        operator(server_with_tokens.server.control.address) as control,
    ):
        call = Call(stub, bearer(ANN))
        await call.send(config())
        await call.until("started")
        listed = await control.ListSessions(control_pb2.ListSessionsRequest(), metadata=bearer(OPERATOR))
        assert [session.peer for session in listed.sessions] == ["ann"]
        await call.end()


async def test_log_reports_each_rejection_once_and_contains_no_token(
    server_with_tokens: ServerWithTokens, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    for token in (ANN, "stt_very-secret-guess", OPERATOR):
        for _ in range(5):
            await stream(server_with_tokens.server, token)
    expected = [message for message in caplog.messages if "without a valid token" in message]
    assert expected == ["calls without a valid token port=DATA_PORT count=1 last_peer=127.0.0.1"]
    for secret in (ANN, OPERATOR, "very-secret-guess"):
        assert secret not in caplog.text
