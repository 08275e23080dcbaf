"""The live line of a terminal: level, lag, how it stands with the server, and what is being said."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import TextIO

from rich.cells import cell_len
from rich.console import Console
from rich.control import Control
from rich.segment import ControlType
from rich.text import Text

from stt_cli.output.connection_label import condition_of
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

REDRAW_S = 0.1  # as often as a microphone delivers
NARROW = 80  # cells; a wider terminal has room for a finer meter
CHARACTERS_PER_CELL = 8  # at most, as an emoji of a family has
BAR_CELLS, WIDE_BAR_CELLS = 4, 10
ERASE = Control(ControlType.CARRIAGE_RETURN, (ControlType.ERASE_IN_LINE, 2))
CONNECTED = Connection(ConnectionState.CONNECTED)


class LiveScreen:
    """Draws `[===] 0.4s what is being said` on a terminal's last line, erased before anything is printed."""

    live = True

    def __init__(self, console: Console, stdout: TextIO, now: Callable[[], float] = time.monotonic) -> None:
        self._console = console
        self._stdout = stdout
        self._now = now
        self._drawn_at = -math.inf
        self._is_drawn = False
        self._is_finishing = False
        self.begin(paced=True)

    def part(self, name: str) -> LiveScreen:
        return self

    def begin(self, paced: bool) -> None:
        self._paced = paced
        self._level = 0.0
        self._heard_ms = 0.0
        self._lag_ms = 0.0
        self._received_ms = 0
        self._partial: Partial | None = None
        self._thinned = False
        self._connection = CONNECTED

    def lasts(self, duration_ms: float | None) -> None: ...

    def finishing(self) -> None:
        self._is_finishing = True
        self._level = 0.0
        self._draw()

    def write(self, text: str) -> None:
        self._erase()
        self._stdout.write(text)
        self._stdout.flush()

    def warn(self, sentence: str) -> None:
        self._print(Text(sanitize_message(sentence)))

    def aside(self, sentence: str) -> None:
        self._print(Text(sanitize_message(sentence), style="dim"))

    def rescue(self, text: str) -> None:
        self._print(Text(text.rstrip("\n")))

    def partial(self, partial: Partial) -> None:
        self._partial = partial
        self._lag_ms = max(0.0, self._heard_ms - partial.end_ms)
        self._draw()

    def notice(self, notice: Notice) -> None:
        """Show the state of partials in the line, which they are; tell the rest in a line of its own."""
        match notice.reason:
            case "PARTIALS_SHED":
                self._thinned = True
            case "PARTIALS_RESTORED":
                self._thinned = False
            case _:
                self.warn(f"Notice: {notice.message}")
                return
        self._draw()

    def heard(self, chunk: bytes, audio_format: AudioFormat) -> None:
        self._heard_ms += audio_format.duration_ms(len(chunk))
        if self._now() - self._drawn_at >= REDRAW_S:
            self._level = level(chunk, audio_format.encoding)
            self._draw()

    def follow(self, event: Event) -> None:
        self._received_ms = max(self._received_ms, event.received_ms)
        match event:
            case Connection():
                self._connection = event
                self._draw()
            case Final() | Suppressed() | SpeechStarted():
                self._partial = None  # the utterance has ended, or another began
                if self._connection.state is ConnectionState.RESUMED:
                    self._connection = CONNECTED  # known by now

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
        """Return a line that leaves the last column free, so that no terminal wraps it."""
        cells = BAR_CELLS if self._console.width < NARROW else WIDE_BAR_CELLS
        bar = "=" * round(self._level * cells)
        line = Text.assemble((f"[{bar:<{cells}}] ", "green"), (f"{self._figure()} ", "cyan"))
        if condition := condition_of(self._connection, self._is_finishing, self._thinned):
            line.append(f"({condition.brief}) " if self._partial else condition.sentence, condition.style)
        room = self._console.width - 1 - line.cell_len
        if self._partial is not None:
            line.append_text(tail(self._partial, room))
        line.truncate(max(1, self._console.width - 1))
        return line

    def _figure(self) -> str:
        """Return the lag behind speech, or the place in a recording that is read faster than speech."""
        if self._paced:
            return f"{self._lag_ms / 1000:.1f}s"
        minutes, seconds = divmod(self._received_ms // 1000, 60)
        return f"{minutes}:{seconds:02}"


def tail(partial: Partial, cells: int) -> Text:
    """Return the partial's end, as many words as fit: the newest are those to see."""
    stable, unstable = _last(partial, cells * CHARACTERS_PER_CELL)
    whole, bright = sanitize_text(stable + unstable), len(sanitize_text(stable))
    text = Text.assemble((whole[:bright], "bold"), (whole[bright:], "dim"))
    start = len(text)
    while start > 0 and cell_len(text.plain[start - 1 :]) <= cells:
        start -= 1
    if start > 0 and text.plain[start - 1] != " ":  # within a word: it goes, unless it is all there is room for
        start = text.plain.find(" ", start) + 1 or start
    return text[start:] if start < len(text) else Text()


def _last(partial: Partial, characters: int) -> tuple[str, str]:
    """Return the last characters of the partial, stable and unstable."""
    unstable = partial.unstable[-characters:]
    more = characters - len(unstable)
    return partial.stable[-more:] if more else "", unstable
