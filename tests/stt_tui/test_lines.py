"""Lines and their ends: LF and CRLF may be mixed, and each is kept until its line break is removed."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from stt_tui.document import Document
from stt_tui.lines import Lines, Position
from tests.support.terminal.tui_texts import mixed_ends

MIXED = "a\nb\nc\r\nd\n"


@given(mixed_ends)
def test_text_with_mixed_line_ends_is_returned_unchanged(text: str) -> None:
    lines = Lines(text)
    assert lines.text() == text
    assert lines.between(Position(0, 0), lines.end) == text
    assert not any("\n" in lines[line] for line in range(len(lines)))


@given(mixed_ends, mixed_ends, st.data())
def test_change_keeps_all_other_line_ends(text: str, added: str, data: st.DataObject) -> None:
    lines, positions = Lines(text), list[Position]()
    for _ in range(2):
        line = data.draw(st.integers(0, len(lines) - 1))
        positions.append(Position(line, data.draw(st.integers(0, len(lines[line])))))
    start, end = sorted(positions)
    before, after = lines.between(Position(0, 0), start), lines.between(end, lines.end)
    change = lines.replace(start, end, added)
    assert lines.text() == before + added + after
    assert lines.between(Position(0, 0), change.new_end) == before + added


@given(mixed_ends, mixed_ends)
def test_undo_restores_the_line_ends(text: str, pasted: str) -> None:
    document = Document(text)
    document.select_all()
    document.paste(pasted.replace("\r\n", "\n"))
    while document.undo():
        pass
    assert document.text() == text


def test_new_line_uses_the_line_end_of_its_line() -> None:
    document = Document(MIXED)
    for line in (2, 0):
        document.move(Position(line, 1))
        document.type("\n")
    document.move(document.lines.end)
    document.paste("e\nf")
    assert document.text() == "a\n\nb\nc\r\n\r\nd\ne\nf"


def test_line_added_to_a_crlf_file_ends_with_crlf() -> None:
    document = Document("a\r\n")
    document.move(document.lines.end)
    document.type("b")
    document.type("\n")
    assert document.text() == "a\r\nb\r\n"


def test_typing_at_the_end_of_a_line_keeps_its_line_end() -> None:
    document = Document(MIXED)
    document.move(Position(2, 1))
    document.type("!")
    assert document.text() == "a\nb\nc!\r\nd\n"


def test_joining_lines_removes_one_line_end_and_keeps_the_other() -> None:
    document = Document(MIXED)
    document.move(Position(2, 0))
    document.delete_before()
    assert document.text() == "a\nbc\r\nd\n"
    document.delete_after()
    document.delete_after()
    assert document.text() == "a\nbd\n"


def test_cr_without_lf_is_part_of_its_line() -> None:
    lines = Lines("a\rb\r\r\nc\r")
    assert [lines[0], lines[1]] == ["a\rb\r", "c\r"]
    assert lines.text() == "a\rb\r\r\nc\r"
