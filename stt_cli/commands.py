"""What the commands do, once `cli.py` has parsed them. Loads gRPC and rich, which `--help` does without."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from stt_cli.devices import OpenDevice
from stt_cli.errors import OutputError
from stt_cli.events import AudioFormat, ServerStatus
from stt_cli.live import LiveScreen, PlainScreen, Screen
from stt_cli.microphone import Microphone, open_device
from stt_cli.outputs import Folder, OneFile, Outputs, Stdout
from stt_cli.portaudio import list_devices, load_sounddevice
from stt_cli.recognition import ExitCode, Item, Request, recognize
from stt_cli.render import CAPTION_FORMATS, SUFFIXES
from stt_cli.sources import STDIN, file_source, files_in, pipe_source
from stt_cli.status import status


@dataclass(frozen=True, slots=True)
class Audio:
    """What to recognise, as it was asked for."""

    sources: tuple[str, ...] = ()  # none: the microphone
    raw: AudioFormat | None = None
    realtime: bool = False
    device: str | None = None


def run_recognize(audio: Audio, request: Request, output: str | None, microphone: OpenDevice | None = None) -> ExitCode:
    """Recognise; return the exit code. `microphone` opens the device, this machine's if not given."""
    screen = _screen()
    items = _items(audio, microphone or open_device)
    outputs = _outputs(request, items, output, screen)
    return asyncio.run(recognize(request, items, screen, outputs))


def _screen() -> Screen:
    console = Console(stderr=True)
    if console.is_terminal and not console.is_dumb_terminal:
        return LiveScreen(console, sys.stdout)
    return PlainScreen(sys.stdout, sys.stderr)


def _items(audio: Audio, microphone: OpenDevice) -> list[Item]:
    if not audio.sources:
        return [Item(Microphone(microphone, audio.device), ends_by_signal=True)]
    return [item for name in audio.sources for item in _items_of(name, audio)]


def _items_of(name: str, audio: Audio) -> list[Item]:
    if name == STDIN:
        stdin = open(0, "rb", buffering=0, closefd=False)  # noqa: SIM115
        return [Item(pipe_source(stdin, audio.raw, audio.realtime))]
    path = Path(name)
    if path.is_dir():
        return [
            Item(file_source(file, audio.raw, audio.realtime), str(file), in_folder=True) for file in files_in(path)
        ]
    return [Item(file_source(path, audio.raw, audio.realtime), name)]


def _outputs(request: Request, items: list[Item], output: str | None, screen: Screen) -> Outputs:
    if output is not None and (output.endswith("/") or Path(output).is_dir()):
        return Folder(Path(output), SUFFIXES[request.format])
    if len(items) > 1 and request.format in CAPTION_FORMATS:
        raise OutputError(
            f"{request.format} holds one recording, there are {len(items)}: give a folder with -o FOLDER/."
        )
    if output is None:
        return Stdout(screen.write)
    path = Path(output)
    if path.exists() and any(item.file is not None and _is_same(path, item.file) for item in items):
        raise OutputError(f"-o {output} would overwrite the recording.")
    return OneFile(path)


def _is_same(path: Path, file: str) -> bool:
    return Path(file).exists() and path.samefile(file)


def run_devices() -> str:
    """Return a table of this machine's microphones."""
    devices = list_devices(load_sounddevice())
    if not devices:
        return "There is no microphone on this machine."
    return "\n".join(
        f"{'*' if device.is_default else ' '} {device.index:>3}  {device.sample_rate_hz:>6} Hz  {device.name}"
        for device in devices
    )


def run_status(server: str) -> ServerStatus:
    return asyncio.run(status(server))
