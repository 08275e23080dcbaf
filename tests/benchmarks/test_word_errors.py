"""Word errors, and words lost or doubled at the boundaries of finals."""

from __future__ import annotations

import jiwer
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.harness.word_errors import BoundaryErrors, WordErrors, boundary_errors, count_errors, normalize

REFERENCE = "one two three four five six".split()


def errors_of(*finals: str) -> BoundaryErrors:
    """Return the errors at the boundaries of these finals; the offline transcript has every word."""
    return boundary_errors(REFERENCE, REFERENCE, [final.split() for final in finals])


def test_complete_finals_have_no_boundary_errors() -> None:
    assert errors_of("one two three", "four five six") == BoundaryErrors((), ())


def test_word_missing_at_a_boundary_is_lost() -> None:
    assert errors_of("one two", "four five six").lost == ("three",)
    assert errors_of("one two three", "five six").lost == ("four",)


def test_misrecognized_word_is_not_lost() -> None:
    assert errors_of("one two tree", "four five six").lost == ()


def test_word_missing_elsewhere_is_not_counted_at_a_boundary() -> None:
    assert errors_of("one three", "four five six").lost == ()


def test_word_missing_in_the_offline_transcript_too_is_not_lost() -> None:
    assert (
        boundary_errors(REFERENCE, "one two four five six".split(), [["one", "two"], ["four", "five", "six"]]).lost
        == ()
    )


def test_word_on_both_sides_of_a_boundary_is_doubled() -> None:
    assert errors_of("one two three", "three four five six").doubled == ("three",)
    assert "two three" in errors_of("one two three", "two three four five six").doubled


def test_word_repeated_in_the_reference_is_not_doubled() -> None:
    words = "no no yes".split()
    assert boundary_errors(words, words, [["no"], ["no", "yes"]]).doubled == ()


def test_numbers_are_compared_as_spoken_words() -> None:
    assert normalize("1, 2 and the 15th", "en") == "one two and the fifteenth".split()
    assert count_errors(normalize("Пять ёлок", "ru"), normalize("5 елок.", "ru")) == WordErrors(0, 2)


_TEXTS = st.lists(st.sampled_from("one two three four five".split()), min_size=1, max_size=12)


@given(_TEXTS, _TEXTS)
def test_word_errors_match_jiwer(reference: list[str], text: list[str]) -> None:
    counted = jiwer.process_words(" ".join(reference), " ".join(text))
    errors = counted.substitutions + counted.deletions + counted.insertions
    assert count_errors(reference, text) == WordErrors(errors, len(reference))
