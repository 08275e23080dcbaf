"""Typing while dictating: no key or word is lost, their order is kept, and no word is split."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from hypothesis import example, given
from hypothesis import strategies as st

from stt_tui.dictated_text import Dictation
from stt_tui.document import Document
from stt_tui.layout import Preedit
from stt_tui.lines import Position


def dictating(text: str = "") -> tuple[Document, Dictation]:
    document = Document(text)
    dictation = Dictation(document)
    document.move(document.lines.end)
    return document, dictation


def type_in(document: Document, text: str) -> None:
    for character in text:
        document.type(character)


@dataclass
class Run:
    """The typed keys and the finals, each in the order in which they started."""

    keys: str = ""
    finals: list[str] = field(default_factory=list)
    ends: set[int] = field(default_factory=set)  # numbers of keys after which a final ended a word

    def insert_final(self, final: str, start: int) -> None:
        """Record a final whose utterance started after `start` keys."""
        word = re.split(r"[ \n]", self.keys)[-1]
        word_start = max(len(self.keys) - len(word), *self.ends, 0)
        if start == len(self.keys) or start > word_start:
            self.ends.add(len(self.keys))
        self.finals.append(final)


@given(st.lists(st.sampled_from(["begin", "partial", "final", "key", "space", "enter"]), max_size=60))
@example(["key", "begin", "key", "final", "key"])  # a final inside a word goes after it, and so does the next key
def test_typing_while_dictating_keeps_all_keys_and_words_in_order(actions: list[str]) -> None:
    """Typed letters are lowercase, utterances are numbers; later input comes later in the text.

    A final ends the word being typed if its utterance started at the end of the text or inside that word.
    """
    document, dictation = dictating()
    run, pending = Run(), dict[int, int]()  # utterance -> number of keys typed before it started
    for number, action in enumerate(actions):
        match action:
            case "begin":
                pending[number] = len(run.keys)
                dictation.begin((0, number))
            case "partial" if pending:
                dictation.set_partial((0, max(pending)), "so far")
            case "final" if pending:
                first = min(pending)
                run.insert_final(f"{first}, {first}!", pending.pop(first))
                dictation.insert_final((0, first), run.finals[-1])
            case "key" | "space" | "enter":
                key = {"key": chr(ord("a") + number % 26), "space": " ", "enter": "\n"}[action]
                run.keys += key
                document.type(key)
    text = document.text()
    assert re.findall(r"\d+, \d+!", text) == run.finals
    typed = re.sub(r"\d+, \d+!", "", text)
    assert re.sub(r" ", "", typed) == re.sub(r" ", "", run.keys)
    assert typed.count(" ") >= run.keys.count(" ")
    marked = "".join(f"{'|' * (index in run.ends)}{key}" for index, key in enumerate(run.keys))
    words = re.findall(r"[a-z]+", marked)
    assert re.findall(r"[a-z]+", typed.replace("\n", " ")) == words


@given(st.text("ab .\n", max_size=30), st.data())
def test_final_at_any_cursor_position_splits_no_word_and_loses_no_text(text: str, data: st.DataObject) -> None:
    document, dictation = dictating(text)
    dictation.set_partial((0, 1), "Said so far")
    line = data.draw(st.integers(0, len(document.lines) - 1))
    document.move(Position(line, data.draw(st.integers(0, len(document.lines[line])))))
    dictation.move_to_cursor()
    dictation.insert_final((0, 1), "SAID")
    assert re.findall(r"[ab]+", document.text()) == re.findall(r"[ab]+", text)
    assert document.text().split("\n")[line].count("SAID") == 1
    document.undo()
    assert document.text() == text


@given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from("abc")), min_size=1, max_size=20))
def test_final_is_inserted_where_and_as_its_preedit_was_shown(typing: list[tuple[int, str]]) -> None:
    document, dictation = dictating("One two. Three")
    dictation.set_partial((0, 1), "Said.")
    for back, key in typing:
        document.move(Position(0, max(0, document.cursor.offset - back)))
        dictation.move_to_cursor()
        document.type(key)
    (preedit,) = dictation.preedits()
    before = document.text()
    dictation.insert_final((0, 1), "Said.")
    assert document.text() == before[: preedit.at.offset] + preedit.text + before[preedit.at.offset :]


def test_partial_is_shown_at_the_cursor_and_is_not_part_of_the_text() -> None:
    document, dictation = dictating("One.")
    dictation.set_partial((0, 1), "two and")
    assert dictation.preedits() == [Preedit(Position(0, 4), " Two and")]
    assert document.text() == "One."


def test_final_replaces_its_partial_and_the_cursor_moves_after_it() -> None:
    document, dictation = dictating("One.")
    dictation.set_partial((0, 1), "two and")
    assert dictation.insert_final((0, 1), "Two and three.") == " Two and three."
    assert (document.text(), document.cursor) == ("One. Two and three.", Position(0, 19))
    assert (dictation.preedits(), dictation.has_pending) == ([], False)


def test_text_typed_during_an_utterance_follows_its_final() -> None:
    document, dictation = dictating("Dear John,")
    dictation.begin((0, 1))
    type_in(document, "\nYours")
    dictation.set_partial((0, 1), "how are you?")
    dictation.insert_final((0, 1), "how are you?")
    assert document.text() == "Dear John, how are you?\nYours"
    assert document.cursor == Position(1, 5)


def test_word_being_typed_when_speech_starts_is_not_split() -> None:
    document, dictation = dictating()
    type_in(document, "hel")
    dictation.begin((0, 1))
    type_in(document, "lo")
    dictation.insert_final((0, 1), "World.")
    assert document.text() == "hello World."
    type_in(document, "!")
    assert document.text() == "hello World.!"


def test_undo_removes_a_whole_utterance() -> None:
    document, dictation = dictating()
    type_in(document, "a")
    dictation.insert_final((0, 1), "said and done.")
    type_in(document, "b")
    document.undo()
    document.undo()
    assert document.text() == "a"


def test_preedit_moves_with_the_cursor() -> None:
    document, dictation = dictating("One.\nThree.")
    dictation.set_partial((0, 1), "two")
    document.move(Position(0, 4))
    dictation.move_to_cursor()
    assert dictation.preedits() == [Preedit(Position(0, 4), " Two")]


def test_pending_utterances_are_inserted_in_order() -> None:
    document, dictation = dictating()
    dictation.set_partial((0, 1), "one.")
    dictation.set_partial((0, 2), "two")
    assert "".join(preedit.text for preedit in dictation.preedits()) == "One. Two"
    dictation.insert_final((0, 1), "One.")
    dictation.insert_final((0, 2), "Two.")
    assert document.text() == "One. Two."


def test_pending_utterances_within_a_word_are_inserted_after_it_in_order() -> None:
    document, dictation = dictating()
    document.type("a")
    for number in (1, 2):
        dictation.begin((0, number))
    document.type("b")
    dictation.insert_final((0, 1), "One.")
    dictation.insert_final((0, 2), "Two.")
    assert document.text() == "ab One. Two."


def test_pending_older_dictation_is_inserted_before_a_newer_one() -> None:
    document, dictation = dictating()
    dictation.begin((0, 1))
    dictation.begin((1, 1))
    dictation.insert_final((1, 1), "Two.")
    dictation.insert_final((0, 1), "One.")
    assert document.text() == "One. Two."


def test_final_does_not_replace_the_selection() -> None:
    document, dictation = dictating("One two")
    document.select(Position(0, 4), Position(0, 7))
    dictation.insert_final((0, 1), "three")
    assert document.text() == "One two three"
    assert document.selected_text() == "two"


def test_discarded_utterance_leaves_no_text() -> None:
    document, dictation = dictating("One.")
    dictation.set_partial((0, 1), "hm")
    dictation.discard((0, 1))
    assert (document.text(), dictation.preedits()) == ("One.", [])
