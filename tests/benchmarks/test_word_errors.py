"""The measure of what goes wrong at the seams of finals: it has to see it, or 0 means nothing."""

from __future__ import annotations

from benchmarks.harness.word_errors import Seams, WordErrors, count_errors, normalize, seams

SAID = "one two three four five six".split()


def found(*finals: str) -> Seams:
    """Return what is wrong with these finals, where the offline transcript has every word."""
    return seams(SAID, SAID, [final.split() for final in finals])


def test_whole_finals_lose_and_double_nothing() -> None:
    assert found("one two three", "four five six") == Seams((), ())


def test_a_word_that_is_missing_beside_a_seam_is_lost() -> None:
    assert found("one two", "four five six").lost == ("three",)
    assert found("one two three", "five six").lost == ("four",)


def test_a_word_that_was_heard_as_another_is_not_lost() -> None:
    assert found("one two tree", "four five six").lost == ()


def test_a_word_that_is_missing_elsewhere_is_not_the_seams() -> None:
    assert found("one three", "four five six").lost == ()


def test_a_word_that_the_offline_transcript_misses_too_is_not_lost() -> None:
    assert seams(SAID, "one two four five six".split(), [["one", "two"], ["four", "five", "six"]]).lost == ()


def test_words_on_both_sides_of_a_seam_are_doubled() -> None:
    assert found("one two three", "three four five six").doubled == ("three",)
    assert "two three" in found("one two three", "two three four five six").doubled


def test_words_that_were_said_twice_are_not_doubled() -> None:
    said = "no no yes".split()
    assert seams(said, said, [["no"], ["no", "yes"]]).doubled == ()


def test_numbers_count_as_they_are_spoken() -> None:
    assert normalize("1, 2 and the 15th", "en") == "one two and the fifteenth".split()
    assert count_errors(normalize("Пять ёлок", "ru"), normalize("5 елок.", "ru")) == WordErrors(0, 2)
