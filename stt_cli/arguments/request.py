"""The parsed command line of a recognition: values only, fast to import."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from stt_client.events import AudioFormat, Settings
from stt_client.target import Target


@dataclass(frozen=True, slots=True)
class OutputOptions:
    """Format and destination of the text."""

    format: str = "text"
    path: str | None = None  # None: stdout
    partials: bool | None = None  # None: only on a terminal
    word_times: bool = False
    copy_to_clipboard: bool = False  # each sentence
    verbose: bool = False


@dataclass(frozen=True, slots=True)
class InputOptions:
    """Sources to recognize and how to read them."""

    sources: tuple[str, ...] = ()  # empty: the microphone
    raw_format: AudioFormat | None = None
    realtime: bool = False
    device: str | None = None
    stop_after_silence_s: float | None = None
    save_audio: Path | None = None  # folder for the audio of the microphone
    jobs: int = 1
    track: int | None = None  # audio track of a recording, from 1; None: the default track


@dataclass(frozen=True, slots=True)
class Request:
    input_options: InputOptions
    settings: Settings
    output_options: OutputOptions
    target: Target
