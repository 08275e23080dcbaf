"""What the commands do, once `cli.py` has parsed them. Loads gRPC and rich, which `--help` does without."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterable
from dataclasses import asdict, replace
from pathlib import Path

from rich.console import Console

from stt_cli.arguments.request import Request
from stt_cli.commands.recognize import Item, recognize
from stt_cli.doctor import run as doctor
from stt_cli.output.clipboard import Clipboard, tools
from stt_cli.output.formats import CAPTION_FORMATS, SUFFIXES
from stt_cli.output.live_line import LiveScreen
from stt_cli.output.progress import ProgressBars
from stt_cli.output.screen import PlainScreen, Screen
from stt_cli.output.terminal import silent_controls, undisturbed
from stt_cli.output.writers import Folder, OneFile, Outputs, Stdout, is_stdout
from stt_client.audio.devices import DeviceDescription, OpenDevice
from stt_client.audio.journal import Journal, newest_journal, read_settings
from stt_client.audio.microphone import Microphone, open_device
from stt_client.audio.paths import is_folder
from stt_client.audio.portaudio import list_devices, load_sounddevice
from stt_client.audio.silence_timeout import SilenceTimeout
from stt_client.audio.sources import STDIN, failed_source, file_source, files_in, pipe_source
from stt_client.errors import OutputError, SourceError
from stt_client.events import ServerStatus, merge_settings
from stt_client.sanitize import sanitize_text, to_json
from stt_client.status import status
from stt_client.target import Target


def run_recognize(request: Request, microphone: OpenDevice | None = None) -> int:
    """Recognise; return the exit code. `microphone` opens the device, this machine's if not given."""
    items = items_of_request(request, microphone or open_device)
    with silent_controls(), undisturbed():
        screen = _screen(min(request.audio.jobs, len(items)), len(items))
        return asyncio.run(_recognize(request, items, screen, outputs_of(request, items, screen)))


def run_recover(request: Request) -> int:
    """Recognise a journal again, or a folder's newest, as it was asked for then and otherwise is now."""
    (source,) = request.audio.sources
    path = newest_journal(Path(source)) if is_folder(Path(source)) else Path(source)
    settings = merge_settings(read_settings(path), request.settings)
    audio = replace(request.audio, sources=(str(path),))
    return run_recognize(replace(request, audio=audio, settings=settings))


async def _recognize(request: Request, items: list[Item], screen: Screen, outputs: Outputs) -> int:
    clipboard = Clipboard(tools()) if request.writing.copies else None
    return await recognize(request, items, screen, outputs, clipboard)


def _screen(at_once: int, count: int) -> Screen:
    console = Console(stderr=True)
    if not console.is_terminal or console.is_dumb_terminal:
        return PlainScreen(sys.stdout, sys.stderr)
    return ProgressBars(console, sys.stdout, count) if at_once > 1 else LiveScreen(console, sys.stdout)


def items_of_request(request: Request, microphone: OpenDevice = open_device) -> list[Item]:
    audio = request.audio
    if audio.sources:
        return [item for name in audio.sources for item in _items_of(name, request)]
    journal = None if audio.journal is None else Journal(audio.journal, request.settings)
    silence = None if audio.silence_s is None else SilenceTimeout(audio.silence_s)
    source = Microphone(microphone, audio.device)
    return [Item(source, ends_by_signal=True, journal=journal, silence=silence)]


def _items_of(name: str, request: Request) -> Iterable[Item]:
    raw, realtime, track = request.audio.raw, request.audio.realtime, request.audio.track
    if name == STDIN:
        stdin = open(0, "rb", buffering=0, closefd=False)  # noqa: SIM115
        return [Item(pipe_source(stdin, raw, realtime, track))]
    path = Path(name)
    if not is_folder(path):
        return [Item(file_source(path, raw, realtime, track), name)]
    try:
        files = files_in(path)
    except SourceError as error:
        return [Item(failed_source(name, error), name)]
    return [Item(file_source(file, raw, realtime, track), str(file), in_folder=True) for file in files]


def outputs_of(request: Request, items: list[Item], screen: Screen) -> Outputs:
    output, written = request.writing.output, request.writing.format
    inputs = [item.file for item in items if item.file is not None]
    inputs += ["/dev/stdin"] if STDIN in request.audio.sources else []
    is_live = not request.audio.sources
    if output == "":
        raise OutputError("-o needs the name of a file or folder, and it is empty.")
    if output is not None and (output.endswith("/") or is_folder(Path(output))):
        return Folder(Path(output), SUFFIXES[written], inputs, is_live)
    if len(items) > 1 and written in CAPTION_FORMATS:
        raise OutputError(f"{written} holds one recording, there are {len(items)}: give a folder with -o FOLDER/.")
    if output is not None and not is_stdout(output):
        return OneFile(Path(output), inputs, is_live)
    if sys.__stdout__ is None:
        raise OutputError("standard output is closed: give a file with -o FILE.")
    return Stdout(screen.write)


def run_devices(as_json: bool) -> str:
    """Return this machine's microphones: a line each, or a list of objects."""
    devices = list_devices(load_sounddevice())
    if as_json:
        return to_json([asdict(device) for device in devices], indent=2)
    if not devices:
        return "There is no microphone on this machine; `--device file:PATH` plays a recording in its place."
    return "\n".join(map(_described, devices))


def _described(device: DeviceDescription) -> str:
    default, channels = "*" if device.is_default else " ", f"{device.channels} ch"
    return f"{default} {device.index:>3}  {device.sample_rate_hz:>6} Hz  {channels:>6}  {sanitize_text(device.name)}"


def run_doctor(target: Target, device: str | None, microphone: OpenDevice | None = None) -> bool:
    """Tell what is found on stdout, line by line; return whether nothing failed."""
    return doctor.run(target, device, microphone or open_device, Console())


def run_status(target: Target) -> ServerStatus:
    return asyncio.run(status(target))


def status_as_json(answer: ServerStatus) -> str:
    return to_json(asdict(answer))


def status_as_text(answer: ServerStatus, target: Target) -> str:
    return "\n".join(
        (
            f"{target.addresses[0]}: {answer.health.lower().replace('_', ' ')}",
            f"services: {', '.join(map(sanitize_text, answer.services)) or 'the server does not list them'}",
            f"round trip: {answer.round_trip_ms:.1f} ms",
        )
    )
