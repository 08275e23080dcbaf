"""The operator commands of stt-cli against a complete server."""

from __future__ import annotations

import json
import signal
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from grpc import StatusCode
from stt.v1 import stt_pb2

from stt_service.access.tokens import line, new_token
from tests.support.clients.cli_process import Outcome, outcome, start
from tests.support.clients.wire_client import Call, Request, connected
from tests.support.models.beam_recording_engine import BeamRecordingEngine
from tests.support.servers.in_process_server import running_server

Cli = Callable[..., Coroutine[Any, Any, Outcome]]


@asynccontextmanager
async def operated() -> AsyncIterator[tuple[Cli, Call]]:
    """Yield a function that runs stt-cli against a server, and an open stream of that server."""

    other = BeamRecordingEngine()
    async with (
        running_server(BeamRecordingEngine(), 4, load=lambda _: other) as server,
        connected(server.data.address) as speech,
    ):
        call = Call(speech)
        await call.send(Request(config=stt_pb2.StreamingConfig(client_id="desk")))
        await call.until("started")
        await call.sync()

        async def run(*arguments: str) -> Outcome:
            return await outcome(await start(*arguments, "--control", server.control.address))

        yield run, call


async def test_settings_are_printed_changed_and_rejected() -> None:
    async with operated() as (run, _):
        result = await run("config", "get", "beam_size")
        assert result == Outcome(0, "BEAM_SIZE=5  # 1 to 10; applies to new streams\n", "")
        assert (await run("config", "set", "beam_size=1")).stdout.startswith("BEAM_SIZE=1  #")
        [beams] = json.loads((await run("config", "get", "BEAM_SIZE", "--format", "json")).stdout)
        assert (beams["value"], beams["default_value"], beams["scope"]) == ("1", "5", "SCOPE_NEW_STREAMS")
        rejected = await run("config", "set", "BEAM_SIZE=99")
        assert rejected.code == 1
        assert rejected.stderr.endswith("INVALID_ARGUMENT: Invalid BEAM_SIZE='99': must be at most 10.\n")
        assert (await run("config", "get", "BEAMS")).stderr == "Error: the server has no setting BEAMS.\n"


async def test_session_is_listed_and_terminated() -> None:
    async with operated() as (run, call):
        heading, row = (await run("sessions")).stdout.splitlines()
        session_id = call.responses[0].started.stream_id
        assert heading.split()[:3] == ["ID", "CLIENT", "PEER"]
        assert row.split()[:3] == [session_id, "desk", "127.0.0.1"]
        assert (await run("sessions", "finalize", session_id)).code == 0
        assert (await run("sessions", "terminate", session_id)).stdout.startswith(f"{session_id}: terminating")
        assert (await call.read_to_end()).code is StatusCode.ABORTED
        assert (await run("sessions")).stdout == "No open streams.\n"
        assert "NOT_FOUND" in (await run("sessions", "terminate", session_id)).stderr


async def test_model_is_loaded_awaited_and_unloaded() -> None:
    async with operated() as (run, _):
        loaded = await run("models", "load", "tiny", "--role", "both")
        assert loaded == Outcome(0, "tiny is loaded: new streams use it for finals and partials.\n", "")
        unloaded = await run("models", "unload", "base")
        assert unloaded.stdout == "base is unloading: still used by 1 stream.\n"
        rows = [row.split()[:2] for row in (await run("models")).stdout.splitlines()[1:]]
        assert rows == [["base", "unloading"], ["tiny", "loaded"]]


async def test_drain_is_started_and_canceled() -> None:
    async with operated() as (run, call):
        assert (await run("drain")).stdout == "draining: 1 stream open, new streams are rejected.\n"
        assert (await run("drain", "--cancel")).stdout == "serving: new streams are accepted.\n"
        assert (await call.read_to_end()).code is StatusCode.UNAVAILABLE


async def test_watch_in_a_pipe_prints_one_line_per_snapshot() -> None:
    async with running_server(BeamRecordingEngine(), 4) as server:
        arguments = ("status", "--watch", "--interval", "0.2", "--control", server.control.address)
        process = await start(*arguments)
        assert process.stdout is not None
        for _ in range(2):
            assert b": serving, 0 of 4 streams" in await process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert (await outcome(process)).code == 0


async def test_watch_of_an_unreachable_server_is_an_error() -> None:
    result = await outcome(await start("status", "--watch", "--control", "localhost:1"))
    assert result == Outcome(3, "", "Error: cannot reach localhost:1: is stt-server running?\n")


async def test_control_address_defaults_to_the_host_of_the_server() -> None:
    result = await outcome(await start("drain", more={"SERVER_HOST": "nowhere.invalid:9"}))
    assert result.stderr.startswith("Error: cannot reach nowhere.invalid:8011: there is no host of that name")


async def test_option_before_a_subcommand_is_not_ignored_silently() -> None:
    result = await outcome(await start("sessions", "--control", "gpu-box", "terminate", "4f1c22ab"))
    assert result.code == 2
    assert result.stderr.endswith("Error: Options must come after terminate.\n")


async def test_control_token_has_its_own_variable(tmp_path: Path) -> None:
    token = new_token()
    (tmp_path / "operators").write_text(line("root", token))
    async with running_server(
        BeamRecordingEngine(), 4, more={"control_tokens_file": str(tmp_path / "operators")}
    ) as server:
        arguments = ("sessions", "--control", server.control.address)
        rejected = await outcome(await start(*arguments, STT_TOKEN=token))
        assert "UNAUTHENTICATED" in rejected.stderr
        result = await outcome(await start(*arguments, STT_CONTROL_TOKEN=token))
        assert result == Outcome(0, "No open streams.\n", "")
