"""Pastes, for any split of the terminal's input into chunks."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from stt_tui.terminal import PASTE_END, PASTE_START, Terminal


class Clock:
    """A stand-in for the event loop whose alarms fire on request."""

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


def parsed(*chunks: bytes | None) -> list[str]:
    """Return the parsed keys and pastes, in order, pastes in angle brackets; None is a long pause in the input."""
    events, clock = list[str](), Clock()
    terminal = Terminal(lambda text: events.append(f"<{text}>"))
    for chunk in chunks:
        if chunk is None:
            clock.pass_time()
            continue
        codes = [*terminal._partial_codes, *chunk]
        terminal._partial_codes = []
        terminal.parse_input(clock, lambda keys, _raw: events.extend(map(str, keys)), codes)
    assert len(clock.alarms) <= 1
    return events


def test_paste_without_its_end_is_inserted_and_later_keys_are_keys() -> None:
    assert parsed(PASTE_START + b"one", b" two", None, b"c\x11") == ["<one two>", "c", "ctrl q"]
    assert parsed(PASTE_START, None, b"c") == ["c"]
    assert parsed(PASTE_START + b"one" + PASTE_END, None, b"c") == ["<one>", "c"]


def test_paste_is_received_whole() -> None:
    assert parsed(b"a" + PASTE_START + "два\nthree".encode() + PASTE_END + b"b") == ["a", "<два\nthree>", "b"]


@given(st.lists(st.integers(0, 60)))
def test_paste_split_into_chunks_is_one_paste(cuts: list[int]) -> None:
    codes_with_paste = b"a" + PASTE_START + "два\x1b[A[20".encode() + PASTE_END + b"b"
    begin = 1 + len(PASTE_START)
    bounds = sorted({0, len(codes_with_paste), *(cut for cut in cuts if begin <= cut < len(codes_with_paste))})
    assert parsed(*(codes_with_paste[start:end] for start, end in pairwise(bounds))) == ["a", "<два\x1b[A[20>", "b"]


def test_two_pastes_in_one_chunk_are_two() -> None:
    assert parsed((PASTE_START + b"a" + PASTE_END) * 2) == ["<a>", "<a>"]


def test_burst_of_keys_without_brackets_is_a_paste() -> None:
    assert parsed(b"x" * 100) == [f"<{'x' * 100}>"]


def test_key_codes_are_parsed_as_keys() -> None:
    assert parsed(b"ab\x1b[1;2D\x1b[5~\x03\x13") == ["a", "b", "shift left", "page up", "ctrl c", "ctrl s"]
