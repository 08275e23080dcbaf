"""The commands: parse, call, print, exit code.

Loads only click and values; `commands.py`, with all that is slow to load, when a command runs.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from stt_cli.arguments.options import server_options, source_options, speech_options, writing_options
from stt_cli.arguments.request import InputOptions, OutputOptions, Request
from stt_cli.control.commands import config, drain, models, sessions
from stt_cli.control.options import FORMAT, watch_options
from stt_cli.exit_codes import echo, failures
from stt_cli.output.terminal import abandon_stdout, prepare_streams, run_in_utf8
from stt_client.events import Settings
from stt_client.target import Target

if TYPE_CHECKING:
    from stt_client.audio.devices import OpenDevice

EXIT_CODES = """\b
Exit codes:
  0    all went well; a microphone was ended by Ctrl-C; nobody reads the output any more
  1    the server refused or failed, a source cannot be recognised, or text cannot be written
  2    the command line is wrong
  3    the server cannot be reached
  130  Ctrl-C before the end of a recording (143: SIGTERM, 129: SIGHUP); the text owed was printed
"""
RECOGNIZE_EXAMPLES = """\b
Examples:
  stt-cli recognize                              dictate; Ctrl-C ends
  stt-cli recognize --copy --stop-after-silence 5     one thought, on the clipboard
  stt-cli recognize --save-audio ~/dictations       keep what is said, whatever happens
  stt-cli recognize talk.mp3 > talk.txt
  stt-cli recognize film.mp4 --format srt -o film.srt
  stt-cli recognize recordings/ --jobs 4 --format json -o texts/
  arecord -f S16_LE -r 16000 | stt-cli recognize --raw 16000 -
"""
RETRY_EXAMPLES = """\b
Examples:
  stt-cli recover ~/dictations                     the newest journal in the folder
  stt-cli recover ~/dictations/dictation-2026-11-25-210312-004.flac --language en
"""
DEVICES_EXAMPLES = """\b
Examples:
  stt-cli devices
  stt-cli devices --format json | jq -r '.[].name'
"""
STATUS_EXAMPLES = """\b
Examples:
  stt-cli status --server gpu-box
  stt-cli status --watch --control gpu-box
  until stt-cli status > /dev/null 2>&1; do sleep 1; done
"""
DOCTOR_EXAMPLES = """\b
Examples:
  stt-cli doctor
  stt-cli doctor --server gpu-box --device headset
"""
DOCTOR_EXIT_CODES = """\b
Exit codes:
  0    nothing failed
  1    something failed: nothing can be recognised until it is mended
  2    the command line is wrong
"""
COMPLETION_EXAMPLES = """\b
Examples:
  source <(stt-cli completion bash)              in ~/.bashrc; zsh alike, in ~/.zshrc
  stt-cli completion fish > ~/.config/fish/completions/stt-cli.fish
"""


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
    microphone: OpenDevice | None, audio: InputOptions, writing: OutputOptions, settings: Settings, target: Target
) -> None:
    """Recognise speech: from the microphone, from files and all files in folders, or from stdin (-).

    The text goes to stdout, a line for each utterance; everything else goes to stderr.
    Ctrl-C ends the recording and prints the text still owed; a second one quits at once.
    """
    from stt_cli.commands import run

    with failures():
        code = run.run_recognize(Request(audio, settings, writing, target), microphone)
    raise click.exceptions.Exit(code)


@cli.command(epilog=f"{RETRY_EXAMPLES}\n{EXIT_CODES}")
@click.argument("file", type=click.Path(exists=True, path_type=str))
@writing_options
@speech_options
@server_options
def recover(file: str, writing: OutputOptions, settings: Settings, target: Target) -> None:
    """Recognise a journal again: FILE, or the newest one if it is a folder.

    The options that it was recorded with hold, unless others are given.
    """
    from stt_cli.commands import run

    with failures():
        code = run.run_recover(Request(InputOptions((file,)), settings, writing, target))
    raise click.exceptions.Exit(code)


@cli.command(epilog=DEVICES_EXAMPLES)
@click.option(
    "--format",
    "output_format",
    type=click.Choice(["text", "json"]),
    default="text",
    help="For people, or for programs.",
)
def devices(output_format: str) -> None:
    """List the microphones: * the default, number, native rate, channels, name.

    Any part of a name is a NAME for --device.
    """
    from stt_cli.commands import run

    with failures():
        echo(run.run_devices(as_json=output_format == "json"))


@cli.command(epilog=f"{DOCTOR_EXAMPLES}\n{DOCTOR_EXIT_CODES}")
@click.option("--device", metavar="NAME", help="The microphone to listen to; the default one if not given.")
@server_options
@click.pass_obj
def doctor(microphone: OpenDevice | None, device: str | None, target: Target) -> None:
    """Find what is wrong: server, versions, CUDA, microphones and their level, clipboard.

    Each line begins with ok, warn (not everybody needs it) or fail, and says what would do. Nothing is changed.
    """
    from stt_cli.commands import run

    if not run.run_doctor(target, device, microphone):
        raise click.exceptions.Exit(1)


@cli.command(epilog=COMPLETION_EXAMPLES)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the script that completes commands and options in SHELL."""
    from click.shell_completion import get_completion_class

    script = get_completion_class(shell)
    assert script is not None
    click.echo(script(cli, {}, "stt-cli", "_STT_CLI_COMPLETE").source())


@cli.command(epilog=f"{STATUS_EXAMPLES}\n{EXIT_CODES}")
@click.option("--watch", is_flag=True, help="Show what the server does, again and again, until Ctrl-C; asks Control.")
@server_options
@watch_options
@FORMAT
def status(watch: bool, target: Target, control: Target, interval_s: float, output_format: str) -> None:
    """Tell whether the server serves, what, and how far away it is; exit code 1 when it does not serve."""
    with failures():
        if watch:
            from stt_cli.control import watch as watching

            watching.run_watch(control, interval_s, as_json=output_format == "json")
        else:
            _tell_status(target, as_json=output_format == "json")


def _tell_status(target: Target, as_json: bool) -> None:
    from stt_cli.commands import run

    answer = run.run_status(target)
    echo(run.status_as_json(answer) if as_json else run.status_as_text(answer, target))
    if answer.health != "SERVING":
        raise click.exceptions.Exit(1)


for operators in (config, drain, models, sessions):
    cli.add_command(operators)


def main() -> None:
    """Run a command, with streams that are UTF-8 in every locale."""
    run_in_utf8()
    prepare_streams()
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # it logs to stderr, across the live line
    try:
        cli()
    except OSError as error:
        abandon_stdout()
        raise SystemExit(f"Error: standard output cannot be written: {error.strerror}.") from error
