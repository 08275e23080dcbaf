"""Observability of a running server: readiness from start to exit, metrics and log."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from socket import create_server
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

import pytest
import pytest_asyncio
from grpc import StatusCode
from stt.v1 import stt_pb2 as pb

from benchmarks.harness.ports import free_port
from benchmarks.recordings import Recording
from stt_service.telemetry import logs
from tests.support.clients.wire_client import Call, Request, StreamResult, audio, config, connected, send_requests
from tests.support.servers.in_process_server import BlockingServerEngine, running_server
from tests.support.servers.server_process import COMMON, Server, run_server

pytestmark = pytest.mark.model

QUESTION = "en/brooklyn-bridge"
SMALL = {"WHISPER_MODEL": "tiny.en", "REALTIME_MODEL": "tiny.en", "MAX_STREAMS": "1", "LOG_FORMAT": "json"}
LOADING = "The server is still loading its models: try again in a few seconds.\n"
LEAVING = "The server is draining: use another server.\n"
Line = dict[str, Any]


@dataclass(frozen=True, slots=True)
class ServerRun:
    """Observations of a server from its start to its exit."""

    loading: tuple[int, str]
    ready: tuple[int, str]
    draining: tuple[int, str]
    metrics: str  # scraped before the drain
    served: StreamResult
    served_id: str
    lines: list[Line]

    def lines_starting_with(self, word: str) -> list[Line]:
        """Return the log lines whose message starts like this."""
        return [line for line in self.lines if line["message"].startswith(word)]


def readyz(port: int, path: str) -> tuple[int, str]:
    try:
        with urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
            return answer.status, answer.read().decode()
    except HTTPError as failure_message:
        return failure_message.code, failure_message.read().decode()


async def first_readyz(port: int) -> tuple[int, str]:
    """Return the first answer of /readyz."""
    async with asyncio.timeout(30):
        while True:
            try:
                return await asyncio.to_thread(readyz, port, "/readyz")
            except URLError:
                continue


async def changed_readyz(port: int, before: tuple[int, str]) -> tuple[int, str]:
    """Return the next answer of /readyz that differs."""
    async with asyncio.timeout(30):
        while (seen := await asyncio.to_thread(readyz, port, "/readyz")) == before:
            pass
    return seen


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def server_run(recordings: Mapping[str, Recording]) -> AsyncIterator[ServerRun]:
    """A server that serves one stream, rejects a concurrent and an invalid one, and then receives SIGTERM."""
    port, pcm = free_port(), recordings[QUESTION].pcm()
    labelled = Request(config=pb.StreamingConfig(client_id="kitchen", partials=True))
    with Server({**COMMON, **SMALL, "HTTP_PORT": str(port)}) as server:
        loading = await first_readyz(port)
        await asyncio.to_thread(server.wait_until_listening)
        ready = await changed_readyz(port, loading)
        async with connected(server.address) as stub:
            call = Call(stub)
            await call.send(labelled)
            started = (await call.until("started")).started
            await send_requests(stub, config())
            await call.send_audio(pcm)
            served = await call.end()
            await send_requests(stub, Request(config=pb.StreamingConfig(settings=pb.Settings(language="xx"))))
            _, metrics = await asyncio.to_thread(readyz, port, "/metrics")
            last = Call(stub)
            await last.send(labelled, audio(pcm[: len(pcm) // 4 * 2]))
            await last.until("speech_started")
            server.terminate()
            draining = await changed_readyz(port, ready)
            await last.read_to_end()
        await server.wait_for_exit()
    yield ServerRun(
        loading, ready, draining, metrics, served, started.stream_id, [json.loads(line) for line in server.lines]
    )


async def test_server_is_not_ready_while_it_loads_or_drains(server_run: ServerRun) -> None:
    assert server_run.loading == (503, LOADING)
    assert server_run.ready == (200, "ok\n")
    assert server_run.draining == (503, LEAVING)


async def test_metrics_match_the_events_that_the_client_received(server_run: ServerRun) -> None:
    result = server_run.served
    assert result.code is StatusCode.OK
    counted = dict(line.rsplit(" ", 1) for line in server_run.metrics.splitlines() if not line.startswith("#"))
    assert float(counted["stt_streams_opened_total"]) == 1
    assert float(counted['stt_streams_closed_total{outcome="OK"}']) == 1
    assert float(counted["stt_finals_total"]) == len(result.finals)
    assert float(counted["stt_words_total"]) == len(result.text.split())
    unread = float(counted['stt_partials_shed_total{reason="unread"}'])
    assert float(counted["stt_partials_total"]) - unread == len(result.partials)
    assert float(counted['stt_rejected_total{reason="full"}']) == 1
    assert float(counted['stt_rejected_total{reason="request"}']) == 1


async def test_every_log_line_is_a_json_object_including_the_banner(server_run: ServerRun) -> None:
    for line in server_run.lines:
        assert {"time", "level", "logger", "message"} <= line.keys()
    assert server_run.lines_starting_with("STT SERVER CONFIGURATION")
    assert server_run.lines_starting_with("Listening on ")


async def test_log_lines_of_a_stream_carry_its_id_from_first_to_last(server_run: ServerRun) -> None:
    opened, closed = [line for line in server_run.lines if line.get("stream") == server_run.served_id]
    assert (opened["client"], opened["peer"], opened["language"]) == ("kitchen", "127.0.0.1", "en")
    assert closed["message"].startswith(f"stream closed id={server_run.served_id} outcome=OK client=kitchen ")
    assert (closed["outcome"], closed["words"]) == ("OK", len(server_run.served.text.split()))
    assert closed["audio_s"] > 0
    assert closed["max_latency_s"] >= closed["median_latency_s"] > 0


async def test_rejected_stream_has_a_log_line_with_an_id(server_run: ServerRun) -> None:
    refusals = server_run.lines_starting_with("call rejected ")
    assert [line["reason"] for line in refusals] == ["full", "request"]
    assert len({line["stream"] for line in refusals}) == 2


async def test_stream_ended_by_a_drain_is_logged_as_such(server_run: ServerRun) -> None:
    assert server_run.lines_starting_with("stream closed ")[-1]["outcome"] == "UNAVAILABLE"


async def test_recognized_text_is_absent_from_the_log(server_run: ServerRun) -> None:
    assert "brooklyn" not in json.dumps(server_run.lines).lower()


def test_metrics_port_in_use_is_logged_as_a_json_object(tmp_path: Path) -> None:
    with create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        ended = run_server(tmp_path, HTTP_PORT=port, LOG_FORMAT="json", DEVICE="cpu")
    [line] = [json.loads(line) for line in ended.stderr.splitlines()]
    assert ended.returncode == 1
    assert line["level"] == "ERROR"
    assert f"HTTP_PORT={port} at 127.0.0.1: another program" in line["message"]


async def test_failure_is_logged_with_the_id_of_its_stream(
    recordings: Mapping[str, Recording], caplog: pytest.LogCaptureFixture
) -> None:
    held = BlockingServerEngine()
    held.failures["first"] = RuntimeError("CUDA error")
    held.release()
    caplog.handler.addFilter(logs.add_fields)
    async with running_server(held, 1) as server, connected(server.data.address) as stub:
        call = Call(stub)
        await call.send(Request(config=pb.StreamingConfig(settings=pb.Settings(initial_prompt="first"))))
        started = (await call.until("started")).started
        with caplog.at_level(logging.ERROR):
            await call.send_audio(recordings[QUESTION].pcm())
            result = await call.end()
        counted = server.metrics.value
        assert counted("stt_decode_failures_total") >= 1
        assert counted("stt_streams_closed_total", outcome="INTERNAL") == 1
        assert counted("stt_streams") == 0
    caplog.handler.removeFilter(logs.add_fields)
    assert result.code is StatusCode.INTERNAL
    [record] = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert record.__dict__["stream"] == started.stream_id
