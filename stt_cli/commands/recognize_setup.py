"""Implements `stt-cli recognize` and `recover`: creates sources, screen and outputs from a request and runs them."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from stt_cli.arguments.request import Request
from stt_cli.commands.capture import SilenceTimeout
from stt_cli.commands.recognize import SourceItem, recognize
from stt_cli.output.clipboard import Clipboard, clipboard_tools
from stt_cli.output.formats import CAPTION_FORMATS, SUFFIXES
from stt_cli.output.live_line import LiveScreen
from stt_cli.output.paths import is_folder
from stt_cli.output.progress import ProgressBars
from stt_cli.output.screen import PlainScreen, Screen
from stt_cli.output.terminal import hide_control_echo, silence_library_stderr
from stt_cli.output.writers import Folder, OneFile, Outputs, Stdout, is_stdout
from stt_client.audio.devices import OpenDevice
from stt_client.audio.journal import Journal, newest_journal, read_settings
from stt_client.audio.microphone import Microphone, open_device
from stt_client.audio.sources import STDIN, failed_source, file_source, files_in, pipe_source
from stt_client.errors import OutputError, SourceError
from stt_client.events import merge_settings


def run_recognize(request: Request, microphone: OpenDevice | None = None) -> int:
    """Run the recognition; return the exit code. `microphone` opens the device; the default opens this machine's."""
    items = create_items(request, microphone or open_device)
    with hide_control_echo(), silence_library_stderr():
        screen = _create_screen(min(request.input_options.jobs, len(items)), len(items))
        return asyncio.run(_recognize(request, items, screen, create_outputs(request, items, screen)))


def run_recover(request: Request) -> int:
    """Recognize a saved dictation, or the newest one in a folder; return the exit code.

    The settings that were saved with it apply unless the request overrides them.
    """
    (source,) = request.input_options.sources
    path = newest_journal(Path(source)) if is_folder(Path(source)) else Path(source)
    settings = merge_settings(read_settings(path), request.settings)
    input_options = replace(request.input_options, sources=(str(path),))
    return run_recognize(replace(request, input_options=input_options, settings=settings))


async def _recognize(request: Request, items: list[SourceItem], screen: Screen, outputs: Outputs) -> int:
    clipboard = Clipboard(clipboard_tools()) if request.output_options.copy_to_clipboard else None
    return await recognize(request, items, screen, outputs, clipboard)


def _create_screen(concurrent: int, count: int) -> Screen:
    console = Console(stderr=True)
    if not console.is_terminal or console.is_dumb_terminal:
        return PlainScreen(sys.stdout, sys.stderr)
    return ProgressBars(console, sys.stdout, count) if concurrent > 1 else LiveScreen(console, sys.stdout)


def create_items(request: Request, microphone: OpenDevice = open_device) -> list[SourceItem]:
    """Return the sources to recognize, in order; the microphone if the request names none."""
    options = request.input_options
    if options.sources:
        return [item for name in options.sources for item in _source_items(name, request)]
    journal = None if options.save_audio is None else Journal(options.save_audio, request.settings)
    silence_timeout = None if options.stop_after_silence_s is None else SilenceTimeout(options.stop_after_silence_s)
    source = Microphone(microphone, options.device)
    return [SourceItem(source, ends_by_signal=True, journal=journal, silence_timeout=silence_timeout)]


def _source_items(name: str, request: Request) -> Iterable[SourceItem]:
    options = request.input_options
    raw_format, realtime, track = options.raw_format, options.realtime, options.track
    if name == STDIN:
        stdin = open(0, "rb", buffering=0, closefd=False)  # noqa: SIM115
        return [SourceItem(pipe_source(stdin, raw_format, realtime, track))]
    path = Path(name)
    if not is_folder(path):
        return [SourceItem(file_source(path, raw_format, realtime, track), name)]
    try:
        files = files_in(path)
    except SourceError as error:
        return [SourceItem(failed_source(name, error), name)]
    return [SourceItem(file_source(file, raw_format, realtime, track), str(file), in_folder=True) for file in files]


def create_outputs(request: Request, items: list[SourceItem], screen: Screen) -> Outputs:
    """Return the outputs that the request names.

    Raises:
        OutputError: The output is invalid for these sources, or cannot be written.
    """
    path, output_format = request.output_options.path, request.output_options.format
    inputs = [item.file for item in items if item.file is not None]
    inputs += ["/dev/stdin"] if STDIN in request.input_options.sources else []
    is_dictation = not request.input_options.sources
    if path == "":
        raise OutputError("-o requires the name of a file or folder, but it is empty.")
    if path is not None and (path.endswith("/") or is_folder(Path(path))):
        return Folder(Path(path), SUFFIXES[output_format], inputs, is_dictation)
    if len(items) > 1 and output_format in CAPTION_FORMATS:
        raise OutputError(f"one {output_format} file cannot hold {len(items)} recordings: use -o FOLDER/.")
    if path is not None and not is_stdout(path):
        return OneFile(Path(path), inputs, is_dictation)
    if sys.__stdout__ is None:
        raise OutputError("standard output is closed: use -o FILE.")
    return Stdout(screen.write)
