"""Runs a program in a terminal and records the screen at each moment."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import subprocess
import termios
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from select import select
from time import monotonic

import pyte

MIN_CHANGE_S = 0.1  # faster changes count as one
BOLD, DIM, BLINK, NORMAL = 1, 2, 5, 22


@dataclass(frozen=True, slots=True)
class Style:
    colour: str  # a color name, such as red, or rrggbb
    background: str
    bold: bool
    dim: bool
    reverse: bool


@dataclass(frozen=True, slots=True)
class Run:
    """Text of one style that starts in that column."""

    column: int
    text: str
    style: Style


@dataclass(frozen=True, slots=True)
class ScreenState:
    """The screen of a terminal at a moment; the cursor is None if it is hidden."""

    at_s: float
    rows: tuple[tuple[Run, ...], ...]
    cursor: tuple[int, int] | None  # column, row


@dataclass(frozen=True, slots=True)
class Keys:
    """Typed text, and its time."""

    at_s: float
    typed: bytes


@dataclass(frozen=True, slots=True)
class Session:
    command: Sequence[str]
    folder: Path
    columns: int
    rows: int
    length_s: float  # then the program is terminated
    keys: Sequence[Keys] = ()
    prompt: bool = True  # shown as the command line at the start


class _Screen(pyte.Screen):
    """pyte's screen, with dim text, which pyte lacks: it is stored as blinking, which no program here uses."""

    def select_graphic_rendition(self, *attributes: int, private: bool = False) -> None:
        coloured = any(attribute in (38, 48) for attribute in attributes)
        if not coloured:
            attributes = tuple(BLINK if attribute == DIM else attribute for attribute in attributes)
            if NORMAL in attributes:
                attributes += (20 + BLINK,)
        super().select_graphic_rendition(*attributes)


def record(session: Session, variables: Mapping[str, str]) -> list[ScreenState]:
    """Run the session; return each change of the screen once."""
    screen = _Screen(session.columns, session.rows)
    stream = pyte.ByteStream(screen)
    if session.prompt:
        stream.feed(f"\x1b[32m$\x1b[0m {' '.join(session.command)}\r\n".encode())
    moments = [_state_of(screen, 0.0)]
    for at_s, output in _outputs(session, variables):
        stream.feed(output)
        moment = _state_of(screen, at_s)
        if (moment.rows, moment.cursor) != (moments[-1].rows, moments[-1].cursor):
            moments.append(moment)
    return moments


def _outputs(session: Session, variables: Mapping[str, str]) -> Iterator[tuple[float, bytes]]:
    """Yield the output of the program, grouped by moments."""
    terminal, other_end = pty.openpty()
    fcntl.ioctl(other_end, termios.TIOCSWINSZ, struct.pack("HHHH", session.rows, session.columns, 0, 0))
    environment = {**os.environ, "TERM": "xterm-256color", "COLORTERM": "", **variables}
    process = subprocess.Popen(
        session.command,
        cwd=session.folder,
        env=environment,
        stdin=other_end,
        stdout=other_end,
        stderr=other_end,
        start_new_session=True,
    )
    os.close(other_end)
    began, keys = monotonic(), list(session.keys)
    try:
        while (at_s := monotonic() - began) < session.length_s:
            while keys and keys[0].at_s <= at_s:
                os.write(terminal, keys.pop(0).typed)
            if output := _gathered(terminal):
                yield at_s, output
            elif process.poll() is not None:
                return
    finally:
        process.kill()
        process.wait()
        os.close(terminal)


def _gathered(terminal: int) -> bytes:
    output, until = b"", monotonic() + MIN_CHANGE_S
    while (left_s := until - monotonic()) > 0:
        if select([terminal], [], [], left_s)[0]:
            try:
                output += os.read(terminal, 65_536)
            except OSError:  # Linux raises it when the program has exited
                break
    return output


def _state_of(screen: pyte.Screen, at_s: float) -> ScreenState:
    rows = tuple(tuple(_runs(screen, row)) for row in range(screen.lines))
    cursor = None if screen.cursor.hidden else (screen.cursor.x, screen.cursor.y)
    return ScreenState(at_s, rows, cursor)


def _runs(screen: pyte.Screen, row: int) -> Iterator[Run]:
    """Yield the row in runs of one style; a run of plain spaces is omitted."""
    begun: Run | None = None
    for column in range(screen.columns):
        character = screen.buffer[row][column]
        style = Style(character.fg, character.bg, character.bold, character.blink, character.reverse)
        if begun is not None and style == begun.style:
            begun = Run(begun.column, begun.text + character.data, style)
            continue
        if begun is not None and _is_seen(begun):
            yield begun
        begun = Run(column, character.data, style)
    if begun is not None and _is_seen(begun):
        yield begun


def _is_seen(run: Run) -> bool:
    return bool(run.text.strip()) or run.style.reverse or run.style.background != "default"
