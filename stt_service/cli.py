"""stt-server: the commands serve, check, download, token and evaluate. Maps errors to a line and an exit code."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
from collections.abc import Callable, Coroutine, Iterable, Sequence
from functools import partial
from pathlib import Path
from shutil import get_terminal_size
from typing import IO, TypeVar

import click

from stt_service import signals
from stt_service.access import connection_limit, tokens
from stt_service.access.credentials import add_token, load_credentials
from stt_service.errors import StartupError, SttError
from stt_service.evaluation.settings_grid import with_changes
from stt_service.models import background
from stt_service.models.background import TrialLoader, fetch_weights
from stt_service.models.devices import choose_device, detect_cuda
from stt_service.models.loader import (
    ModelNames,
    compute_plan,
    load_model,
    load_models,
    model_names,
    placement,
    self_test,
    usable_cores,
)
from stt_service.models.startup import LoadedServer, assemble
from stt_service.models.store import models_folder
from stt_service.server import Server
from stt_service.settings import environment
from stt_service.settings.schema import AUTO, ServerSettings
from stt_service.telemetry import banner, logs

T = TypeVar("T")
NO_TERMINAL_COLUMNS = 120  # of output that is not a terminal


@click.group(invoke_without_command=True, epilog="Settings come from the environment and .env: see CONFIGURATION.md.")
@click.version_option(package_name="realtime-stt-grpc")
@click.pass_context
def main(context: click.Context) -> None:
    """Serve speech-to-text over gRPC until SIGTERM or Ctrl-C; pending results are sent before the exit.

    A second SIGTERM or Ctrl-C exits immediately, as does the first one before the server is ready.
    """
    if context.invoked_subcommand is None:
        _run(lambda settings: asyncio.run(_serve(settings)))


@main.command(short_help="Print the startup report and exit.")
@click.option("--cuda", is_flag=True, help="Print the CUDA devices as JSON without loading a model.")
def check(cuda: bool) -> None:
    """Print the startup report (devices, models, self-test) and exit."""
    if cuda:
        status = detect_cuda()
        click.echo(json.dumps({"devices": status.count, "missing": status.missing}))
        return
    _run(lambda settings: asyncio.run(_check(settings)))


@main.command("download", short_help="Download the weights of a model.")
@click.argument("model")
def download_command(model: str) -> None:
    """Download the weights of MODEL, a name as in WHISPER_MODEL, and print their folder."""
    _run(lambda settings: click.echo(asyncio.run(_download(model, models_folder(settings.models_dir)))))


@main.command("token", short_help="Create a token for a client.")
@click.argument("name")
@click.option(
    "--add",
    "file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Add the token to this file instead of printing its line.",
)
def token_command(name: str, file: Path | None) -> None:
    """Create a token for NAME and print it to stdout, once: only its hash is stored in the token file.

    \b
      stt-server token ann --add /etc/stt/tokens        then: AUTH_TOKENS_FILE=/etc/stt/tokens
    """
    try:
        token = tokens.new_token()
        line = tokens.line(name, token)
        if file is None:
            click.echo(f"Add this line to AUTH_TOKENS_FILE or CONTROL_TOKENS_FILE:\n{line}", err=True)
        else:
            add_token(file, line)
    except SttError as error:
        raise click.ClickException(str(error)) from error
    click.echo(token)


@main.command("evaluate", short_help="Measure settings on your own recordings.")
@click.argument("audio", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--setting",
    "changes",
    multiple=True,
    metavar="NAME=VALUE,VALUE",
    help="Values to try; for several, all combinations.",
)
@click.option("--language", metavar="CODE", help="Override LANGUAGE for this run.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per row.")
def evaluate_command(audio: tuple[Path, ...], changes: tuple[str, ...], language: str | None, as_json: bool) -> None:
    """Measure accuracy, latency and cost of settings with your own recordings.

    AUDIO is sent in real time, on a simulated clock, to a stream with the real models.
    Without --setting, the current settings come first, then the alternatives most worth a comparison.

    \b
      stt-server evaluate talk.wav memo.mp3 --language en
      stt-server evaluate talk.wav --setting BEAM_SIZE=1,5 --setting ENCODER_CONTEXT=short,full

    \b
    word error rate   against talk.txt next to talk.wav; without it, the difference from an offline
                      transcript by the same weights
    first text        time from the onset of an utterance to its first partial
    word lag          time from the end of a word until it is shown and no longer changes
    final             time after the end of speech, and after the endpoint: p50 / p95
    compute           real-time factor: seconds of decoding per second of audio, one stream

    Times apply to an otherwise idle machine like this one: a decode takes its CPU time, divided by the
    threads of a worker. On a GPU they are wall-clock times, which other work increases.
    """
    from stt_service.evaluation import report as evaluation_report
    from stt_service.evaluation import runner

    def run(settings: ServerSettings) -> None:
        overrides = [("LANGUAGE", language)] if language else []
        report = runner.evaluate(
            with_changes(settings, overrides), audio, changes, lambda line: logs.log_banner([line])
        )
        width = get_terminal_size((NO_TERMINAL_COLUMNS, 0)).columns
        lines = evaluation_report.json_lines(report) if as_json else evaluation_report.render_table(report, width)
        click.echo("\n".join(lines))

    _run(run)


def _run(action: Callable[[ServerSettings], object]) -> None:
    """Run the action with the settings. An SttError is printed as one line; the exit code is then 1."""
    code = 0
    try:
        loaded = environment.load(os.environ, Path(".env"))
        logs.configure(loaded.settings.log_level, loaded.settings.log_format)
        logs.log_banner(f"WARNING: {warning}" for warning in loaded.warnings)
        action(loaded.settings)
    except _InterruptedError as error:
        logs.BANNER.error("%s", error)
        code = signals.exit_code(error.number)
    except SttError as error:
        raise _CommandError(logs.escape_controls(str(error))) from error
    logs.flush()
    if code or background.has_abandoned_threads():
        logging.shutdown()
        sys.stdout.flush()
        os._exit(code)


class _CommandError(click.ClickException):
    """An error that is printed in the log format, or as plain text if the settings are not loaded yet."""

    def show(self, file: IO[str] | None = None) -> None:
        logs.BANNER.error("Error: %s", self.message)
        logs.flush()


async def _download(model: str, models_dir: Path) -> Path:
    return await _StopSignal().run(fetch_weights(model, models_dir))


async def _check(settings: ServerSettings) -> None:
    stop_signal = _StopSignal()
    loaded_server = await stop_signal.run(_prepare(lambda: settings, load_credentials(settings).warnings))
    logs.log_banner(_self_test_lines(loaded_server, settings))


async def _serve(settings: ServerSettings) -> None:
    """Listen immediately, serve once the models are loaded and tested, and drain on a signal."""
    connection_limit.raise_limit()
    stop_signal = _StopSignal()
    credentials = load_credentials(settings)
    warnings = (*credentials.warnings, *connection_limit.warnings(connection_limit.limit()))
    server = Server(settings, credentials)
    await server.start()
    try:
        loaded_server = await stop_signal.run(_prepare(server.settings, warnings))
        serving = asyncio.create_task(server.serve(loaded_server))
        logs.log_banner(_self_test_lines(loaded_server, settings))
        logs.log_banner(_addresses(server))
        await asyncio.wait([serving, asyncio.create_task(stop_signal.wait())], return_when=asyncio.FIRST_COMPLETED)
    finally:
        await server.drain()
    if not serving.done():
        serving.cancel()
    await asyncio.gather(serving, return_exceptions=not serving.done())


class _StopSignal:
    """Waits for the first SIGTERM or Ctrl-C; a second one exits immediately."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._number: asyncio.Future[int] = self._loop.create_future()
        for number in signals.STOP_SIGNALS:
            self._loop.add_signal_handler(number, self._stop, number)

    async def wait(self) -> None:
        await self._number

    async def run(self, work: Coroutine[None, None, T]) -> T:
        """Return the result of the work.

        Raises:
            _InterruptedError: a signal arrived first; the work is canceled.
        """
        working = asyncio.create_task(work)
        self._number.add_done_callback(lambda _: working.cancel())
        try:
            return await working
        except asyncio.CancelledError:
            if self._number.done():
                raise _InterruptedError(self._number.result()) from None
            raise

    def _stop(self, number: int) -> None:
        self._number.set_result(number)
        for other in signals.STOP_SIGNALS:
            self._loop.add_signal_handler(other, os._exit, signals.exit_code(other))


class _InterruptedError(SttError):
    """A signal arrived before the work was done."""

    def __init__(self, number: int) -> None:
        super().__init__(signals.exit_message(number, " before it was done"))
        self.number = number


def _addresses(server: Server) -> list[str]:
    return [
        f"Control on {server.control.address}",
        f"HTTP on {server.http.address}",
        *([f"Wyoming on {server.wyoming.address}"] if server.wyoming is not None else []),
        *([f"Dictation page: {server.page_url}"] if server.page_url else []),
        f"Listening on {server.data.address}",
    ]


async def _prepare(get_settings: Callable[[], ServerSettings], warnings: Sequence[str]) -> LoadedServer:
    """Print the banner, load the models and run the self-test. A cancellation abandons the loading thread."""
    settings = get_settings()
    device, cuda = await background.in_thread(partial(choose_device, settings))
    names = model_names(settings, device)
    plan = compute_plan(device, names, usable_cores())
    logs.log_banner(banner.configuration(settings, device, cuda, names, plan, warnings))
    logs.log_banner(banner.fallback(device))

    def loading(name: str) -> None:
        logs.log_banner([f"Loading {name} on {device.active} ..."])

    models_dir = models_folder(settings.models_dir)
    await _fetch(settings, names, models_dir)
    load_one = partial(load_model, fetch=False)
    models = await background.in_thread(partial(load_models, settings, device, plan, loading, load_one=load_one))
    logs.log_banner([*banner.loaded(device, models), *banner.memory(cuda)])
    test = await background.in_thread(partial(self_test, models, settings, device))
    loader = TrialLoader(models_dir, placement(settings, device, plan), loading)
    return assemble(device, models, test, loader, get_settings)


async def _fetch(settings: ServerSettings, names: ModelNames, models_dir: Path) -> None:
    """Download missing models. If only the model of REALTIME_MODEL=auto fails, `load_models` uses another one."""
    await fetch_weights(names.finals, models_dir)
    try:
        await fetch_weights(names.partials, models_dir)
    except StartupError as error:
        if settings.realtime_model != AUTO:
            raise
        logs.log_banner([f"WARNING: {error}"])


def _self_test_lines(loaded_server: LoadedServer, settings: ServerSettings) -> Iterable[str]:
    return banner.self_test_result(
        loaded_server.test,
        loaded_server.registry.names,
        loaded_server.estimated_capacity,
        loaded_server.max_streams(settings),
    )
