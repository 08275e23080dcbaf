"""Command-line interface of stt-cli: parses arguments, runs the command, sets the exit code.

Imports only click and value types. A command imports its implementation when it runs, so that `--help` is fast.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from stt_cli.arguments.options import input_options, output_options, server_options, speech_options
from stt_cli.arguments.request import InputOptions, OutputOptions, Request
from stt_cli.control.commands import config, drain, models, sessions
from stt_cli.control.options import FORMAT_OPTION, watch_options
from stt_cli.exit_codes import echo, exit_on_error
from stt_cli.output.terminal import discard_stdout, prepare_streams, run_in_utf8
from stt_client.events import Settings
from stt_client.target import Target

if TYPE_CHECKING:
    from stt_client.audio.devices import OpenDevice

EXIT_CODES = """\b
Exit codes:
  0    success; Ctrl-C stopped the microphone; stdout was closed by its reader
  1    the server rejected or failed, or a source or an output failed
  2    invalid command line
  3    the server cannot be reached
  130  Ctrl-C before a recording ended (143: SIGTERM, 129: SIGHUP)
"""
RECOGNIZE_EXAMPLES = """\b
Examples:
  stt-cli recognize                             dictate until Ctrl-C
  stt-cli recognize --copy --stop-after-silence 5
  stt-cli recognize --save-audio ~/dictations   keep the audio too
  stt-cli recognize talk.mp3 > talk.txt
  stt-cli recognize film.mp4 --format srt -o film.srt
  stt-cli recognize recordings/ --jobs 4 --format json -o texts/
  arecord -f S16_LE -r 16000 | stt-cli recognize --raw 16000 -
"""
RECOVER_EXAMPLES = """\b
Examples:
  stt-cli recover ~/dictations                  the newest file in the folder
  stt-cli recover ~/dictations/dictation-2026-11-25-210312-004.flac
  stt-cli recover ~/dictations --language en
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
STATUS_EXIT_CODES = """\b
Exit codes:
  0    the server is serving
  1    the server is not serving, or rejected the request
  2    invalid command line
  3    the server cannot be reached
"""
DOCTOR_EXAMPLES = """\b
Examples:
  stt-cli doctor
  stt-cli doctor --server gpu-box --device headset
"""
DOCTOR_EXIT_CODES = """\b
Exit codes:
  0    no check failed
  1    a check failed: nothing can be recognized until it is fixed
  2    invalid command line
"""
COMPLETION_EXAMPLES = """\b
Examples:
  source <(stt-cli completion bash)             in ~/.bashrc
  source <(stt-cli completion zsh)              in ~/.zshrc
  stt-cli completion fish > ~/.config/fish/completions/stt-cli.fish
"""


@click.group(epilog=EXIT_CODES, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="realtime-stt-grpc", message="%(version)s")
def cli() -> None:
    """Recognize speech, and operate the server, from the command line."""


@cli.command(short_help="Recognize a microphone, files or stdin", epilog=f"{RECOGNIZE_EXAMPLES}\n{EXIT_CODES}")
@click.argument("sources", nargs=-1, metavar="[SOURCE]...", type=click.Path(path_type=str))
@input_options
@output_options
@speech_options
@server_options
@click.pass_obj
def recognize(
    microphone: OpenDevice | None,
    input_options: InputOptions,
    output_options: OutputOptions,
    settings: Settings,
    target: Target,
) -> None:
    """Recognize speech from the microphone, from files, from all files in folders, or from stdin (-).

    Text goes to stdout, one line per utterance; everything else goes to stderr. Ctrl-C stops the recording and prints
    the pending text. A second Ctrl-C quits immediately.
    """
    from stt_cli.commands import recognize_setup

    with exit_on_error():
        code = recognize_setup.run_recognize(Request(input_options, settings, output_options, target), microphone)
    raise click.exceptions.Exit(code)


@cli.command(short_help="Recognize saved dictation audio again", epilog=f"{RECOVER_EXAMPLES}\n{EXIT_CODES}")
@click.argument("file", type=click.Path(exists=True, path_type=str))
@output_options
@speech_options
@server_options
def recover(file: str, output_options: OutputOptions, settings: Settings, target: Target) -> None:
    """Recognize audio that --save-audio wrote: FILE, or the newest file if FILE is a folder.

    Language, prompt and hotwords default to those of the recording.
    """
    from stt_cli.commands import recognize_setup

    with exit_on_error():
        code = recognize_setup.run_recover(Request(InputOptions((file,)), settings, output_options, target))
    raise click.exceptions.Exit(code)


@cli.command(short_help="List microphones", epilog=DEVICES_EXAMPLES)
@FORMAT_OPTION
def devices(output_format: str) -> None:
    """List the microphones: number, native sample rate, channels, name. * marks the default.

    Any part of a name is a valid NAME for --device.
    """
    from stt_cli.commands import information

    with exit_on_error():
        echo(information.list_microphones(as_json=output_format == "json"))


@cli.command(short_help="Check server, microphone and clipboard", epilog=f"{DOCTOR_EXAMPLES}\n{DOCTOR_EXIT_CODES}")
@click.option("--device", metavar="NAME", help="Microphone to check. Default: the system default.")
@server_options
@click.pass_obj
def doctor(microphone: OpenDevice | None, device: str | None, target: Target) -> None:
    """Check versions, server, CUDA, microphones, input level and clipboard.

    Each line begins with ok, warn (a feature that not all users need does not work) or fail, and ends with a hint. The
    checks change nothing.
    """
    from stt_cli.commands import information

    if not information.run_doctor(target, device, microphone):
        raise click.exceptions.Exit(1)


@cli.command(short_help="Print a shell completion script", epilog=COMPLETION_EXAMPLES)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print the script that completes commands and options in SHELL."""
    from click.shell_completion import get_completion_class

    script = get_completion_class(shell)
    assert script is not None
    click.echo(script(cli, {}, "stt-cli", "_STT_CLI_COMPLETE").source())


@cli.command(short_help="Show whether the server is serving", epilog=f"{STATUS_EXAMPLES}\n{STATUS_EXIT_CODES}")
@click.option("--watch", is_flag=True, help="Show load and streams from Control until Ctrl-C.")
@server_options
@watch_options
@FORMAT_OPTION
def status(watch: bool, target: Target, control: Target, interval_s: float, output_format: str) -> None:
    """Show whether the server is serving, its services and the round-trip time."""
    with exit_on_error():
        if watch:
            from stt_cli.control.watch import run_watch

            run_watch(control, interval_s, as_json=output_format == "json")
        else:
            _print_status(target, as_json=output_format == "json")


def _print_status(target: Target, as_json: bool) -> None:
    from stt_cli.commands import information

    server_status = information.get_status(target)
    echo(information.status_as_json(server_status) if as_json else information.status_as_text(server_status, target))
    if server_status.health != "SERVING":
        raise click.exceptions.Exit(1)


for operator_command in (config, drain, models, sessions):
    cli.add_command(operator_command)


def main() -> None:
    """Run stt-cli. The standard streams use UTF-8 in every locale."""
    run_in_utf8()
    prepare_streams()
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # gRPC logs to stderr, which would break the live line
    try:
        cli()
    except OSError as error:
        discard_stdout()
        raise SystemExit(f"Error: standard output cannot be written: {error.strerror}.") from error
