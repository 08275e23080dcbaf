"""The command `stt-tui`: parse the options, run the editor, print its exit message.

It does not import gRPC: the first screen must appear before slow imports.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
from platformdirs import user_state_path

from stt_cli.arguments.options import server_options, speech_options
from stt_cli.exit_codes import echo
from stt_client.events import Settings, StreamOptions
from stt_client.sanitize import sanitize_message
from stt_client.target import Target
from stt_tui.app import EditorOptions, run
from stt_tui.dictation_controller import Backends, Recognize
from stt_tui.files import FileError, NotTextError, TextFile, read
from stt_tui.journal import find_orphaned

if TYPE_CHECKING:
    from stt_client.audio.devices import Device

RETRY_TIMEOUT_S = 24 * 3600.0  # the editor may start long before the server; audio is buffered until then
EXAMPLES = """\b
Examples:
  stt-tui                          dictate; each sentence is copied to the clipboard
  stt-tui notes.txt --language ru  continue a text file
  stt-tui --no-auto                do not record until F1 is pressed
"""


@click.command(epilog=EXAMPLES, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="realtime-stt-grpc", message="%(version)s")
@click.argument("file", required=False, type=click.Path(dir_okay=False, path_type=Path))
@click.option("--auto/--no-auto", default=True, show_default=True, help="Start recording immediately, or with F1.")
@speech_options
@click.option(
    "--device",
    metavar="NAME",
    help="Microphone, by part of its name (see `stt-cli devices`), or file:PATH to play a recording.",
)
@server_options
def tui(file: Path | None, auto: bool, settings: Settings, device: str | None, target: Target) -> None:
    """Dictate and type into one text in a full-screen editor. F1 records, Ctrl+Q quits."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise click.UsageError("stt-tui needs a terminal; `stt-cli recognize` writes to pipes and files.")
    state = _state_folder()
    try:
        opened, text = open_file(file, state) if file else (None, "")
    except FileError as error:
        raise click.ClickException(sanitize_message(str(error))) from error
    options = EditorOptions(opened, text, StreamOptions(settings=settings, client_id="stt-tui"), device, auto, state)
    outcome = asyncio.run(run(options, Backends(_open_device, lambda: _load_recognize(target))))
    for line in outcome.exit_message.splitlines():
        echo(sanitize_message(line))
    if outcome.failure:
        raise click.ClickException(sanitize_message(outcome.failure))


def open_file(path: Path, state: Path) -> tuple[TextFile, str]:
    """Return the file and its text; the text is empty if the journal can restore an interrupted save of the file.

    Raises:
        FileError: the file cannot be read.
    """
    try:
        return read(path)
    except NotTextError:
        if find_orphaned(state / "journals", str(path.absolute())):
            return TextFile(path), ""  # the next save copies the present content to `FILE~`
        raise


def _state_folder() -> Path:
    """Return the folder for data that outlives a session.

    Raises:
        ClickException: the folder is in the home folder, and the user has none.
    """
    try:
        return user_state_path("realtime-stt")
    except RuntimeError as error:
        raise click.ClickException(
            f"stt-tui stores its journal in the home folder, and user ID {os.getuid()} has none: "
            "set HOME or XDG_STATE_HOME to a folder."
        ) from error


def _open_device(name: str | None) -> Device:
    from stt_client.audio.microphone import open_device

    return open_device(name)


def _load_recognize(target: Target) -> Recognize:
    from stt_client.client import recognize
    from stt_client.recovery.retry import RetryPolicy

    policy = RetryPolicy(connect_s=RETRY_TIMEOUT_S, free_slot_s=RETRY_TIMEOUT_S, reconnect_s=RETRY_TIMEOUT_S)
    return lambda source, options: recognize(target, source, options, policy)


def main() -> None:
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # gRPC would log to stderr, over the screen
    tui()


if __name__ == "__main__":
    main()
