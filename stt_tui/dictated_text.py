"""Insertion of partials and finals into a text that is edited at the same time. Pure: no audio, no clock, no screen.

Each pending utterance has an insertion position in the document and, after its first partial, a text to display.

States of an utterance:
    unknown → pending     `begin`, or its first partial or final: the position is the cursor's
    pending → pending     `set_partial` replaces the displayed text; the document does not change
    pending → inserted    `insert_final`: one undoable step, at the position where the partial was displayed
    pending → inserted    `insert_partials`: the dictation ended without a final, so the last partial is inserted
    pending → discarded   `discard`: the utterance was suppressed

Invariants:
- Typed text goes after the position, so words and keys are in the order in which they began, and no key lands inside
  a sentence. The final of an earlier utterance goes before the position of a later one.
- Moving the cursor with a key or the mouse moves the positions of all pending utterances to the cursor.
- A final is never inserted inside a word, but after the word, and later utterances of the same word follow it there.
- A final replaces nothing; the selection stays selected.
- `preedits` and `insert_final` use the same position and spacing, so the final is inserted where its partial was shown.
"""

from __future__ import annotations

from stt_tui.document import Document
from stt_tui.graphemes import boundary_at, is_word
from stt_tui.layout import Preedit
from stt_tui.lines import Change, Position, map_position, map_position_past
from stt_tui.spacing import is_spaceless, with_spacing

Utterance = tuple[int, int]  # number of the dictation, number of the utterance in it

CONTEXT_CHARACTERS = 64  # read on each side of the position to choose spaces and capitals


class Dictation:
    def __init__(self, document: Document) -> None:
        self._document = document
        self._positions: dict[Utterance, Position] = {}  # bounded by the server's limit of pending utterances
        self._partials: dict[Utterance, str] = {}
        self._inserting: Utterance | None = None
        document.subscribe(self._on_change)

    @property
    def has_pending(self) -> bool:
        """Whether an utterance has neither been inserted nor discarded."""
        return bool(self._positions)

    def begin(self, utterance: Utterance) -> None:
        """Give a new utterance the position of the cursor."""
        self._positions.setdefault(utterance, self._document.cursor)

    def set_partial(self, utterance: Utterance, text: str) -> None:
        """Set the text that is displayed for the utterance until it is final."""
        self.begin(utterance)
        self._partials[utterance] = text

    def insert_final(self, utterance: Utterance, text: str) -> str:
        """Insert the final text; return it with its spacing."""
        self.begin(utterance)
        position = self._after_word(self._positions[utterance])
        self._keep_order(utterance, position)
        text = self._with_spacing(position, text)
        self._inserting = utterance
        if text:
            self._document.insert(position, text)
        self._inserting = None
        self.discard(utterance)
        return text

    def discard(self, utterance: Utterance) -> None:
        """Remove an utterance that gets no final."""
        self._positions.pop(utterance, None)
        self._partials.pop(utterance, None)

    def insert_partials(self, dictation: int) -> int:
        """Insert the last partials of a dictation that gets no more finals; return how many had text."""
        pending = [utterance for utterance in self._positions if utterance[0] == dictation]
        return sum(bool(self.insert_final(utterance, self._partials.get(utterance, ""))) for utterance in pending)

    def move_to_cursor(self) -> None:
        """Move all pending utterances to the cursor."""
        for utterance in self._positions:
            self._positions[utterance] = self._document.cursor

    def preedits(self) -> list[Preedit]:
        """Return the partials as they would be inserted, in the order of the text."""
        preedits = list[Preedit]()
        for utterance, partial in sorted(self._partials.items()):
            position = self._after_word(self._positions[utterance])
            before = "".join(preedit.text for preedit in preedits if preedit.at == position)
            text = self._with_spacing(position, partial, before)
            if text:
                preedits.append(Preedit(position, text))
        return sorted(preedits, key=lambda preedit: preedit.at)

    def _keep_order(self, utterance: Utterance, position: Position) -> None:
        """Move later utterances inside the same word to the end of the word, so that they follow this one."""
        for later, at in self._positions.items():
            if later > utterance and self._positions[utterance] <= at < position:
                self._positions[later] = position

    def _with_spacing(self, position: Position, text: str, preedits_before: str = "") -> str:
        line = self._document.lines[position.line]
        before = line[max(0, position.offset - CONTEXT_CHARACTERS) : position.offset] + preedits_before
        return with_spacing(before, text, line[position.offset : position.offset + CONTEXT_CHARACTERS])

    def _after_word(self, position: Position) -> Position:
        """Return the position, or the end of the word that it is inside."""
        line, offset = self._document.lines.clamp(position)
        text = self._document.lines[line]
        if offset > 0 and _continues_word(text, offset - 1):
            while _continues_word(text, offset):
                offset += 1
        return Position(line, boundary_at(text, offset))

    def _on_change(self, change: Change, _text: str) -> None:
        """Map the positions through the change: they stay before inserted text, but after an earlier utterance."""
        for utterance, position in self._positions.items():
            is_later = self._inserting is not None and self._inserting < utterance
            map_through = map_position_past if is_later else map_position
            self._positions[utterance] = map_through(position, change)


def _continues_word(text: str, offset: int) -> bool:
    """Return whether the code point belongs to a word that can be split; Chinese has no spaces between words."""
    return offset < len(text) and is_word(text, offset) and not is_spaceless(text[offset])
