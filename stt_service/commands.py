"""stt-server: serve, check, download, evaluate. Parses, calls, prints; errors become a line and an exit code here."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from shutil import get_terminal_size
from typing import IO

import click

from stt_service import config, diagnostics, logs, open_files, tokens
from stt_service.access import accesses, append_private
from stt_service.devices import choose
from stt_service.errors import SttError
from stt_service.evaluation_trials import changed
from stt_service.models import compute_plan, load, load_model, names, place, self_test, usable_cores
from stt_service.parameters import Parameters
from stt_service.prepared import Prepared
from stt_service.server import Server
from stt_service.weights import download, models_folder

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)
NO_TERMINAL_COLUMNS = 120  # of what is piped


@click.group(invoke_without_command=True, epilog="Settings come from the environment and .env: see CONFIGURATION.md.")
@click.version_option(package_name="realtime-stt-grpc")
@click.pass_context
def main(context: click.Context) -> None:
    """Serve speech-to-text over gRPC, until SIGTERM or Ctrl-C: then what is owed is sent first.

    A second SIGTERM or Ctrl-C ends it at once.
    """
    if context.invoked_subcommand is None:
        _run(lambda parameters: asyncio.run(_serve(parameters)))


@main.command()
def check() -> None:
    """Print what a start would print, and stop: devices, models, self-test."""
    _run(_check)


@main.command("download")
@click.argument("model")
def download_command(model: str) -> None:
    """Fetch the weights of MODEL, a name as in WHISPER_MODEL; print the folder they lie in."""
    _run(lambda parameters: click.echo(download(model, models_folder(parameters.models_dir))))


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
            append_private(file, f"{line}\n")
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
      stt-server evaluate talk.wav --setting BEAM_SIZE=1,5 --setting ENCODER_CONTEXT=tailed,full

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
    from stt_service import evaluation, evaluation_report  # what they need, a server does without

    def run(parameters: Parameters) -> None:
        own = [("LANGUAGE", language)] if language else []
        report = evaluation.evaluate(changed(parameters, own), audio, asked, lambda line: logs.say([line]))
        width = get_terminal_size((NO_TERMINAL_COLUMNS, 0)).columns
        lines = evaluation_report.json_lines(report) if as_json else evaluation_report.drawn(report, width)
        click.echo("\n".join(lines))

    _run(run)


def _run(action: Callable[[Parameters], None]) -> None:
    """Do it with the settings; what fails for a known reason is one line and exit code 1."""
    try:
        loaded = config.load(os.environ, Path(".env"))
        logs.configure(loaded.parameters.log_level, loaded.parameters.log_format)
        logs.say(f"WARNING: {warning}" for warning in loaded.warnings)
        action(loaded.parameters)
    except SttError as error:
        raise _Failed(str(error)) from error


class _Failed(click.ClickException):
    """Is told in the log's format; as a line of text before the settings are known."""

    def show(self, file: IO[str] | None = None) -> None:
        logs.BANNER.error("Error: %s", self.message)


def _check(parameters: Parameters) -> None:
    logs.say(_self_tested(_prepare(parameters, accesses(parameters).warnings), parameters))


async def _serve(parameters: Parameters) -> None:
    """Listen at once, serve when the models are loaded and tried, stop when told to."""
    open_files.raise_limit()
    allowed = accesses(parameters)
    known = (*allowed.warnings, *open_files.warnings(open_files.limit()))
    server = Server(parameters, allowed)
    await server.start()
    try:
        prepared = await asyncio.to_thread(_prepare, parameters, known)
        stopped = _signalled()
        serving = asyncio.create_task(server.serve(prepared))
        logs.say(_self_tested(prepared, parameters))
        logs.say(_addresses(server))
        await asyncio.wait([serving, asyncio.create_task(stopped.wait())], return_when=asyncio.FIRST_COMPLETED)
    finally:
        await server.drain()
    if not serving.done():
        serving.cancel()
    await asyncio.gather(serving, return_exceptions=not serving.done())


def _signalled() -> asyncio.Event:
    """Return what the first SIGTERM or Ctrl-C sets; a second one ends the process at once."""
    loop, stopped = asyncio.get_running_loop(), asyncio.Event()

    def stop() -> None:
        stopped.set()
        for number in STOP_SIGNALS:
            loop.add_signal_handler(number, os._exit, 128 + number)  # as a shell tells of who died by a signal

    for number in STOP_SIGNALS:
        loop.add_signal_handler(number, stop)
    return stopped


def _addresses(server: Server) -> list[str]:
    return [
        f"Control on {server.control.address}",
        f"Metrics on {server.watch.address}",
        f"Listening on {server.data.address}",
    ]


def _prepare(parameters: Parameters, warnings: Sequence[str]) -> Prepared:
    """Print the banner, load the models, try them. Blocks."""
    device, cuda = choose(parameters)
    named = names(parameters, device)
    plan = compute_plan(device, named, usable_cores())
    logs.say(diagnostics.configuration(parameters, device, cuda, named, plan, warnings))
    logs.say(diagnostics.fallback(device))

    def loading(name: str) -> None:
        logs.say([f"Loading {name} on {device.actual} ..."])

    models = load(parameters, device, plan, loading)
    logs.say([*diagnostics.loaded(device, models), *diagnostics.memory(cuda)])
    where = place(parameters, device, plan)
    test = self_test(models, parameters, device)
    return Prepared(device, models, test, lambda name: load_model(parameters, name, where, loading))


def _self_tested(prepared: Prepared, parameters: Parameters) -> Iterable[str]:
    return diagnostics.self_tested(
        prepared.test, prepared.models.names, prepared.carried, prepared.admitted(parameters)
    )
