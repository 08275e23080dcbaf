"""A server that sends arbitrary messages: clients continue or report an error, and print no control characters.

HOSTILE_CASES is the number of cases per test: 20,000 for a long run.
"""

from __future__ import annotations

import asyncio
import io
import os
import random
import re
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, contextmanager

import grpc
import grpc.aio
import pytest
from google.protobuf.message import Message
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2
from rich.console import Console
from stt.v1 import control_pb2, stt_pb2

from stt_cli.arguments.request import OutputOptions
from stt_cli.control import operations, tables
from stt_cli.control.dashboard import dashboard, disconnected, status_text
from stt_cli.control.tables import align_columns
from stt_cli.output.event_writer import EventWriter
from stt_cli.output.live_line import LiveScreen
from stt_cli.output.screen import PlainScreen, Screen
from stt_client.client import recognize
from stt_client.errors import ServiceError
from stt_client.events import AudioFormat, Event, StreamOptions
from stt_client.recovery.retry import RetryPolicy
from stt_tui.dictated_text import Dictation
from stt_tui.document import Document
from stt_tui.status import Status, status_line
from stt_tui.transcript_presenter import TranscriptPresenter
from tests.support.clients.cli_process import outcome, start
from tests.support.clients.random_messages import HOSTILE, TEXTS, hostile

CASES = int(os.environ.get("HOSTILE_CASES", "300"))
NO_RETRIES = RetryPolicy(connect_s=0, reconnect_s=0, finish_s=0)
# Control sequences of the clients: carriage return, color, erase line, cursor up, hide cursor.
CLIENT_SEQUENCES = re.compile(r"\x1b\[(?:[\d;]*m|2K|\d*A|\?25[lh])|\r")
EXECUTED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u2028\u2029]")
STATUSES = [status for status in grpc.StatusCode if status is not grpc.StatusCode.OK]
RESPONSES = {
    name: getattr(control_pb2, f"{name}Response")
    for name in (
        *("GetConfig", "UpdateConfig", "ListModels", "LoadModel", "UnloadModel", "ListSessions"),
        *("FinalizeSession", "TerminateSession", "Drain", "CancelDrain", "WatchStatus"),
    )
}
COMMANDS = (
    *("config get", "config get --format json", "config set A=1", "sessions", "sessions --format json", "models"),
    *("models --format json", "models load m --role both", "models unload m", "sessions finalize s"),
    *("sessions terminate s", "drain", "drain --cancel", "status --watch", "status --watch --format json", "status"),
    *("status --format json", "doctor"),
)


class HostileServer:
    """Responds to every method with random messages; `rng` is seeded per case."""

    def __init__(self) -> None:
        self.rng = random.Random(0)
        self.address = ""

    def handlers(self) -> list[grpc.GenericRpcHandler[bytes, bytes]]:
        """Return handlers for serialized messages."""
        control = {
            name: grpc.unary_unary_rpc_method_handler(self._respond(kind))
            for name, kind in RESPONSES.items()
            if name != "WatchStatus"
        }
        control["WatchStatus"] = grpc.unary_stream_rpc_method_handler(self._watch)
        methods = {
            "stt.v1.SpeechToText": {"StreamingRecognize": grpc.stream_stream_rpc_method_handler(self._recognize)},
            "stt.v1.Control": control,
            "grpc.health.v1.Health": {
                "Check": grpc.unary_unary_rpc_method_handler(self._respond(health_pb2.HealthCheckResponse))
            },
            "grpc.reflection.v1alpha.ServerReflection": {
                "ServerReflectionInfo": grpc.stream_stream_rpc_method_handler(self._reflect)
            },
        }
        return [grpc.method_handlers_generic_handler(service, calls) for service, calls in methods.items()]

    def _respond(self, kind: type[Message]) -> Callable[[bytes, grpc.ServicerContext], bytes]:
        def respond(_request: bytes, context: grpc.ServicerContext) -> bytes:
            self._may_abort(context, 0.2)
            return self._message(kind)

        return respond

    def _recognize(self, requests: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
        next(requests)
        is_accepted = self.rng.random() < 0.8
        if is_accepted:
            yield stt_pb2.StreamingRecognizeResponse(started=hostile(stt_pb2.Started, self.rng)).SerializeToString()
        for _ in range(self.rng.choice((0, 1, 5, 20))):
            yield self._message(stt_pb2.StreamingRecognizeResponse)
        if is_accepted and self.rng.random() < 0.5:
            for _ in requests:
                pass
        self._may_abort(context, 0.5)

    def _watch(self, _request: bytes, context: grpc.ServicerContext) -> Iterator[bytes]:
        for _ in range(self.rng.choice((0, 1, 3))):
            yield self._message(control_pb2.WatchStatusResponse)
        context.abort(grpc.StatusCode.PERMISSION_DENIED, self.rng.choice(TEXTS))  # clients retry other statuses

    def _reflect(self, _requests: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
        self._may_abort(context, 0.2)
        yield self._message(reflection_pb2.ServerReflectionResponse)

    def _message(self, kind: type[Message]) -> bytes:
        if self.rng.random() < 0.02:
            return self.rng.randbytes(20)
        message = hostile(kind, self.rng)
        if isinstance(message, control_pb2.LoadModelResponse | control_pb2.ListModelsResponse):
            _end_loading(message)
        return message.SerializeToString()

    def _may_abort(self, context: grpc.ServicerContext, probability: float) -> None:
        if self.rng.random() < probability:
            context.abort(self.rng.choice(STATUSES), self.rng.choice(TEXTS)[:5000])


def _end_loading(message: control_pb2.LoadModelResponse | control_pb2.ListModelsResponse) -> None:
    """Replace the state LOADING: clients wait for such a model without limit."""
    models = [message.model] if isinstance(message, control_pb2.LoadModelResponse) else message.models
    for model in models:
        if model.state == control_pb2.MODEL_STATE_LOADING:
            model.state = control_pb2.MODEL_STATE_FAILED


@contextmanager
def hostile_server() -> Iterator[HostileServer]:
    handler = HostileServer()
    server = grpc.server(ThreadPoolExecutor(4), handlers=handler.handlers())
    handler.address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    try:
        yield handler
    finally:
        server.stop(None).wait()


class Reader:
    """All consumers of events: screens, formats, clipboard and editor."""

    def __init__(self) -> None:
        self.output = io.StringIO()
        self._writers = [
            (
                screen,
                EventWriter(OutputOptions(name, None, True, words, True, True), "f", screen, self._write, self._write),
            )
            for name, words in (("text", False), ("text", True), ("json", True), ("srt", False), ("vtt", False))
            for screen in self._screens()[name == "text" and words :][:1]
        ]
        self._document, self._status = Document(), Status()
        self._dictation = Dictation(self._document)
        self._presenter = TranscriptPresenter(self._dictation, self._status, self._write, lambda: None)

    def follow(self, event: Event) -> None:
        for screen, writer in self._writers:
            screen.on_event(event)
            writer.handle_event(event)
        self._presenter.on_event(1, event)
        self._write("".join(part.text for part in status_line(self._status, 80)))
        self._write("".join(preedit.text for preedit in self._dictation.preedits()))

    def fail(self, error: ServiceError) -> None:
        for screen in self._screens():
            screen.warn(f"{error}")
        self._presenter.warn(f"{error}")
        self._write(f"{error} {error.status}")

    def shown(self) -> str:
        self._write(self._document.text())
        return CLIENT_SEQUENCES.sub("", self.output.getvalue())

    def _screens(self) -> list[Screen]:
        console = Console(file=self.output, force_terminal=True, width=60, legacy_windows=False)
        return [PlainScreen(self.output, self.output), LiveScreen(console, self.output)]

    def _write(self, text: str) -> None:
        self.output.write(f"{text}\n")


async def silence() -> AsyncIterator[bytes]:
    yield bytes(3200)


async def test_stream_of_a_hostile_server_succeeds_or_raises_service_error() -> None:
    """The failure message contains the number of the case, which is its seed."""
    outcomes = dict.fromkeys(("success", "error"), 0)
    with hostile_server() as server:
        for case in range(CASES):
            server.rng, reader = random.Random(case), Reader()
            try:
                await follow(server.address, reader)
                outcomes["success"] += 1
            except ServiceError as error:
                outcomes["error"] += 1
                reader.fail(error)
            except Exception as error:
                raise AssertionError(f"case {case}") from error
            assert not EXECUTED.search(reader.shown()), f"case {case}"
    assert min(outcomes.values()) > CASES // 20, outcomes


async def follow(address: str, reader: Reader) -> None:
    options = StreamOptions(AudioFormat(), partials=True, word_times=True)
    async with asyncio.timeout(20), aclosing(recognize(address, silence(), options, NO_RETRIES)) as events:
        async for event in events:
            reader.follow(event)


async def test_command_on_a_hostile_server_succeeds_or_prints_an_error() -> None:
    for case in range(max(1, CASES // 300)):
        await asyncio.gather(*(run_command(command, case) for command in COMMANDS))


async def run_command(command: str, case: int) -> None:
    with hostile_server() as server:
        server.rng = random.Random(case)
        option = "--server" if command.startswith(("status", "doctor")) and "--watch" not in command else "--control"
        done = await outcome(await start(*command.split(), option, server.address))
    context = f"case {case}, {command}: {done!r}"
    assert done.code in (0, 1, 3), context
    assert "Traceback" not in done.stderr, context
    assert not EXECUTED.search(done.stdout + done.stderr), context


def test_tables_and_json_contain_no_control_characters() -> None:
    for case in range(CASES // 5):
        rng = random.Random(case)
        settings = hostile(control_pb2.GetConfigResponse, rng).parameters
        sessions = hostile(control_pb2.ListSessionsResponse, rng).sessions
        models = hostile(control_pb2.ListModelsResponse, rng).models
        for text in (
            operations.to_json_array([*settings, *sessions, *models]),
            *align_columns(tables.session_rows(sessions)),
            *align_columns(tables.model_rows(models)),
            tables.settings_table(settings),
        ):
            assert not EXECUTED.search(text), f"case {case}: {text!r}"


@pytest.mark.parametrize("width", [20, 80, 200])
def test_dashboard_draws_any_status(width: int) -> None:
    for case in range(CASES // 5):
        rng, terminal = random.Random(case), io.StringIO()
        console = Console(file=terminal, force_terminal=True, width=width, legacy_windows=False)
        status = hostile(control_pb2.Status, rng)
        sessions = [hostile(control_pb2.Session, rng) for _ in range(3)]
        console.print(dashboard("gpu-box:8011", status, sessions))
        console.print(disconnected("gpu-box:8011", HOSTILE))
        assert not EXECUTED.search(CLIENT_SEQUENCES.sub("", terminal.getvalue())), f"case {case}"
        assert not EXECUTED.search(status_text("gpu-box:8011", status)), f"case {case}"
