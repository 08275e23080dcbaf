"""How what is said enters the document. Pure: no audio, no clock, no screen.

Each utterance has a place. It is where the cursor is when the utterance begins, and it stays there while one types:
what is typed comes after it. So words and keys stand in the order in which they began, and no key lands within a
sentence. Whoever moves the cursor, by an arrow or a click, takes the places of all that is still owed along. The
partial is shown at its place, and the final goes in where its partial was shown; never within a word, but behind it.
"""

from __future__ import annotations

from stt_tui.document import Document
from stt_tui.graphemes import border_at, is_word
from stt_tui.layout import Preedit
from stt_tui.lines import Change, Position, moved, pushed
from stt_tui.spacing import joined

Utterance = tuple[int, int]  # which dictation, and which utterance of it

CONTEXT = 64  # characters around the place that decide how a sentence joins


class Dictation:
    def __init__(self, document: Document) -> None:
        self._document = document
        self._places: dict[Utterance, Position] = {}  # bounded by the utterances a server may owe
        self._partials: dict[Utterance, str] = {}
        self._inserting: Utterance | None = None
        document.follow(self._shift)

    @property
    def is_open(self) -> bool:
        """Whether something is being said, or owed."""
        return bool(self._places)

    def begin(self, utterance: Utterance) -> None:
        """An utterance begins: its place is the cursor's."""
        self._places.setdefault(utterance, self._document.cursor)

    def hear(self, utterance: Utterance, text: str) -> None:
        """Show what it says so far."""
        self.begin(utterance)
        self._partials[utterance] = text

    def settle(self, utterance: Utterance, text: str) -> str:
        """Put the final text in; return it as it went in."""
        self.begin(utterance)
        place = self._outside_words(self._places[utterance])
        self._keep_order(utterance, place)
        text = self._fitted(place, text)
        self._inserting = utterance
        if text:
            self._document.insert(place, text)
        self._inserting = None
        self.drop(utterance)
        return text

    def drop(self, utterance: Utterance) -> None:
        """Forget an utterance that came to nothing."""
        self._places.pop(utterance, None)
        self._partials.pop(utterance, None)

    def give_up(self, dictation: int) -> int:
        """No final will come: put in what was heard of its utterances; return of how many there was something."""
        owed = [utterance for utterance in self._places if utterance[0] == dictation]
        return sum(bool(self.settle(utterance, self._partials.get(utterance, ""))) for utterance in owed)

    def follow_cursor(self) -> None:
        """The cursor was moved: what is owed goes where it is now."""
        for utterance in self._places:
            self._places[utterance] = self._document.cursor

    def ghosts(self) -> list[Preedit]:
        """Return what is being said, as it would go in, in the order of the text."""
        ghosts = list[Preedit]()
        for utterance, partial in sorted(self._partials.items()):
            place = self._outside_words(self._places[utterance])
            before = "".join(ghost.text for ghost in ghosts if ghost.at == place)
            text = self._fitted(place, partial, before)
            if text:
                ghosts.append(Preedit(place, text))
        return sorted(ghosts, key=lambda ghost: ghost.at)

    def _keep_order(self, utterance: Utterance, place: Position) -> None:
        """Let later utterances of the same word leave it with this one, so that they go in behind it."""
        for later, at in self._places.items():
            if later > utterance and self._places[utterance] <= at < place:
                self._places[later] = place

    def _fitted(self, place: Position, text: str, said_before: str = "") -> str:
        line = self._document.lines[place.line]
        before = line[max(0, place.offset - CONTEXT) : place.offset] + said_before
        return joined(before, text, line[place.offset : place.offset + CONTEXT])

    def _outside_words(self, place: Position) -> Position:
        line, offset = self._document.lines.clamp(place)
        text = self._document.lines[line]
        if 0 < offset < len(text) and is_word(text, offset - 1) and is_word(text, offset):
            while offset < len(text) and is_word(text, offset):
                offset += 1
        return Position(line, border_at(text, offset))

    def _shift(self, change: Change, _text: str) -> None:
        """Keep each place where it is in the text. What is put in there comes after it, unless it was said before."""
        for utterance, place in self._places.items():
            is_later = self._inserting is not None and self._inserting < utterance
            self._places[utterance] = pushed(place, change) if is_later else moved(place, change)
