"""Concurrent sources write in their order, each as early as possible."""

from __future__ import annotations

from contextlib import ExitStack

from hypothesis import given
from hypothesis import strategies as st

from stt_cli.output.ordered import OrderedOutput
from stt_cli.output.writers import Output
from stt_client.errors import OutputError


class RecordingOutputs:
    """Outputs that append to one list, with marks where each source starts and ends; one of them may be full."""

    def __init__(self, full: str = "") -> None:
        self.all = list[str]()
        self._full = full

    def open(self, source_name: str, opening: str) -> Output:
        self.all.append(f"<{opening}{source_name}")
        return RecordingOutput(self.all, source_name, is_full=source_name == self._full)

    def close(self) -> str | None:
        return None


class RecordingOutput:
    def __init__(self, log: list[str], name: str, is_full: bool) -> None:
        self._written = log
        self._name = name
        self._is_full = is_full

    def write(self, text: str) -> None:
        if self._is_full:
            raise OutputError(f"{self._name} is full.")
        self._written.append(text)

    def close(self, is_complete: bool) -> str | None:
        self._written.append(f"{self._name}{'>' if is_complete else '…'}")
        return None if is_complete else f"{self._name} is incomplete."


class RecordingReport:
    """Records the reports about outputs."""

    def __init__(self) -> None:
        self.started, self.messages, self.fallback_text = list[str](), list[str](), list[str]()

    def source_started(self, name: str) -> None:
        self.started.append(name)

    def info(self, message: str) -> None:
        self.messages.append(message)

    def output_failed(self, error: OutputError) -> None:
        self.messages.append(f"Error: {error}")

    def write_fallback(self, text: str) -> None:
        self.fallback_text.append(text)


def test_first_source_writes_immediately_and_second_waits_for_it() -> None:
    log, report = RecordingOutputs(), RecordingReport()
    ordered_output = OrderedOutput(log, 2, report)
    with ordered_output.slot(1) as second:
        with ordered_output.slot(0) as first:
            second.start("b")
            second.write("2")
            first.start("a")
            first.write("1")
            assert (log.all, report.started) == (["<a", "1"], ["a"])
            first.complete()
        assert log.all == ["<a", "1", "a>", "<b", "2"]
        second.write("3")
        second.complete()
    assert log.all[-2:] == ["3", "b>"]
    assert report.started == ["a", "b"]
    assert not ordered_output.has_failed


def test_source_that_never_started_writes_nothing_and_blocks_no_other() -> None:
    log = RecordingOutputs()
    ordered_output = OrderedOutput(log, 2, RecordingReport())
    with ordered_output.slot(0):
        pass
    with ordered_output.slot(1) as second:
        second.start("b", "opening ")
        second.complete()
    assert log.all == ["<opening b", "b>"]


def test_source_that_ends_without_completing_leaves_an_incomplete_output() -> None:
    log, report = RecordingOutputs(), RecordingReport()
    ordered_output = OrderedOutput(log, 1, report)
    with ordered_output.slot(0) as slot:
        slot.start("a")
        slot.write("1")
    assert (log.all, report.messages) == (["<a", "1", "a…"], ["a is incomplete."])


def test_failed_output_passes_its_text_to_the_report_only() -> None:
    log, report = RecordingOutputs(full="a"), RecordingReport()
    ordered_output = OrderedOutput(log, 2, report)
    with ordered_output.slot(1) as second, ordered_output.slot(0) as first:
        second.start("b")
        second.write("3")
        first.start("a")
        for text in ("1", "2"):
            first.write(text)
        first.complete()
        second.complete()
    assert log.all == ["<a", "a…", "<b", "3", "b>"]
    assert (report.messages, report.fallback_text) == (["Error: a is full.", "a is incomplete."], ["1", "2"])
    assert ordered_output.has_failed


@given(st.permutations([(index, step) for index in range(4) for step in ("begin", "write", "end")]))
def test_output_order_is_the_order_of_the_sources(steps: list[tuple[int, str]]) -> None:
    log = RecordingOutputs()
    ordered_output = OrderedOutput(log, 4, RecordingReport())
    stacks = [ExitStack() for _ in range(4)]
    slots = [stack.enter_context(ordered_output.slot(index)) for index, stack in enumerate(stacks)]
    expected = list[str]()
    started_slots, finished = set[int](), set[int]()
    texts: dict[int, list[str]] = {index: [] for index in range(4)}
    for index, step in steps:
        if index in finished:
            continue
        if step == "begin":
            slots[index].start(str(index))
            started_slots.add(index)
        elif step == "write":
            slots[index].write("text")
            texts[index].append("text")
        else:
            slots[index].complete()
            stacks[index].close()
            finished.add(index)
    for slot, stack in zip(slots, stacks, strict=True):
        slot.complete()
        stack.close()
    for index in sorted(started_slots):
        expected += [f"<{index}", *texts[index], f"{index}>"]
    assert log.all == expected
