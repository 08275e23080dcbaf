"""Conversion between text positions and screen cells."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from stt_tui.layout import Cell, Layout, Preedit, Row
from stt_tui.lines import Lines, Position
from tests.support.terminal.tui_texts import boundaries, texts

widths = st.integers(min_value=3, max_value=20)


@st.composite
def lines_with_preedits(draw: st.DrawFn) -> tuple[Lines, list[Preedit]]:
    """Draw lines, and preedits between their characters."""
    lines = Lines(draw(texts))
    positions = [Position(line, each) for line in range(len(lines)) for each in boundaries(lines[line])]
    at = sorted(draw(st.sets(st.sampled_from(positions), max_size=3)))
    return lines, [Preedit(each, f" {draw(st.sampled_from(['что', 'said so far']))} ") for each in at]


def all_rows(layout: Layout) -> list[Row]:
    row: Row | None = Row(0, 0)
    rows = list[Row]()
    while row is not None:
        rows.append(row)
        row = layout.below(row)
    return rows


@given(lines_with_preedits(), widths)
def test_position_of_its_own_cell_is_the_position(text: tuple[Lines, list[Preedit]], columns: int) -> None:
    lines, preedits = text
    layout = Layout(lines, columns)
    layout.set_preedits(preedits)
    for line in range(len(lines)):
        for offset in boundaries(lines[line]):
            assert layout.position(layout.cell(Position(line, offset))) == Position(line, offset)


@given(lines_with_preedits(), widths, st.integers(0, 30))
def test_every_cell_maps_to_a_grapheme_boundary(text: tuple[Lines, list[Preedit]], columns: int, column: int) -> None:
    lines, preedits = text
    layout = Layout(lines, columns)
    layout.set_preedits(preedits)
    for row in all_rows(layout):
        position = layout.position(Cell(row, column))
        assert position.line == row.line
        assert position.offset in boundaries(lines[row.line])


@given(lines_with_preedits(), widths)
def test_rows_show_the_text_with_its_preedits(text: tuple[Lines, list[Preedit]], columns: int) -> None:
    lines, preedits = text
    layout = Layout(lines, columns)
    layout.set_preedits(preedits)
    for preedit in reversed(preedits):
        lines = Lines(lines.text())
        lines.replace(preedit.at, preedit.at, preedit.text)
    shown = [""] * len(lines)
    for row in all_rows(layout):
        bounds = layout.range(row)
        assert bounds is not None
        shown[row.line] += layout.shown_line(row.line)[slice(*bounds)]
    assert shown == lines.text().split("\n")


@given(lines_with_preedits(), lines_with_preedits(), widths, st.data())
def test_layout_updated_by_a_change_equals_a_new_layout(
    text: tuple[Lines, list[Preedit]], other: tuple[Lines, list[Preedit]], columns: int, data: st.DataObject
) -> None:
    lines, preedits = text
    layout = Layout(lines, columns)
    layout.set_preedits(preedits)
    all_rows(layout)
    start, end, at = (lines.clamp(Position(*data.draw(st.tuples(st.integers(0, 9), st.integers(0, 9))))) for _ in "123")
    start, end = sorted((start, end))
    change = lines.replace(start, end, other[0].text())
    at = lines.clamp(at)
    layout.apply_change(change, [Preedit(at, "now")])
    fresh = Layout(lines, columns)
    fresh.set_preedits([Preedit(at, "now")])
    assert [layout.range(row) for row in all_rows(layout)] == [fresh.range(row) for row in all_rows(fresh)]
    assert all_rows(layout) == all_rows(fresh)


@given(lines_with_preedits(), widths)
def test_above_is_the_inverse_of_below(text: tuple[Lines, list[Preedit]], columns: int) -> None:
    layout = Layout(text[0], columns)
    layout.set_preedits(text[1])
    rows = all_rows(layout)
    assert [layout.above(row) for row in rows] == [None, *rows[:-1]]


def test_cells_of_a_preedit_map_to_its_position() -> None:
    layout = Layout(Lines("Said. Unsaid."), 40)
    layout.set_preedits([Preedit(Position(0, 5), " Being said.")])
    assert {layout.position(Cell(Row(0, 0), column)) for column in range(5, 17)} == {Position(0, 5)}
    assert layout.position(Cell(Row(0, 0), 18)) == Position(0, 6)


def test_right_half_of_a_wide_character_maps_to_the_position_after_it() -> None:
    layout = Layout(Lines("漢字"), 40)
    assert [layout.position(Cell(Row(0, 0), column)).offset for column in range(5)] == [0, 1, 1, 2, 2]
