"""Measurement of overload: its limits, and how it parses the messages of a server and its streams."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.comparison.latency import StreamMetrics
from benchmarks.comparison.systems import Message, MessageKind
from benchmarks.harness.dictations import Dictation
from benchmarks.harness.replay import Replay
from benchmarks.recordings import Utterance
from lab.load.overload import ADMITTED, StreamGroup, StreamOutcome, differing, outcome_of, violations
from stt_service.models.loader import ModelNames, SelfTest
from stt_service.telemetry.banner import self_test_result

ONE = StreamOutcome(
    "en/talk", finals=("One.", "Two.", "Three."), metrics=StreamMetrics(final_latencies_at_pauses_s=(1.0, 1.0))
)
ALONE = StreamGroup((ONE,))
REJECTED = StreamOutcome("en/talk", rejected_s=0.004)
TALK = Dictation(Path("en/talk.wav"), "en", (Utterance("one two", 0.0, 2.0),))


def group(*outcomes: StreamOutcome) -> StreamGroup:
    return StreamGroup(outcomes)


def slow(times: float) -> StreamOutcome:
    return replace(ONE, metrics=StreamMetrics(final_latencies_at_pauses_s=(times, times)))


def test_finals_as_with_one_stream_and_quick_rejections_miss_no_limit() -> None:
    assert violations(ALONE, group(ONE, slow(1.5), REJECTED), 2) == []


@pytest.mark.parametrize(
    ("outcomes", "violation"),
    [
        pytest.param([ONE, slow(1.6), REJECTED], "MISSED: the latency is 1.6", id="late finals"),
        pytest.param(
            [ONE, ONE, replace(REJECTED, rejected_s=0.06)], "MISSED: 1 rejections took", id="a slow rejection"
        ),
        pytest.param([ONE, ONE, ONE], "MISSED: 3 streams were served, 2", id="one too many"),
        pytest.param([ONE, REJECTED, REJECTED], "MISSED: 1 streams were served, 2", id="one too few"),
        pytest.param([ONE, replace(ONE, finals=("One.", "Too.", "Three."))], "MISSED: 1 finals", id="another text"),
        pytest.param([ONE, replace(ONE, error="It broke.")], "MISSED: en/talk: It broke.", id="a stream that failed"),
    ],
)
def test_each_limit_can_be_missed(outcomes: list[StreamOutcome], violation: str) -> None:
    [message] = violations(ALONE, group(*outcomes), 2)
    assert message.startswith(violation)


def test_slow_client_makes_the_results_doubtful_and_misses_no_limit() -> None:
    [message] = violations(ALONE, replace(group(ONE), late_p99_s=0.2), 1)
    assert message.startswith("In doubt")


def test_latency_is_unknown_if_no_stream_was_admitted() -> None:
    assert violations(ALONE, group(REJECTED), 1)[-1] == "MISSED: there are no finals to measure."


@pytest.mark.parametrize(
    ("finals", "count"),
    [
        pytest.param(("One.", "Three."), 1, id="a lost final counts once, and later ones do not"),
        pytest.param(("One.", "Two.", "Two.", "Three."), 1, id="one too many"),
        pytest.param((), 3, id="no finals"),
    ],
)
def test_finals_are_compared_one_by_one(finals: tuple[str, ...], count: int) -> None:
    assert differing([replace(ONE, finals=finals)], {"en/talk": ONE}) == count


def test_outcome_has_finals_notices_and_the_rate_of_partials() -> None:
    messages = [
        Message(1.0, MessageKind.PARTIAL, "one"),
        Message(2.0, MessageKind.NOTICE, "PARTIALS_SHED: The server is busy."),
        Message(3.0, MessageKind.PARTIAL, ""),
        Message(3.0, MessageKind.FINAL, "One two."),
    ]
    outcome = outcome_of(TALK, Replay(messages=messages), passed_s=9.0, sound_s=2.0)
    assert (outcome.finals, outcome.notices, outcome.partials_per_s) == (("One two.",), ("PARTIALS_SHED",), 0.5)
    assert outcome.rejected_s is None


def test_outcome_of_a_rejected_stream_has_its_time() -> None:
    assert outcome_of(TALK, Replay(rejected="full"), passed_s=0.01, sound_s=2.0).rejected_s == 0.01


def test_log_line_of_the_server_with_its_capacity_is_parsed() -> None:
    lines = self_test_result(SelfTest(1.0, 0.5), ModelNames("base", "base"), capacity=7, max_streams=9)
    match = ADMITTED.search("\n".join(lines))
    assert match is not None
    assert match.groups() == ("7", "9")
