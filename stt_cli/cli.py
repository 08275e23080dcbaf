"""The commands: parse, call, print, exit code.

Loads only click and values; `commands.py`, with all that is slow to load, when a command runs.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from typing import TYPE_CHECKING

import click

from stt_cli.errors import ClientError, Unreachable
from stt_cli.events import Settings
from stt_cli.options import server_options, source_options, speech_options, writing_options
from stt_cli.request import Audio, Request, Writing
from stt_cli.target import Target

if TYPE_CHECKING:
    from stt_cli.devices import OpenDevice

EXIT_CODES = """\b
Exit codes:
  0    all went well; a microphone was ended by Ctrl-C; nobody reads the output any more
  1    the server refused or failed, or a source cannot be recognised
  2    the command line is wrong
  3    the server cannot be reached
  130  Ctrl-C before the end of a recording (143: SIGTERM); the text owed was printed
"""
RECOGNIZE_EXAMPLES = """\b
Examples:
  stt-cli recognize                              dictate; Ctrl-C ends
  stt-cli recognize --copy --until-silence 5     one thought, on the clipboard
  stt-cli recognize --journal ~/dictations       keep what is said, whatever happens
  stt-cli recognize talk.mp3 > talk.txt
  stt-cli recognize film.mp4 --format srt -o film.srt
  stt-cli recognize recordings/ --jobs 4 --format json -o texts/
  arecord -f S16_LE -r 16000 | stt-cli recognize --raw 16000 -
"""


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


@click.group(epilog=EXIT_CODES, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="realtime-stt-grpc", message="%(version)s")
def cli() -> None:
    """Speech to text from the command line."""


@cli.command(epilog=f"{RECOGNIZE_EXAMPLES}\n{EXIT_CODES}")
@click.argument("sources", nargs=-1, metavar="[SOURCE]...", type=click.Path(path_type=str))
@source_options
@writing_options
@speech_options
@server_options
@click.pass_obj
def recognize(
    microphone: OpenDevice | None, audio: Audio, writing: Writing, settings: Settings, target: Target
) -> None:
    """Recognise speech: from the microphone, from files and all files in folders, or from stdin (-).

    The text goes to stdout, a line for each utterance; everything else goes to stderr.
    Ctrl-C ends the recording and prints the text still owed; a second one quits at once.
    """
    from stt_cli import commands

    with failures():
        code = commands.run_recognize(Request(audio, settings, writing, target), microphone)
    raise click.exceptions.Exit(code)


@cli.command(epilog=EXIT_CODES)
@click.argument("file", type=click.Path(exists=True, path_type=str))
@writing_options
@speech_options
@server_options
def retry(file: str, writing: Writing, settings: Settings, target: Target) -> None:
    """Recognise a journal again: FILE, or the newest one if it is a folder.

    The options that it was recorded with hold, unless others are given.
    """
    from stt_cli import commands

    with failures():
        code = commands.run_retry(Request(Audio((file,)), settings, writing, target))
    raise click.exceptions.Exit(code)


@cli.command()
def devices() -> None:
    """List the microphones: * default, number, native rate, name."""
    from stt_cli import commands

    with failures():
        click.echo(commands.run_devices())


@cli.command(epilog=EXIT_CODES)
@server_options
def status(target: Target) -> None:
    """Tell whether the server serves, what, and how far away it is; exit code 1 when it does not serve."""
    from stt_cli import commands

    with failures():
        answer = commands.run_status(target)
    click.echo(f"{target.addresses[0]}: {answer.health.lower().replace('_', ' ')}")
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
