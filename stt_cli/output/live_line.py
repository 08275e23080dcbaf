"""The live line of a terminal: level, latency, connection state and the current partial."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TextIO

from rich.cells import cell_len
from rich.console import Console
from rich.control import Control
from rich.segment import ControlType
from rich.text import Text

from stt_client.audio.pcm import level
from stt_client.events import (
    AudioFormat,
    Connection,
    ConnectionState,
    Event,
    Final,
    Notice,
    Partial,
    SpeechStarted,
    Suppressed,
)
from stt_client.sanitize import sanitize_message, sanitize_text

REDRAW_S = 0.1  # as often as a microphone delivers audio
NARROW = 80  # columns; a wider terminal has a longer meter
CHARACTERS_PER_CELL = 8  # at most, as in an emoji of a family
BAR_CELLS, WIDE_BAR_CELLS = 4, 10
ERASE = Control(ControlType.CARRIAGE_RETURN, (ControlType.ERASE_IN_LINE, 2))
CONNECTED = Connection(ConnectionState.CONNECTED)


class LiveScreen:
    """Draws `[===] 0.4s the partial` on the last line of a terminal. Other output erases it first."""

    is_live = True

    def __init__(self, console: Console, stdout: TextIO, now: Callable[[], float] = time.monotonic) -> None:
        self._console = console
        self._stdout = stdout
        self._now = now
        self._drawn_at = -math.inf
        self._is_drawn = False
        self._is_finishing = False
        self.start_source(is_paced=True)

    def for_source(self, name: str) -> LiveScreen:
        return self

    def start_source(self, is_paced: bool) -> None:
        self._is_paced = is_paced
        self._level = 0.0
        self._captured_ms = 0.0
        self._latency_ms = 0.0
        self._received_ms = 0
        self._partial: Partial | None = None
        self._partials_reduced = False
        self._connection = CONNECTED

    def set_duration(self, duration_ms: float | None) -> None: ...

    def show_finishing(self) -> None:
        self._is_finishing = True
        self._level = 0.0
        self._draw()

    def write(self, text: str) -> None:
        self._erase()
        self._stdout.write(text)
        self._stdout.flush()

    def warn(self, message: str) -> None:
        self._print(Text(sanitize_message(message)))

    def info(self, message: str) -> None:
        self._print(Text(sanitize_message(message), style="dim"))

    def write_fallback(self, text: str) -> None:
        self._print(Text(text.rstrip("\n")))

    def show_partial(self, partial: Partial) -> None:
        self._partial = partial
        self._latency_ms = max(0.0, self._captured_ms - partial.end_ms)
        self._draw()

    def show_notice(self, notice: Notice) -> None:
        """Show reduced partials in the live line, any other notice on its own line."""
        match notice.reason:
            case "PARTIALS_SHED":
                self._partials_reduced = True
            case "PARTIALS_RESTORED":
                self._partials_reduced = False
            case _:
                self.warn(f"Notice: {notice.message}")
                return
        self._draw()

    def on_audio(self, chunk: bytes, audio_format: AudioFormat) -> None:
        self._captured_ms += audio_format.duration_ms(len(chunk))
        if self._now() - self._drawn_at >= REDRAW_S:
            self._level = level(chunk, audio_format.encoding)
            self._draw()

    def on_event(self, event: Event) -> None:
        self._received_ms = max(self._received_ms, event.received_ms)
        match event:
            case Connection():
                self._connection = event
                self._draw()
            case Final() | Suppressed() | SpeechStarted():
                self._partial = None  # the utterance ended, or another one started
                if self._connection.state is ConnectionState.RESUMED:
                    self._connection = CONNECTED  # shown long enough

    def close(self) -> None:
        self._erase()

    def _print(self, text: Text) -> None:
        self._erase()
        self._console.print(text, highlight=False, soft_wrap=True)

    def _draw(self) -> None:
        self._erase()
        self._console.print(self._line(), end="", highlight=False, no_wrap=True, overflow="crop")
        self._drawn_at = self._now()
        self._is_drawn = True

    def _erase(self) -> None:
        if self._is_drawn:
            self._console.control(ERASE)
            self._is_drawn = False

    def _line(self) -> Text:
        """Return the line. It leaves the last column free, so that no terminal wraps it."""
        cells = BAR_CELLS if self._console.width < NARROW else WIDE_BAR_CELLS
        bar = "=" * round(self._level * cells)
        line = Text.assemble((f"[{bar:<{cells}}] ", "green"), (f"{self._progress()} ", "cyan"))
        if label := connection_label(self._connection, self._is_finishing, self._partials_reduced):
            line.append(f"({label.brief}) " if self._partial else label.full, label.style)
        if self._partial is not None:
            line.append_text(fit_tail(self._partial, self._console.width - 1 - line.cell_len))
        line.truncate(max(1, self._console.width - 1))
        return line

    def _progress(self) -> str:
        """Return the latency in real time, or the position in a recording that is sent faster."""
        if self._is_paced:
            return f"{self._latency_ms / 1000:.1f}s"
        minutes, seconds = divmod(self._received_ms // 1000, 60)
        return f"{minutes}:{seconds:02}"


def fit_tail(partial: Partial, cells: int) -> Text:
    """Return the end of the partial, as many words as fit."""
    stable, unstable = _last_characters(partial, cells * CHARACTERS_PER_CELL)
    whole, stable_length = sanitize_text(stable + unstable), len(sanitize_text(stable))
    text = Text.assemble((whole[:stable_length], "bold"), (whole[stable_length:], "dim"))
    start = len(text)
    while start > 0 and cell_len(text.plain[start - 1 :]) <= cells:
        start -= 1
    if start > 0 and text.plain[start - 1] != " ":  # inside a word: drop it unless nothing else fits
        start = text.plain.find(" ", start) + 1 or start
    return text[start:] if start < len(text) else Text()


def _last_characters(partial: Partial, characters: int) -> tuple[str, str]:
    """Return the last characters of the partial, stable and unstable."""
    unstable = partial.unstable[-characters:]
    remaining = characters - len(unstable)
    return partial.stable[-remaining:] if remaining else "", unstable


@dataclass(frozen=True, slots=True)
class ConnectionLabel:
    """A connection state as text: in full, and brief for use in front of a partial."""

    full: str
    brief: str
    style: str


def connection_label(connection: Connection, is_finishing: bool, partials_reduced: bool) -> ConnectionLabel | None:
    """Return the label of the most important state; None in normal operation."""
    buffered = f"{connection.buffered_ms // 1000}s"
    reason = f": {sanitize_message(connection.message)}" if connection.message else ""
    match connection.state:
        case ConnectionState.CONNECTING:
            return ConnectionLabel(f"connecting{reason}", "connecting", "yellow")
        case ConnectionState.WAITING:
            return ConnectionLabel(f"waiting for a free slot{reason}", "waiting", "yellow")
        case ConnectionState.RECONNECTING:
            return ConnectionLabel(f"offline, {buffered} buffered{reason}", f"offline {buffered}", "bold red")
    if is_finishing:
        return ConnectionLabel("finishing", "finishing", "yellow")
    match connection.state:
        case ConnectionState.RESUMED:
            return ConnectionLabel("connection restored", "resumed", "green")
        case ConnectionState.DRAINING:
            return ConnectionLabel(f"moving to another server{reason}", "moving", "yellow")
    return ConnectionLabel("fewer partials: the server is busy", "busy", "yellow") if partials_reduced else None
