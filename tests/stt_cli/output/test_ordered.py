"""Sources that run at once write in their order, each as soon as it may."""

from __future__ import annotations

from contextlib import ExitStack

from hypothesis import given
from hypothesis import strategies as st

from stt_cli.output.ordered import OrderedOutput
from stt_cli.output.writers import Output
from stt_client.errors import OutputError


class Written:
    """Outputs that keep all in one list, with where each source's begins and ends; one of them may be full."""

    def __init__(self, full: str = "") -> None:
        self.all = list[str]()
        self._full = full

    def open(self, source_name: str, opening: str) -> Output:
        self.all.append(f"<{opening}{source_name}")
        return WrittenOne(self.all, source_name, is_full=source_name == self._full)

    def close(self) -> str | None:
        return None


class WrittenOne:
    def __init__(self, written: list[str], name: str, is_full: bool) -> None:
        self._written = written
        self._name = name
        self._is_full = is_full

    def write(self, text: str) -> None:
        if self._is_full:
            raise OutputError(f"{self._name} is full.")
        self._written.append(text)

    def close(self, is_complete: bool) -> str | None:
        self._written.append(f"{self._name}{'>' if is_complete else '…'}")
        return None if is_complete else f"{self._name} is incomplete."


class Report:
    """Keeps what is reported of outputs."""

    def __init__(self) -> None:
        self.begun, self.noted, self.rescued = list[str](), list[str](), list[str]()

    def begins(self, name: str) -> None:
        self.begun.append(name)

    def note(self, sentence: str) -> None:
        self.noted.append(sentence)

    def failed(self, error: OutputError) -> None:
        self.noted.append(f"Error: {error}")

    def rescue(self, text: str) -> None:
        self.rescued.append(text)


def test_the_first_writes_at_once_and_the_second_waits_for_it() -> None:
    written, report = Written(), Report()
    turns = OrderedOutput(written, 2, report)
    with turns.turn(1) as second:
        with turns.turn(0) as first:
            second.begin("b")
            second.write("2")
            first.begin("a")
            first.write("1")
            assert (written.all, report.begun) == (["<a", "1"], ["a"])
            first.complete()
        assert written.all == ["<a", "1", "a>", "<b", "2"]
        second.write("3")
        second.complete()
    assert written.all[-2:] == ["3", "b>"]
    assert report.begun == ["a", "b"]
    assert not turns.has_failed


def test_one_that_never_began_leaves_nothing_and_holds_up_nobody() -> None:
    written = Written()
    turns = OrderedOutput(written, 2, Report())
    with turns.turn(0):
        pass
    with turns.turn(1) as second:
        second.begin("b", "opening ")
        second.complete()
    assert written.all == ["<opening b", "b>"]


def test_source_that_ends_without_completing_leaves_an_incomplete_output() -> None:
    written, report = Written(), Report()
    turns = OrderedOutput(written, 1, report)
    with turns.turn(0) as turn:
        turn.begin("a")
        turn.write("1")
    assert (written.all, report.noted) == (["<a", "1", "a…"], ["a is incomplete."])


def test_output_that_fails_hands_its_text_to_the_report_and_leaves_the_others_alone() -> None:
    written, report = Written(full="a"), Report()
    turns = OrderedOutput(written, 2, report)
    with turns.turn(1) as second, turns.turn(0) as first:
        second.begin("b")
        second.write("3")
        first.begin("a")
        for text in ("1", "2"):
            first.write(text)
        first.complete()
        second.complete()
    assert written.all == ["<a", "a…", "<b", "3", "b>"]
    assert (report.noted, report.rescued) == (["Error: a is full.", "a is incomplete."], ["1", "2"])
    assert turns.has_failed


@given(st.permutations([(place, step) for place in range(4) for step in ("begin", "write", "end")]))
def test_whatever_comes_first_the_order_is_that_of_the_sources(steps: list[tuple[int, str]]) -> None:
    written = Written()
    turns = OrderedOutput(written, 4, Report())
    stacks = [ExitStack() for _ in range(4)]
    places = [stack.enter_context(turns.turn(place)) for place, stack in enumerate(stacks)]
    expected = list[str]()
    begun, done = set[int](), set[int]()
    texts: dict[int, list[str]] = {place: [] for place in range(4)}
    for place, step in steps:
        if place in done:
            continue
        if step == "begin":
            places[place].begin(str(place))
            begun.add(place)
        elif step == "write":
            places[place].write("text")
            texts[place].append("text")
        else:
            places[place].complete()
            stacks[place].close()
            done.add(place)
    for turn, stack in zip(places, stacks, strict=True):
        turn.complete()
        stack.close()
    for place in sorted(begun):
        expected += [f"<{place}", *texts[place], f"{place}>"]
    assert written.all == expected
