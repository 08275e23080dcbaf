"""Sources that run at once write in their order, each as soon as it may."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from hypothesis import given
from hypothesis import strategies as st

from stt_cli.outputs import Write
from stt_cli.turns import Turns


class Written:
    """Outputs that keep all in one list, with where each source's begins and ends."""

    def __init__(self) -> None:
        self.all = list[str]()

    @contextmanager
    def open(self, source_name: str) -> Iterator[Write]:
        self.all.append(f"<{source_name}")
        yield self.all.append
        self.all.append(f"{source_name}>")


def test_the_first_writes_at_once_and_the_second_waits_for_it() -> None:
    written, told = Written(), list[str]()
    turns = Turns(written, 2, told.append)
    with turns.turn(1) as second:
        with turns.turn(0) as first:
            second.begin("b")
            second.write("2")
            first.begin("a")
            first.write("1")
            assert (written.all, told) == (["<a", "1"], ["a"])
        assert written.all == ["<a", "1", "a>", "<b", "2"]
        second.write("3")
    assert written.all[-2:] == ["3", "b>"]
    assert told == ["a", "b"]


def test_one_that_never_began_leaves_nothing_and_holds_up_nobody() -> None:
    written = Written()
    turns = Turns(written, 2, lambda _: None)
    with turns.turn(0):
        pass
    with turns.turn(1) as second:
        second.begin("b")
    assert written.all == ["<b", "b>"]


@given(st.permutations([(place, step) for place in range(4) for step in ("begin", "write", "end")]))
def test_whatever_comes_first_the_order_is_that_of_the_sources(steps: list[tuple[int, str]]) -> None:
    written = Written()
    turns = Turns(written, 4, lambda _: None)
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
            stacks[place].close()
            done.add(place)
    for stack in stacks:
        stack.close()
    for place in sorted(begun):
        expected += [f"<{place}", *texts[place], f"{place}>"]
    assert written.all == expected
