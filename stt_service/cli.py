"""stt-server: serve, check, download, evaluate. Parses, calls, prints; errors become a line and an exit code here."""

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
from stt_service.access.credentials import accesses, add_token
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
NO_TERMINAL_COLUMNS = 120  # of what is piped


@click.group(invoke_without_command=True, epilog="Settings come from the environment and .env: see CONFIGURATION.md.")
@click.version_option(package_name="realtime-stt-grpc")
@click.pass_context
def main(context: click.Context) -> None:
    """Serve speech-to-text over gRPC, until SIGTERM or Ctrl-C: then what is owed is sent first.

    A second SIGTERM or Ctrl-C ends it at once, as does the first one before it serves.
    """
    if context.invoked_subcommand is None:
        _run(lambda parameters: asyncio.run(_serve(parameters)))


@main.command()
@click.option("--cuda", is_flag=True, help="Print the CUDA devices as JSON; load no model.")
def check(cuda: bool) -> None:
    """Print what a start would print, and stop: devices, models, self-test."""
    if cuda:
        status = detect_cuda()
        click.echo(json.dumps({"devices": status.count, "missing": status.missing}))
        return
    _run(lambda parameters: asyncio.run(_check(parameters)))


@main.command("download")
@click.argument("model")
def download_command(model: str) -> None:
    """Fetch the weights of MODEL, a name as in WHISPER_MODEL; print the folder they lie in."""
    _run(lambda parameters: click.echo(asyncio.run(_download(model, models_folder(parameters.models_dir)))))


@main.command("token")
@click.argument("name")
@click.option(
    "--add", "file", type=click.Path(dir_okay=False, path_type=Path), help="Add it there, instead of telling the line."
)
def token_command(name: str, file: Path | None) -> None:
    """Make a token for NAME: it goes to stdout, once; the file of tokens keeps its hash, and nobody keeps the token.

    \b
      stt-server token ann --add /etc/stt/tokens        then: AUTH_TOKENS_FILE=/etc/stt/tokens
    """
    try:
        token = tokens.new_token()
        line = tokens.line(name, token)
        if file is None:
            click.echo(f"For the file of AUTH_TOKENS_FILE or CONTROL_TOKENS_FILE:\n{line}", err=True)
        else:
            add_token(file, line)
    except SttError as error:
        raise click.ClickException(str(error)) from error
    click.echo(token)


@main.command("evaluate")
@click.argument("audio", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--setting",
    "asked",
    multiple=True,
    metavar="NAME=VALUE,VALUE",
    help="Values to try; for several, all combinations.",
)
@click.option("--language", metavar="CODE", help="As LANGUAGE, for this run.")
@click.option("--json", "as_json", is_flag=True, help="A line of JSON for each row.")
def evaluate_command(audio: tuple[Path, ...], asked: tuple[str, ...], language: str | None, as_json: bool) -> None:
    """Tell what settings give and cost, from your own recordings.

    AUDIO is played at the pace of speech, on a clock that is only counted, to a stream with the real models.
    Without --setting the settings as they are come first, then those most worth comparing with them.

    \b
      stt-server evaluate talk.wav memo.mp3 --language en
      stt-server evaluate talk.wav --setting BEAM_SIZE=1,5 --setting ENCODER_CONTEXT=short,full

    \b
    word error rate   against talk.txt beside talk.wav; without it, what differs from an offline
                      transcript by the same weights
    first text        from the onset of an utterance until something is shown
    word lag          from a word's end until it is shown and stays
    final             after the end of speech, and after the endpoint: p50 / p95
    compute           seconds of decoding for a second of sound, one stream

    Times are those of a machine like this with nothing else to do: a decode takes its CPU time, shared by the
    threads of a worker. On a GPU they go by the clock, and other work makes them longer.
    """
    from stt_service.evaluation import report as evaluation_report
    from stt_service.evaluation import runner

    def run(parameters: ServerSettings) -> None:
        own = [("LANGUAGE", language)] if language else []
        report = runner.evaluate(with_changes(parameters, own), audio, asked, lambda line: logs.log_banner([line]))
        width = get_terminal_size((NO_TERMINAL_COLUMNS, 0)).columns
        lines = evaluation_report.json_lines(report) if as_json else evaluation_report.render_table(report, width)
        click.echo("\n".join(lines))

    _run(run)


def _run(action: Callable[[ServerSettings], object]) -> None:
    """Do it with the settings; what fails for a known reason is one line and exit code 1."""
    code = 0
    try:
        loaded = environment.load(os.environ, Path(".env"))
        logs.configure(loaded.settings.log_level, loaded.settings.log_format)
        logs.log_banner(f"WARNING: {warning}" for warning in loaded.warnings)
        action(loaded.settings)
    except _Interrupted as error:
        logs.BANNER.error("%s", error)
        code = signals.exit_code(error.number)
    except SttError as error:
        raise _Failed(logs.escape_controls(str(error))) from error
    logs.flush()
    if code or background.has_abandoned_threads():
        logging.shutdown()
        sys.stdout.flush()
        os._exit(code)


class _Failed(click.ClickException):
    """Is told in the log's format; as a line of text before the settings are known."""

    def show(self, file: IO[str] | None = None) -> None:
        logs.BANNER.error("Error: %s", self.message)
        logs.flush()


async def _download(model: str, models_dir: Path) -> Path:
    return await _Stopped().before(fetch_weights(model, models_dir))


async def _check(parameters: ServerSettings) -> None:
    stopped = _Stopped()
    prepared = await stopped.before(_prepare(lambda: parameters, accesses(parameters).warnings))
    logs.log_banner(_self_tested(prepared, parameters))


async def _serve(parameters: ServerSettings) -> None:
    """Listen at once, serve when the models are loaded and tried, stop when told to."""
    connection_limit.raise_limit()
    stopped = _Stopped()
    allowed = accesses(parameters)
    known = (*allowed.warnings, *connection_limit.warnings(connection_limit.limit()))
    server = Server(parameters, allowed)
    await server.start()
    try:
        prepared = await stopped.before(_prepare(server.settings, known))
        serving = asyncio.create_task(server.serve(prepared))
        logs.log_banner(_self_tested(prepared, parameters))
        logs.log_banner(_addresses(server))
        await asyncio.wait([serving, asyncio.create_task(stopped.wait())], return_when=asyncio.FIRST_COMPLETED)
    finally:
        await server.drain()
    if not serving.done():
        serving.cancel()
    await asyncio.gather(serving, return_exceptions=not serving.done())


class _Stopped:
    """The first SIGTERM or Ctrl-C; a second one ends the process at once."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._number: asyncio.Future[int] = self._loop.create_future()
        for number in signals.STOP_SIGNALS:
            self._loop.add_signal_handler(number, self._stop, number)

    async def wait(self) -> None:
        await self._number

    async def before(self, work: Coroutine[None, None, T]) -> T:
        """Return what the work returns.

        Raises:
                _Interrupted: by a signal; the work is cancelled.
        """
        working = asyncio.create_task(work)
        self._number.add_done_callback(lambda _: working.cancel())
        try:
            return await working
        except asyncio.CancelledError:
            if self._number.done():
                raise _Interrupted(self._number.result()) from None
            raise

    def _stop(self, number: int) -> None:
        self._number.set_result(number)
        for other in signals.STOP_SIGNALS:
            self._loop.add_signal_handler(other, os._exit, signals.exit_code(other))


class _Interrupted(SttError):
    """A signal came before the work was done."""

    def __init__(self, number: int) -> None:
        super().__init__(signals.sentence(number, " before it was done"))
        self.number = number


def _addresses(server: Server) -> list[str]:
    return [
        f"Control on {server.control.address}",
        f"Metrics on {server.http.address}",
        f"Listening on {server.data.address}",
    ]


async def _prepare(settings: Callable[[], ServerSettings], warnings: Sequence[str]) -> LoadedServer:
    """Print the banner, load the models, try them. A cancellation leaves a thread that loads behind."""
    parameters = settings()
    device, cuda = await background.in_thread(partial(choose_device, parameters))
    named = model_names(parameters, device)
    plan = compute_plan(device, named, usable_cores())
    logs.log_banner(banner.configuration(parameters, device, cuda, named, plan, warnings))
    logs.log_banner(banner.fallback(device))

    def loading(name: str) -> None:
        logs.log_banner([f"Loading {name} on {device.active} ..."])

    models_dir = models_folder(parameters.models_dir)
    await _fetch(parameters, named, models_dir)
    load_one = partial(load_model, fetch=False)
    models = await background.in_thread(partial(load_models, parameters, device, plan, loading, load_one=load_one))
    logs.log_banner([*banner.loaded(device, models), *banner.memory(cuda)])
    test = await background.in_thread(partial(self_test, models, parameters, device))
    loader = TrialLoader(models_dir, placement(parameters, device, plan), loading)
    return assemble(device, models, test, loader, settings)


async def _fetch(parameters: ServerSettings, named: ModelNames, models_dir: Path) -> None:
    """Fetch the models that are not there. Without REALTIME_MODEL=auto's own, `load` takes another one."""
    await fetch_weights(named.finals, models_dir)
    try:
        await fetch_weights(named.partials, models_dir)
    except StartupError as error:
        if parameters.realtime_model != AUTO:
            raise
        logs.log_banner([f"WARNING: {error}"])


def _self_tested(prepared: LoadedServer, parameters: ServerSettings) -> Iterable[str]:
    return banner.self_tested(
        prepared.test, prepared.registry.names, prepared.estimated_capacity, prepared.max_streams(parameters)
    )
