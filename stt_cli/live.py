"""What a person sees while a stream runs: the finals on stdout, all else on stderr.

Two screens with one face: `PlainScreen` for pipes and files, `LiveScreen` for a terminal, where the last line
of stderr shows what is being said.
"""

from __future__ import annotations

import math
import time
from array import array
from collections.abc import Callable
from typing import Protocol, TextIO

from rich.cells import cell_len
from rich.console import Console
from rich.control import Control
from rich.segment import ControlType
from rich.text import Text

from stt_cli.events import AudioFormat, Encoding, Event, Notice, Partial
from stt_cli.render import plain

REDRAW_S = 0.1  # as often as a microphone delivers
BAR_CELLS = 4
FLOOR_DB = -48.0  # what the meter shows as silence
THINNED = "partials thinned out: the server is busy"
BUSY = "(busy) "  # the same where words need the room
ERASE = Control(ControlType.CARRIAGE_RETURN, (ControlType.ERASE_IN_LINE, 2))


class Screen(Protocol):
    live: bool  # whether a partial is worth asking for

    def begin(self, paced: bool) -> None:
        """A source begins; `paced`: at the speed of speech."""

    def write(self, text: str) -> None:
        """Write to stdout, at once.

        Raises:
            BrokenPipeError: when nobody reads it any more.
        """

    def warn(self, sentence: str) -> None:
        """Write a line to stderr."""

    def aside(self, sentence: str) -> None:
        """Write a line of less weight to stderr."""

    def partial(self, partial: Partial) -> None: ...

    def notice(self, notice: Notice) -> None:
        """Tell what the server wants to be known."""

    def heard(self, chunk: bytes, audio_format: AudioFormat) -> None: ...

    def follow(self, event: Event) -> None:
        """Learn from any event how far the server is."""

    def close(self) -> None: ...


class PlainScreen:
    live = False

    def __init__(self, stdout: TextIO, stderr: TextIO) -> None:
        self._stdout = stdout
        self._stderr = stderr

    def begin(self, paced: bool) -> None: ...

    def write(self, text: str) -> None:
        self._stdout.write(text)
        self._stdout.flush()

    def warn(self, sentence: str) -> None:
        self._stderr.write(f"{plain(sentence)}\n")
        self._stderr.flush()

    def aside(self, sentence: str) -> None:
        self.warn(sentence)

    def partial(self, partial: Partial) -> None:
        self.warn(partial.stable + partial.unstable)

    def notice(self, notice: Notice) -> None:
        self.warn(f"Notice: {notice.message}")

    def heard(self, chunk: bytes, audio_format: AudioFormat) -> None: ...

    def follow(self, event: Event) -> None: ...

    def close(self) -> None: ...


class LiveScreen:
    """Draws `[===] 0.4s what is being said` on a terminal's last line, erased before anything is printed."""

    live = True

    def __init__(self, console: Console, stdout: TextIO, now: Callable[[], float] = time.monotonic) -> None:
        self._console = console
        self._stdout = stdout
        self._now = now
        self._drawn_at = -math.inf
        self._is_drawn = False
        self.begin(paced=True)

    def begin(self, paced: bool) -> None:
        self._paced = paced
        self._level = 0.0
        self._heard_ms = 0.0
        self._lag_ms = 0.0
        self._received_ms = 0
        self._partial: Partial | None = None
        self._thinned = False

    def write(self, text: str) -> None:
        self._erase()
        self._stdout.write(text)
        self._stdout.flush()

    def warn(self, sentence: str) -> None:
        self._print(Text(plain(sentence)))

    def aside(self, sentence: str) -> None:
        self._print(Text(plain(sentence), style="dim"))

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
        if not isinstance(event, Partial | Notice):
            self._partial = None  # the utterance has ended, or another began

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
        bar = "=" * round(self._level * BAR_CELLS)
        line = Text.assemble((f"[{bar:<{BAR_CELLS}}] ", "green"), (f"{self._figure()} ", "cyan"))
        if self._thinned:
            line.append(BUSY if self._partial else THINNED, "yellow")
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
    """Return the partial's end, as much as fits: the newest words are those to see."""
    text = Text.assemble((_shown(partial.stable), "bold"), (_shown(partial.unstable), "dim"))
    start = len(text)
    while start > 0 and cell_len(text.plain[start - 1 :]) <= cells:
        start -= 1
    return text[start:] if start < len(text) else Text()


def _shown(text: str) -> str:
    """Keep the spaces at both ends: they part stable from unstable."""
    return "".join(character if character.isprintable() else " " for character in text)


def level(chunk: bytes, encoding: Encoding) -> float:
    """Return the chunk's peak on the meter's scale, 0..1; 0 for encodings that it cannot read."""
    match encoding:
        case Encoding.S16LE:
            peak = _peak(array("h", chunk[: len(chunk) // 2 * 2])) / 32_768
        case Encoding.F32LE:
            peak = _peak(array("f", chunk[: len(chunk) // 4 * 4]))
        case _:
            return 0.0
    if not peak > 0 or math.isinf(peak):  # silence, or no number
        return 0.0
    return min(1.0, max(0.0, 1 - 20 * math.log10(peak) / FLOOR_DB))


def _peak(samples: array[int] | array[float]) -> float:
    return max(max(samples), -min(samples)) if samples else 0.0
