"""What the status line says, in however few columns. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import Enum, auto

from stt_tui.graphemes import beginning, text_columns
from stt_tui.keys import HINTS

BAR_CELLS = 4
GAP = "  "
LEAST_COLUMNS = 8  # of a sentence; of less nothing can be read
TOLD = 80  # what weighs as much is news: it is shortened before it is left out


class Recording(Enum):
    OFF = auto()
    OPENING = auto()  # the microphone
    ON = auto()
    SETTLING = auto()  # off, and words are still to come


class Tone(Enum):
    """How a part of the line looks."""

    PLAIN = auto()
    RECORDING = auto()
    WARNING = auto()
    HINT = auto()


@dataclass(slots=True)
class Status:
    """What is going on, as it is now."""

    recording: Recording = Recording.OFF
    level: float = 0.0  # 0..1
    language: str = ""
    lag_s: float = 0.0
    connection: str = ""
    in_trouble: bool = False  # whether `connection` must be seen
    message: str = ""
    detail: str = ""  # of the message
    risk: str = ""  # of losing text
    question: str = ""  # what waits for an answer
    name: str = ""  # of the file


@dataclass(frozen=True, slots=True)
class Part:
    text: str
    tone: Tone = Tone.PLAIN
    weight: int = 0  # where there is no room, the lightest go first
    may_shrink: bool = False


def status_line(status: Status, columns: int) -> list[Part]:
    """Return the parts of the line, in order, with the gaps between them; the last column stays free."""
    room = columns - 1
    parts = [part for part in _parts(status) if part.text]
    while _width(parts) > room and (lightest := min(parts, key=_weight)).weight < TOLD:
        parts.remove(lightest)
    while len(parts) > 1 and _least_width(parts) > room:
        parts.remove(min(parts, key=_weight))
    return _fitted(parts, room)


def _parts(status: Status) -> Iterable[Part]:
    yield from _recording(status)
    is_on = status.recording is Recording.ON
    yield Part(status.language if is_on else "", weight=50)
    yield Part(f"{status.lag_s:.1f}s" if is_on else "", weight=40)
    tone = Tone.WARNING if status.in_trouble else Tone.PLAIN
    yield Part(status.connection, tone, 90 if status.in_trouble else 30, may_shrink=status.in_trouble)
    yield Part(status.risk, Tone.WARNING, weight=97, may_shrink=True)
    yield Part(status.question, Tone.WARNING, weight=95, may_shrink=True)
    yield Part(status.message, weight=TOLD, may_shrink=True)
    yield Part(status.detail, Tone.HINT, weight=15)
    yield Part(status.name, weight=20)
    hints = [] if status.risk else [hint.replace("record", "stop") if is_on else hint for hint in HINTS]
    for place, hint in enumerate(hints):
        yield Part(hint, Tone.HINT, weight=10 - place)


def _recording(status: Status) -> Iterable[Part]:
    match status.recording:
        case Recording.OFF:
            yield Part("○ off", weight=100)
        case Recording.OPENING:
            yield Part("○ opening", weight=100)
        case Recording.SETTLING:
            yield Part("○ settling", weight=100)
        case Recording.ON:
            filled = "=" * round(status.level * BAR_CELLS)
            yield Part("●", Tone.RECORDING, 100)
            yield Part(f"[{filled:<{BAR_CELLS}}]", Tone.RECORDING, 60)


def _weight(part: Part) -> int:
    return part.weight


def _width(parts: list[Part]) -> int:
    return sum(text_columns(part.text) for part in parts) + len(GAP) * (len(parts) - 1)


def _least_width(parts: list[Part]) -> int:
    """Return the columns that the parts need when all that may be shortened is."""
    spare = (text_columns(part.text) - LEAST_COLUMNS for part in parts if part.may_shrink)
    return _width(parts) - sum(max(0, columns) for columns in spare)


def _fitted(parts: list[Part], room: int) -> list[Part]:
    """Shorten what may be, the lightest first; put gaps between the parts."""
    excess, texts = _width(parts) - room, {part: part.text for part in parts}
    for part in sorted(parts, key=_weight):
        width = text_columns(part.text)
        if excess > 0 and (part.may_shrink or len(parts) == 1) and width > LEAST_COLUMNS:
            texts[part] = _shortened(part.text, max(LEAST_COLUMNS, width - excess))
            excess -= width - text_columns(texts[part])
    return [replace(part, text=GAP * (number > 0) + texts[part]) for number, part in enumerate(parts)]


def _shortened(text: str, columns: int) -> str:
    return beginning(text, columns - 1).rstrip() + "…"
