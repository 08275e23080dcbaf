"""stt-server: serve, check, download. Parses, calls, prints; errors become a line and an exit code here."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Callable, Iterable
from pathlib import Path

import click

from stt_service import config, diagnostics
from stt_service.devices import choose
from stt_service.errors import StartFailed
from stt_service.models import Models, SelfTest, load, names, self_test
from stt_service.parameters import Parameters
from stt_service.server import Server
from stt_service.weights import download, models_folder

AT_LEAST_STREAMS = 4  # admitted although they may lag: the self-test may have met a busy moment


@click.group(invoke_without_command=True, epilog="Settings come from the environment and .env: see CONFIGURATION.md.")
@click.version_option(package_name="realtime-stt-grpc")
@click.pass_context
def main(context: click.Context) -> None:
    """Serve speech-to-text over gRPC, until SIGTERM or Ctrl-C: then what is owed is sent first."""
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


def _run(action: Callable[[Parameters], None]) -> None:
    """Do it with the settings; a start that fails is one line and exit code 1."""
    try:
        loaded = config.load(os.environ, Path(".env"))
        _say(f"WARNING: {warning}" for warning in loaded.warnings)
        logging.basicConfig(
            level=loaded.parameters.log_level.upper(),
            format="%(asctime)s %(levelname)s %(name)s: %(message)s",
        )
        action(loaded.parameters)
    except StartFailed as error:
        raise click.ClickException(str(error)) from error


def _check(parameters: Parameters) -> None:
    models, test = _prepare(parameters)
    _say(diagnostics.self_tested(test, models.names, _max_streams(parameters, test)))


async def _serve(parameters: Parameters) -> None:
    """Listen at once, serve when the models are loaded and tried, stop when told to."""
    server = Server(parameters)
    await server.start()
    try:
        models, test = await asyncio.to_thread(_prepare, parameters)
        max_streams = _max_streams(parameters, test)
        stopped = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stopped.set)
        serving = asyncio.create_task(server.serve(models, max_streams))
        _say(diagnostics.self_tested(test, models.names, max_streams))
        _say([f"Listening on {parameters.server_bind}:{server.port}"])
        await asyncio.wait([serving, asyncio.create_task(stopped.wait())], return_when=asyncio.FIRST_COMPLETED)
    finally:
        await server.drain()
    if not serving.done():
        serving.cancel()
    await asyncio.gather(serving, return_exceptions=not serving.done())


def _prepare(parameters: Parameters) -> tuple[Models, SelfTest]:
    """Print the banner, load the models, try them. Blocks."""
    device, cuda = choose(parameters)
    _say(diagnostics.configuration(parameters, device, cuda, names(parameters, device)))
    _say(diagnostics.fallback(device))
    models = load(parameters, device, lambda name: _say([f"Loading {name} on {device.actual} ..."]))
    _say([diagnostics.loaded(device), *diagnostics.memory(cuda)])
    return models, self_test(models, parameters)


def _max_streams(parameters: Parameters, test: SelfTest) -> int:
    asked = parameters.max_streams
    return max(AT_LEAST_STREAMS, test.streams) if asked == "auto" else asked


def _say(lines: Iterable[str]) -> None:
    for line in lines:
        click.echo(line, err=True)
