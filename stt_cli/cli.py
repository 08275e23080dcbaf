"""The commands: parse, call, print, exit code.

Loads only click and values; `commands.py`, with all that is slow to load, when a command runs.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from itertools import chain
from typing import TYPE_CHECKING

import click

from stt_cli.arguments import Hotwords, RawFormat, ServerAddress
from stt_cli.errors import ClientError, Unreachable
from stt_cli.events import AudioFormat, Settings, StreamOptions

if TYPE_CHECKING:
    from stt_cli.devices import OpenDevice

EPILOG = """\b
Exit codes:
  0    all went well; a microphone was ended by Ctrl-C; nobody reads the output any more
  1    the server refused or failed, or a source cannot be recognised
  2    the command line is wrong
  3    the server cannot be reached
  130  Ctrl-C before the end of a recording (143: SIGTERM); the text owed was printed
"""

server_option = click.option(
    "--server",
    type=ServerAddress(),
    envvar="SERVER_HOST",
    default="localhost:8012",
    show_default=True,
    show_envvar=True,
    help="Where the server is; its port is 8012 if none is given.",
)


class NotReached(click.ClickException):
    exit_code = 3


@contextmanager
def failures() -> Iterator[None]:
    """Turn what goes wrong into a line on stderr and an exit code."""
    try:
        yield
    except Unreachable as error:
        raise NotReached(str(error)) from error
    except ClientError as error:
        raise click.ClickException(str(error)) from error
    except BrokenPipeError:  # as in `stt-cli recognize talk.wav | head -1`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains at exit
        raise click.exceptions.Exit(0)


@click.group(epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
def cli() -> None:
    """Speech to text from the command line."""


@cli.command(epilog=EPILOG)
@click.argument("sources", nargs=-1, metavar="[SOURCE]...", type=click.Path(path_type=str))
@click.option(
    "--format",
    "output_format",
    type=click.Choice(["text", "json", "srt", "vtt"]),
    default="text",
    show_default=True,
    help="json: one object a line, described in docs/recognize.schema.json.",
)
@click.option("-o", "--output", metavar="FILE", help="Write there; to FOLDER/, one file for each source.")
@click.option("--partials/--no-partials", default=None, help="Show what is being said; if not given: on a terminal.")
@click.option("--words", is_flag=True, help="Tell the words' times, in text and json; text: a line a word.")
@click.option("--language", metavar="CODE", help="A Whisper code such as ru, or auto; else the server's.")
@click.option("--prompt", metavar="TEXT", help="Text that steers spelling and style.")
@click.option("--hotwords", type=Hotwords(), multiple=True, help="Words to favour; may be repeated.")
@click.option("--translate", is_flag=True, help="English, whatever the language spoken.")
@click.option("--realtime", is_flag=True, help="Send a recording at the speed of speech.")
@click.option("--raw", type=RawFormat(), help="The sources are headerless: s16le, f32le, mulaw or alaw.")
@click.option(
    "--device",
    metavar="NAME",
    help="A microphone, by part of its name: see `stt-cli devices`; or file:PATH plays a recording.",
)
@server_option
@click.option("-v", "--verbose", is_flag=True, help="Tell the model and what was suppressed.")
@click.pass_obj
def recognize(  # noqa: PLR0913  (click hands over options one by one)
    microphone: OpenDevice | None,
    sources: tuple[str, ...],
    output_format: str,
    output: str | None,
    partials: bool | None,
    words: bool,
    language: str | None,
    prompt: str | None,
    hotwords: tuple[tuple[str, ...], ...],
    translate: bool,
    realtime: bool,
    raw: AudioFormat | None,
    device: str | None,
    server: str,
    verbose: bool,
) -> None:
    """Recognise speech: from the microphone, from files and all files in folders, or from stdin (-).

    The text goes to stdout, a line for each utterance; everything else goes to stderr.
    Ctrl-C ends the recording and prints the text still owed; a second one quits at once.
    """
    from stt_cli import commands
    from stt_cli.recognition import Request

    if raw and not sources:
        raise click.UsageError("--raw is for files and standard input (-), not for the microphone.")
    if device and sources:
        raise click.UsageError("--device is for the microphone, and sources are given.")
    settings = Settings(language, prompt, tuple(chain.from_iterable(hotwords)), translate or None)
    request = Request(server, StreamOptions(settings=settings), output_format, partials, words, verbose)
    with failures():
        code = commands.run_recognize(commands.Audio(sources, raw, realtime, device), request, output, microphone)
    raise click.exceptions.Exit(code)


@cli.command()
def devices() -> None:
    """List the microphones: * default, number, native rate, name."""
    from stt_cli import commands

    with failures():
        click.echo(commands.run_devices())


@cli.command(epilog=EPILOG)
@server_option
def status(server: str) -> None:
    """Tell whether the server serves, what, and how far away it is; exit code 1 when it does not serve."""
    from stt_cli import commands

    with failures():
        answer = commands.run_status(server)
    click.echo(f"{server}: {answer.health.lower().replace('_', ' ')}")
    click.echo(f"services: {', '.join(answer.services) or 'the server does not list them'}")
    click.echo(f"round trip: {answer.round_trip_ms:.1f} ms")
    if answer.health != "SERVING":
        raise click.exceptions.Exit(1)


def main() -> None:
    """Run a command. A terminal that cannot show a character gets a ? instead of a crash."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # it logs to stderr, across the live line
    cli()
