"""The status line, shortened to the columns of the screen. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import Enum, auto

from stt_tui.graphemes import prefix_of_width, text_columns
from stt_tui.keys import HINTS

BAR_CELLS = 4
GAP = "  "
MIN_COLUMNS = 8  # of a shortened sentence; fewer are not readable
MESSAGE_WEIGHT = 80  # parts with at least this weight are shortened before they are left out


class Recording(Enum):
    OFF = auto()
    OPENING = auto()  # the microphone is being opened
    ON = auto()
    FINALIZING = auto()  # off, with pending finals


class Tone(Enum):
    """The appearance of a part of the line."""

    PLAIN = auto()
    RECORDING = auto()
    WARNING = auto()
    HINT = auto()


@dataclass(slots=True)
class Status:
    """The present values that the status line shows."""

    recording: Recording = Recording.OFF
    level: float = 0.0  # 0..1
    language: str = ""
    lag_s: float = 0.0  # audio received after the end of the last partial
    connection: str = ""
    has_connection_problem: bool = False  # `connection` is shown as a warning
    message: str = ""
    detail: str = ""  # addition to the message
    risk: str = ""  # warning that text or audio may be lost
    question: str = ""  # waits for F5 or F8
    name: str = ""  # of the file


@dataclass(frozen=True, slots=True)
class Part:
    text: str
    tone: Tone = Tone.PLAIN
    weight: int = 0  # if there is no room, the parts with the smallest weight are left out first
    may_shrink: bool = False


def status_line(status: Status, columns: int) -> list[Part]:
    """Return the parts of the line in order, with gaps between them; the last column stays empty."""
    room = columns - 1
    parts = [part for part in _parts(status) if part.text]
    while _width(parts) > room and (lightest := min(parts, key=_weight)).weight < MESSAGE_WEIGHT:
        parts.remove(lightest)
    while len(parts) > 1 and _min_width(parts) > room:
        parts.remove(min(parts, key=_weight))
    return _fit(parts, room)


def _parts(status: Status) -> Iterable[Part]:
    yield from _recording(status)
    is_on = status.recording is Recording.ON
    yield Part(status.language if is_on else "", weight=50)
    yield Part(f"{status.lag_s:.1f}s" if is_on else "", weight=40)
    tone = Tone.WARNING if status.has_connection_problem else Tone.PLAIN
    yield Part(
        status.connection, tone, 90 if status.has_connection_problem else 30, may_shrink=status.has_connection_problem
    )
    yield Part(status.risk, Tone.WARNING, weight=97, may_shrink=True)
    yield Part(status.question, Tone.WARNING, weight=95, may_shrink=True)
    yield Part(status.message, weight=MESSAGE_WEIGHT, may_shrink=True)
    yield Part(status.detail, Tone.HINT, weight=15)
    yield Part(status.name, weight=20)
    hints = [] if status.risk else [hint.replace("record", "stop") if is_on else hint for hint in HINTS]
    for index, hint in enumerate(hints):
        yield Part(hint, Tone.HINT, weight=10 - index)


def _recording(status: Status) -> Iterable[Part]:
    match status.recording:
        case Recording.OFF:
            yield Part("○ off", weight=100)
        case Recording.OPENING:
            yield Part("○ opening", weight=100)
        case Recording.FINALIZING:
            yield Part("○ finalizing", weight=100)
        case Recording.ON:
            filled = "=" * round(status.level * BAR_CELLS)
            yield Part("●", Tone.RECORDING, 100)
            yield Part(f"[{filled:<{BAR_CELLS}}]", Tone.RECORDING, 60)


def _weight(part: Part) -> int:
    return part.weight


def _width(parts: list[Part]) -> int:
    return sum(text_columns(part.text) for part in parts) + len(GAP) * (len(parts) - 1)


def _min_width(parts: list[Part]) -> int:
    """Return the columns that the parts need when each is shortened as far as allowed."""
    spare = (text_columns(part.text) - MIN_COLUMNS for part in parts if part.may_shrink)
    return _width(parts) - sum(max(0, columns) for columns in spare)


def _fit(parts: list[Part], room: int) -> list[Part]:
    """Shorten the parts that may shrink, smallest weight first; add gaps between the parts."""
    excess, texts = _width(parts) - room, {part: part.text for part in parts}
    for part in sorted(parts, key=_weight):
        width = text_columns(part.text)
        if excess > 0 and (part.may_shrink or len(parts) == 1) and width > MIN_COLUMNS:
            texts[part] = _shorten(part.text, max(MIN_COLUMNS, width - excess))
            excess -= width - text_columns(texts[part])
    return [replace(part, text=GAP * (number > 0) + texts[part]) for number, part in enumerate(parts)]


def _shorten(text: str, columns: int) -> str:
    return prefix_of_width(text, columns - 1).rstrip() + "…"
