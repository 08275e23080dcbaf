"""The text as a list of lines, and its only modification: a replacement. Pure.

A line ends with LF or CRLF. The line end belongs to the text and to no line: offsets never count it, and it is
preserved until the line break itself is removed. A CR without a following LF is a character of its line.

The time of a change grows with the lines it touches, not with the size of the text.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import NamedTuple


class Position(NamedTuple):
    """A position before the code point `offset` of a line; positions sort in the order of the text."""

    line: int
    offset: int


START = Position(0, 0)
LF, CRLF = "\n", "\r\n"


@dataclass(frozen=True, slots=True)
class Change:
    """A replacement of the text from `start` to `end` by a text that ends at `new_end`."""

    start: Position
    end: Position
    new_end: Position


class Lines:
    def __init__(self, text: str = "") -> None:
        self._lines, self._ends = _split(text)

    def __len__(self) -> int:
        return len(self._lines)

    def __getitem__(self, line: int) -> str:
        return self._lines[line]

    @property
    def end(self) -> Position:
        return Position(len(self._lines) - 1, len(self._lines[-1]))

    @property
    def is_empty(self) -> bool:
        return self.end == START

    def text(self) -> str:
        """Return the whole text, each line with its own line end."""
        return _join(self._lines, self._ends)

    def between(self, start: Position, end: Position) -> str:
        """Return the text between two positions, each line with its own line end."""
        if start.line == end.line:
            return self._lines[start.line][start.offset : end.offset]
        first, last = self._lines[start.line][start.offset :], self._lines[end.line][: end.offset]
        return _join([first, *self._lines[start.line + 1 : end.line], last], self._ends[start.line : end.line])

    def replace(self, start: Position, end: Position, text: str) -> Change:
        before, after = self._lines[start.line][: start.offset], self._lines[end.line][end.offset :]
        lines, ends = _split(text)
        lines[0] = before + lines[0]
        lines[-1] += after
        self._lines[start.line : end.line + 1] = lines
        self._ends[start.line : end.line] = ends
        return Change(start, end, end_of(start, text))

    def end_at(self, line: int) -> str:
        """Return the line end for a break inserted into the line: its own, or, in the last line, the previous one's."""
        if not self._ends:
            return LF
        return self._ends[min(line, len(self._ends) - 1)]

    def clamp(self, position: Position) -> Position:
        """Return the position, or the nearest valid one."""
        line = min(max(position.line, 0), len(self._lines) - 1)
        return Position(line, min(max(position.offset, 0), len(self._lines[line])))


def _split(text: str) -> tuple[list[str], list[str]]:
    """Return the lines and the line ends between them."""
    lines = text.split(LF)
    ends = [LF] * (len(lines) - 1)
    if CRLF in text:
        for number, line in enumerate(lines[:-1]):
            if line.endswith("\r"):
                lines[number], ends[number] = line[:-1], CRLF
    return lines, ends


def _join(lines: list[str], ends: list[str]) -> str:
    if CRLF not in ends:
        return LF.join(lines)
    return "".join(chain.from_iterable(zip(lines, [*ends, ""], strict=True)))


def end_of(start: Position, text: str) -> Position:
    """Return the end of a text inserted at `start`."""
    breaks = text.count("\n")
    if not breaks:
        return Position(start.line, start.offset + len(text))
    return Position(start.line + breaks, len(text) - text.rindex("\n") - 1)


def map_position(position: Position, change: Change) -> Position:
    """Return the position after the change; it stays before a text inserted at it."""
    if position <= change.start:
        return position
    if position < change.end:
        return change.start
    if position.line > change.end.line:
        return Position(position.line + change.new_end.line - change.end.line, position.offset)
    return Position(change.new_end.line, position.offset - change.end.offset + change.new_end.offset)


def map_position_past(position: Position, change: Change) -> Position:
    """Return the position after the change; it moves past a text inserted at it."""
    if position == change.start or change.start < position < change.end:
        return change.new_end
    return map_position(position, change)
