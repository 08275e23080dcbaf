"""The cases of tests/cases/placement.json, which the page's sheet passes as well (tests/browser)."""

from __future__ import annotations

import pytest

from stt_tui.dictated_text import Dictation, Utterance
from stt_tui.document import Document
from stt_tui.lines import Position, end_of
from tests.cases import PLACEMENT_CASES, Argument, PlacementCase


def position_in(marked: str, mark: str) -> Position:
    return end_of(Position(0, 0), marked[: marked.index(mark)])


def select(document: Document, marked: str) -> None:
    """Set cursor and selection as marked in the whole text."""
    assert marked.replace("|", "").replace("^", "") == document.text()
    cursor = position_in(marked.replace("^", ""), "|")
    if "^" in marked:
        document.select(position_in(marked.replace("|", ""), "^"), cursor)
    else:
        document.move(cursor)


def marked_text(document: Document) -> str:
    marks = [(document.cursor, "|")]
    if document.selection:
        anchor = next(end for end in document.selection if end != document.cursor)
        marks.append((anchor, "^"))
    return with_inserts(document, marks)


def with_inserts(document: Document, inserts: list[tuple[Position, str]]) -> str:
    """Return the text with strings inserted at positions; of equal positions the first string comes first."""
    lines = document.text().split("\n")
    in_order = sorted(inserts, key=lambda insert: insert[0])
    for at, text in reversed(in_order):
        lines[at.line] = lines[at.line][: at.offset] + text + lines[at.line][at.offset :]
    return "\n".join(lines)


def apply(document: Document, dictation: Dictation, action: str, *arguments: Argument) -> None:
    match action, *arguments:
        case "type", str(text):
            for key in text:
                document.type(key)
        case "paste", str(text):
            document.paste(text)
        case "move", str(marked):
            select(document, marked)
            dictation.move_to_cursor()
        case "ended", int(number):
            dictation.insert_partials(number)
        case "begin" | "suppress", of:
            {"begin": dictation.begin, "suppress": dictation.discard}[action](utterance(of))
        case "partial", of, str(text):
            dictation.set_partial(utterance(of), text)
        case "final", of, str(text):
            dictation.insert_final(utterance(of), text)
        case _:
            edit(document, action)


def edit(document: Document, action: str) -> None:
    edits = {
        "undo": document.undo,
        "redo": document.redo,
        "delete_before": document.delete_before,
        "delete_after": document.delete_after,
    }
    edits[action]()


def utterance(argument: Argument) -> Utterance:
    match argument:
        case int(number):
            return 0, number
        case [int(dictation), int(number)]:
            return dictation, number
    raise ValueError(f"Invalid utterance {argument!r}: must be a number or [dictation, number].")


@pytest.mark.parametrize("case", PLACEMENT_CASES, ids=lambda case: case.name)
def test_dictated_text_goes_where_the_case_says(case: PlacementCase) -> None:
    document = Document(case.start.replace("|", "").replace("^", ""))
    dictation = Dictation(document)
    select(document, case.start)
    for action, *arguments in case.steps:
        apply(document, dictation, action, *arguments)
    assert marked_text(document) == case.text
    if case.shown is not None:
        preedits = [(preedit.at, f"{{{preedit.text}}}") for preedit in dictation.preedits()]
        assert with_inserts(document, preedits) == case.shown
