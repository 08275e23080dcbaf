"""Pastes, however the terminal's input is cut into pieces."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from stt_tui.terminal import PASTE_END, PASTE_START, Terminal


class Clock:
    """Stands in for the loop: knows what is to happen if nothing comes for long."""

    def __init__(self) -> None:
        self.alarms = list[Callable[[], None]]()

    def alarm(self, _seconds: float, callback: Callable[[], None]) -> Callable[[], None]:
        self.alarms.append(callback)
        return callback

    def remove_alarm(self, alarm: Callable[[], None]) -> None:
        self.alarms.remove(alarm)

    def pass_time(self) -> None:
        while self.alarms:
            self.alarms.pop()()


def heard(*pieces: bytes | None) -> list[str]:
    """Return keys and pastes, these in angle brackets, in the order in which they came; None is a long silence."""
    events, clock = list[str](), Clock()
    terminal = Terminal(lambda text: events.append(f"<{text}>"))
    for piece in pieces:
        if piece is None:
            clock.pass_time()
            continue
        codes = [*terminal._partial_codes, *piece]
        terminal._partial_codes = []
        terminal.parse_input(clock, lambda keys, _raw: events.extend(map(str, keys)), codes)
    assert len(clock.alarms) <= 1
    return events


def test_a_paste_whose_end_was_lost_is_taken_as_it_came_and_keys_are_keys_again() -> None:
    assert heard(PASTE_START + b"one", b" two", None, b"c\x11") == ["<one two>", "c", "ctrl q"]
    assert heard(PASTE_START, None, b"c") == ["c"]
    assert heard(PASTE_START + b"one" + PASTE_END, None, b"c") == ["<one>", "c"]


def test_a_paste_comes_whole() -> None:
    assert heard(b"a" + PASTE_START + "два\nthree".encode() + PASTE_END + b"b") == ["a", "<два\nthree>", "b"]


@given(st.lists(st.integers(0, 60)))
def test_a_paste_in_pieces_is_one(cuts: list[int]) -> None:
    whole = b"a" + PASTE_START + "два\x1b[A[20".encode() + PASTE_END + b"b"
    begin = 1 + len(PASTE_START)
    places = sorted({0, len(whole), *(cut for cut in cuts if begin <= cut < len(whole))})
    assert heard(*(whole[start:end] for start, end in pairwise(places))) == ["a", "<два\x1b[A[20>", "b"]


def test_two_pastes_at_once_are_two() -> None:
    assert heard((PASTE_START + b"a" + PASTE_END) * 2) == ["<a>", "<a>"]


def test_a_burst_without_brackets_is_a_paste() -> None:
    assert heard(b"x" * 100) == [f"<{'x' * 100}>"]


def test_keys_are_keys() -> None:
    assert heard(b"ab\x1b[1;2D\x1b[5~\x03\x13") == ["a", "b", "shift left", "page up", "ctrl c", "ctrl s"]
