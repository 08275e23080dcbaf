"""What the command line asks for, once parsed: values only, quick to load."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from stt_client.events import AudioFormat, Settings
from stt_client.target import Target


@dataclass(frozen=True, slots=True)
class OutputOptions:
    """What is written of what was said, and where."""

    format: str = "text"
    output: str | None = None  # None: stdout
    partials: bool | None = None  # None: on a terminal
    words: bool = False
    copies: bool = False  # each sentence to the clipboard
    verbose: bool = False


@dataclass(frozen=True, slots=True)
class InputOptions:
    """What to recognise."""

    sources: tuple[str, ...] = ()  # none: the microphone
    raw: AudioFormat | None = None
    realtime: bool = False
    device: str | None = None
    silence_s: float | None = None  # that ends the microphone
    journal: Path | None = None  # where what the microphone hears is kept
    jobs: int = 1
    track: int | None = None  # of a recording's audio tracks, from 1; None: the default one


@dataclass(frozen=True, slots=True)
class Request:
    audio: InputOptions
    settings: Settings
    writing: OutputOptions
    target: Target
