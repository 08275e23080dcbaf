"""The editor under random keys, pastes, mouse events, resizes and speech, compared with a plain string model.

`EDITOR_FUZZ_CASES=20000 pytest tests/stt_tui/test_editor_fuzz.py` runs longer.
"""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from stt_tui.document import Document
from stt_tui.graphemes import text_columns, without_controls
from stt_tui.keys import KEYS, MOVE_KEYS, SELECTION_KEYS, Command
from stt_tui.lines import Change, Lines, Position
from stt_tui.terminal import PASTE_END, PASTE_START, Terminal
from tests.stt_tui.test_terminal import Clock
from tests.support.terminal.tui_screens import EditorHarness
from tests.support.terminal.tui_texts import FRAGMENTS, boundaries, mixed_ends, texts

CASES = int(os.environ.get("EDITOR_FUZZ_CASES", "150"))


@dataclass
class Model:
    """A plain string that predicts the text after one input."""

    text: str
    start: int  # of the selection, or the cursor
    end: int
    end_of_line: str  # for a line break inserted here

    @classmethod
    def of(cls, harness: EditorHarness) -> Model:
        document = harness.editor.document
        start, end = document.selection or (document.cursor, document.cursor)
        first, last = (len(document.lines.between(Position(0, 0), each)) for each in (start, end))
        return cls(document.text(), first, last, document.lines.end_at(start.line))

    def text_with(self, text: str) -> str:
        """Return the text after this is typed or pasted."""
        lines = without_controls(text.replace("\r\n", "\n").replace("\r", "\n"))
        return self._replace_selection(lines.replace("\n", self.end_of_line)) if lines else self.text

    def _replace_selection(self, text: str) -> str:
        return self.text[: self.start] + text + self.text[self.end :]

    def erase(self, before: bool) -> str:
        if self.start != self.end:
            return self._replace_selection("")
        lines = Lines(self.text)
        edges = sorted({len(lines.between(Position(0, 0), each)) for each in _boundaries(lines)})
        index = edges.index(self.start)
        if before:
            return self.text[: edges[max(0, index - 1)]] + self.text[self.start :]
        return self.text[: self.start] + self.text[edges[min(len(edges) - 1, index + 1)] :]


def _boundaries(lines: Lines) -> list[Position]:
    return [Position(line, offset) for line in range(len(lines)) for offset in boundaries(lines[line])]


class Machine:
    def __init__(self, text: str) -> None:
        self.harness = EditorHarness(text)
        self.journal = list[tuple[Change, str]]()
        self.first = text
        self.seen = {text}
        self.harness.editor.document.subscribe(self._follow)
        self.terminal = Terminal(self.harness.editor.paste)
        self.clock = Clock()

    def apply(self, action: Callable[[Machine], None]) -> None:
        action(self)
        self.check()

    def _follow(self, change: Change, inserted: str) -> None:
        self.journal.append((change, inserted))
        self.seen.add(self.harness.text)

    def check(self) -> None:
        document = self.harness.editor.document
        for position in (document.cursor, *(document.selection or ())):
            assert position.offset in boundaries(document.lines[position.line])
        canvas = self.harness.screen.render(self.harness.size)
        rows = [b"".join(run[2] for run in row).decode() for row in canvas.content()]
        assert len(rows) == self.harness.size[1]
        for row in rows:
            assert text_columns(row) == self.harness.size[0]
            assert not any(unicodedata.category(each) == "Cc" for each in row)
        if canvas.cursor is not None:
            assert 0 <= canvas.cursor[0] < self.harness.size[0]
            assert 0 <= canvas.cursor[1] < self.harness.size[1]

    def check_journal(self) -> None:
        """Assert that replaying all changes gives the text."""
        replayed = Lines(self.first)
        for change, inserted in self.journal:
            replayed.replace(change.start, change.end, inserted)
        assert replayed.text() == self.harness.text


def key(name: str) -> Callable[[Machine], None]:
    def act(machine: Machine) -> None:
        model = Model.of(machine.harness)
        machine.harness.press(name)
        text = machine.harness.text
        match KEYS.get(name):
            case Command.NEW_LINE:
                assert text == model.text_with("\n")
            case Command.TAB:
                assert text == model.text_with("\t")
            case Command.DELETE_BEFORE | Command.DELETE_AFTER as command:
                assert text == model.erase(command is Command.DELETE_BEFORE)
            case Command.UNDO | Command.REDO:
                assert text in machine.seen
            case _:
                assert text == (model.text_with(without_controls(name)) if len(name) == 1 else model.text)

    return act


def paste(text: str) -> Callable[[Machine], None]:
    def act(machine: Machine) -> None:
        expected = Model.of(machine.harness).text_with(text)
        machine.harness.editor.paste(text)
        assert machine.harness.text == expected

    return act


def mouse(event: str, button: int, column: int, row: int) -> Callable[[Machine], None]:
    def act(machine: Machine) -> None:
        text = machine.harness.text
        machine.harness.mouse(event, column, row, button)
        assert machine.harness.text == text

    return act


def resize(columns: int, rows: int) -> Callable[[Machine], None]:
    def act(machine: Machine) -> None:
        machine.harness.size = (columns, rows)

    return act


def speak(event: str, utterance: int, words: str) -> Callable[[Machine], None]:
    def act(machine: Machine) -> None:
        dictation, before = machine.harness.editor.dictation, machine.harness.text
        match event:
            case "begin":
                dictation.begin((0, utterance))
            case "partial":
                dictation.set_partial((0, utterance), words)
            case "discard":
                dictation.discard((0, utterance))
            case "end without final":
                dictation.insert_partials(0)
                return  # several are inserted
            case "final":
                inserted = dictation.insert_final((0, utterance), words)
                after = machine.harness.text
                assert any(after == before[:at] + inserted + before[at:] for at in range(len(before) + 1))
                return
        assert machine.harness.text == before

    return act


def receive(codes: bytes) -> Callable[[Machine], None]:
    """Feed bytes from the terminal, valid or garbage."""

    def act(machine: Machine) -> None:
        screen, size = machine.harness.screen, machine.harness.size

        def hand_on(keys: list[object], _raw: object) -> None:
            for each in keys:
                if isinstance(each, str):
                    screen.keypress(size, each)
                else:
                    assert isinstance(each, tuple)
                    event, button, column, row = each
                    screen.mouse_event(size, event, button, column, row, True)

        pending = [*machine.terminal._partial_codes, *codes]
        machine.terminal._partial_codes = []
        machine.terminal.parse_input(machine.clock, hand_on, pending)
        machine.clock.pass_time()

    return act


characters = st.one_of(st.characters(), st.sampled_from([each for fragment in FRAGMENTS for each in fragment]))
keys = st.one_of(st.sampled_from([*KEYS, *MOVE_KEYS, *SELECTION_KEYS, "f12", "meta x", "<0>"]), characters)
coordinates = st.one_of(st.integers(-1, 50), st.sampled_from([-(2**40), 2**40]))
sequences = st.one_of(
    st.binary(max_size=12),
    st.sampled_from(
        [PASTE_START, PASTE_END, b"\x1b", b"\x1b[M\xff\xff\xff", b"\x1b[<", b"\xc2", b"\x9b", b"\xed\xa0\x80"]
    ),
    st.tuples(st.integers(-1, 200), coordinates, coordinates, st.sampled_from("Mm")).map(
        lambda each: f"\x1b[<{each[0]};{each[1]};{each[2]}{each[3]}".encode()
    ),
    texts.map(str.encode),
)
actions = st.one_of(
    keys.map(key),
    keys.map(key),
    st.one_of(texts, mixed_ends, st.text(max_size=10)).map(paste),
    st.tuples(st.sampled_from(["press", "drag", "release"]), st.integers(0, 5), coordinates, coordinates).map(
        lambda each: mouse(*each)
    ),
    st.tuples(st.integers(1, 60), st.integers(1, 12)).map(lambda each: resize(*each)),
    st.tuples(
        st.sampled_from(["begin", "partial", "final", "discard", "end without final"]),
        st.integers(0, 3),
        st.one_of(texts, st.text(max_size=8)),
    ).map(lambda each: speak(*each)),
    st.lists(sequences, max_size=6).map(b"".join).map(receive),
)


@settings(max_examples=CASES, deadline=None)
@given(mixed_ends, st.lists(actions, max_size=40))
def test_any_sequence_of_inputs_leaves_the_same_text_as_a_plain_string_model(
    text: str, inputs: list[Callable[[Machine], None]]
) -> None:
    machine = Machine(text)
    for action in inputs:
        machine.apply(action)
    machine.check_journal()
    document = machine.harness.editor.document
    last = _all(document.redo, document)
    assert _all(document.undo, document) == text
    assert _all(document.redo, document) == last


def _all(step: Callable[[], bool], document: Document) -> str:
    """Repeat the step until there is none; return the text."""
    while step():
        pass
    return document.text()
