"""Latency and accuracy of the comparison, for streams whose results are known."""

from __future__ import annotations

import pytest

from benchmarks.comparison.latency import EndpointedFinal, StreamMetrics, measure
from benchmarks.comparison.systems import Message, MessageKind
from benchmarks.recordings import Utterance

BEGAN = 100.0
# Letters and spaces take the same time: here half a second each, so words end at 1.5, 3.5 and 5.5 s.
ONE = Utterance("one two six", 0.0, 5.5)


def messages_of(*messages: tuple[float, str]) -> list[Message]:
    """Return messages given as (seconds, text): a text that ends in a period is a final, others are partials."""
    kinds = {True: MessageKind.FINAL, False: MessageKind.PARTIAL}
    return [Message(BEGAN + at_s, kinds[text.endswith(".")], text) for at_s, text in messages]


def metrics_of(*messages: tuple[float, str], utterances: tuple[Utterance, ...] = (ONE,)) -> StreamMetrics:
    return measure(messages_of(*messages), BEGAN, utterances, "en")


def test_partial_latency_of_a_word_is_the_time_from_its_end_to_its_text() -> None:
    metrics = metrics_of((2.0, "one"), (4.5, "one two"), (6.0, "one two six."))
    assert metrics.partial_latencies_s == pytest.approx((0.5, 1.0, 0.5))


def test_word_that_becomes_wrong_again_counts_from_its_last_correction() -> None:
    assert metrics_of((2.0, "one"), (3.0, "won"), (6.0, "one two six.")).partial_latencies_s == pytest.approx(
        (4.5, 2.5, 0.5)
    )


def test_word_that_is_wrong_at_the_end_has_no_latency() -> None:
    metrics = metrics_of((4.0, "one two"), (6.0, "one too six."))
    assert (len(metrics.partial_latencies_s), metrics.words_never_right, metrics.words) == (2, 1, 3)


def test_word_counts_no_earlier_than_its_start() -> None:
    assert metrics_of(
        (1.0, "one two six."),
    ).partial_latencies_s == pytest.approx((-0.5, -1.5, -1.5))


def test_repeated_word_counts_from_its_own_occurrence() -> None:
    utterances = Utterance("said the cat and the", 0.0, 10.0)
    metrics = metrics_of((5.0, "sad the"), (11.0, "said the cat and the."), utterances=(utterances,))
    assert metrics.partial_latencies_s[4] == pytest.approx(1.0)


def test_first_partial_is_the_first_with_a_correct_word() -> None:
    assert metrics_of((1.0, "uh"), (2.5, "one"), (6.0, "one two six.")).first_partials_s == pytest.approx((2.5,))


def test_each_utterance_has_its_own_first_partial() -> None:
    utterances = (ONE, Utterance("red blue", 10.0, 14.0))
    metrics = metrics_of((3.0, "one"), (7.0, "one two six."), (12.0, "red"), (15.0, "red blue."), utterances=utterances)
    assert metrics.first_partials_s == pytest.approx((3.0, 2.0))


def test_final_latency_ends_at_the_final_with_the_last_correct_word() -> None:
    assert metrics_of((4.0, "one two."), (7.0, "six."), (9.0, "again.")).final_latencies_s == pytest.approx((1.5,))


def test_utterance_with_less_than_half_of_its_words_has_no_final() -> None:
    metrics = metrics_of((7.0, "one three four."))
    assert (metrics.final_latencies_s, metrics.utterances_without_final) == ((), 1)


def test_partials_do_not_count_as_finals() -> None:
    metrics = metrics_of((7.0, "one two six"))
    assert (metrics.utterances_without_final, metrics.wer_percent) == (1, 100)


def test_only_utterances_before_a_long_pause_count_at_pauses() -> None:
    utterances = (ONE, Utterance("red blue", 6.0, 8.0), Utterance("green", 9.5, 10.0))
    metrics = metrics_of((11.0, "one two six red blue green."), utterances=utterances)
    assert metrics.final_latencies_s == pytest.approx((5.5, 3.0, 1.0))
    assert metrics.final_latencies_at_pauses_s == pytest.approx((3.0, 1.0))


def test_flicker_counts_changed_and_removed_words() -> None:
    metrics = metrics_of((2.0, "one tool"), (3.0, "one two"), (4.0, "one"), (6.0, "one two six."))
    assert (metrics.words_shown, metrics.words_changed) == (5, 2)


def test_final_equal_to_the_partial_does_not_flicker() -> None:
    assert metrics_of((2.0, "one two six"), (6.0, "One, two, six.")).words_changed == 0


def test_replacement_at_the_same_moment_does_not_flicker() -> None:
    metrics = metrics_of((2.0, "one two"), (3.0, "one."), (3.0, "two"))
    assert (metrics.words_shown, metrics.words_changed) == (2, 0)


def test_notice_is_not_text() -> None:
    notice = Message(BEGAN + 3.0, MessageKind.NOTICE, "partials thin out")
    assert measure([*messages_of((2.0, "one")), notice], BEGAN, (ONE,), "en").words_shown == 1


def test_word_errors_are_those_of_the_finals_against_the_whole_reference() -> None:
    assert metrics_of((2.0, "six"), (7.0, "one too.")).words_wrong == 2


def test_latency_after_the_decision_starts_at_the_audio_that_caused_it() -> None:
    final = EndpointedFinal(BEGAN + 6.4, MessageKind.FINAL, "one two six.", decided_s=6.2, speculative=True)
    metrics = measure([final], BEGAN, (ONE,), "en")
    assert metrics.after_decision_s == pytest.approx((0.2,))
    assert metrics.speculative_finals == 1


def test_metrics_of_several_streams_are_pooled() -> None:
    both = metrics_of((6.0, "one two six.")) + metrics_of((7.5, "one two."))
    assert both.final_latencies_s == pytest.approx((0.5, 2.0))
    assert (both.words, both.words_wrong, both.utterances) == (6, 1, 2)


def test_system_without_text_has_no_correct_word() -> None:
    metrics = metrics_of()
    assert (metrics.words_never_right, metrics.words_wrong, metrics.utterances_without_final) == (3, 3, 1)
