"""Stable text is never removed: sequences of hypotheses and the stable text after each."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stt_service.session.stabilizer import Hypothesis, Stability, Stabilizer, StabilizerConfig, letters, units
from stt_service.settings.schema import frames

PROPERTY = settings(derandomize=True, deadline=None, max_examples=300)
TWO_AGREE = StabilizerConfig(min_agreements=2, held_back_units=0)


def hypotheses(*texts: str, config: StabilizerConfig = TWO_AGREE) -> list[Hypothesis]:
    stabilizer = Stabilizer(config)
    return [stabilizer.add_hypothesis(text) for text in texts]


def stable(*texts: str, config: StabilizerConfig = TWO_AGREE) -> list[str]:
    return [each.stable for each in hypotheses(*texts, config=config)]


def test_common_prefix_of_two_hypotheses_is_stable() -> None:
    assert hypotheses("мама мыла", "мама мыла раму") == [
        Hypothesis("", "мама мыла"),
        Hypothesis("мама мыла", " раму"),
    ]


def test_text_after_a_difference_is_not_stable() -> None:
    assert stable("мама мыла раму", "мама мыла руку") == ["", "мама мыла"]


def test_number_of_agreements_is_configurable() -> None:
    three = StabilizerConfig(min_agreements=3, held_back_units=0)
    assert stable("раз", "раз два", "раз два", "раз два", config=three) == ["", "", "раз", "раз два"]


def test_one_hypothesis_may_be_enough() -> None:
    assert stable("раз два три", config=StabilizerConfig(min_agreements=1, held_back_units=1)) == ["раз два"]


def test_agreeing_hypotheses_must_cover_the_minimum_span() -> None:
    """The number of hypotheses in between does not matter: a fast machine makes five per second."""
    stabilizer = Stabilizer(StabilizerConfig(min_agreements=2, min_span_frames=10, held_back_units=0))
    assert [stabilizer.add_hypothesis("раз два", at).stable for at in (0, 4, 8, 10)] == ["", "", "", "раз два"]


def test_difference_within_the_span_prevents_agreement() -> None:
    stabilizer = Stabilizer(StabilizerConfig(min_agreements=2, min_span_frames=10, held_back_units=0))
    texts = [(0, "раз"), (4, "рас"), (10, "раз"), (14, "раз"), (19, "раз"), (20, "раз")]
    assert [stabilizer.add_hypothesis(text, at).stable for at, text in texts] == ["", "", "", "", "", "раз"]


def test_only_successive_hypotheses_count() -> None:
    assert stable("раз два", "раз три", "раз два", "раз два") == ["", "раз", "раз", "раз два"]


@pytest.mark.parametrize(("held_back", "prefix"), [(0, "раз два три"), (1, "раз два"), (2, "раз"), (3, "")])
def test_the_newest_words_are_held_back(held_back: int, prefix: str) -> None:
    config = StabilizerConfig(min_agreements=2, held_back_units=held_back)
    assert stable("раз два три", "раз два три", config=config)[-1] == prefix


def test_words_agree_regardless_of_case_and_punctuation() -> None:
    assert hypotheses("Привет мир", "привет, Мир! Как")[-1] == Hypothesis("привет, Мир!", " Как")


@pytest.mark.parametrize(
    ("one", "other"),
    [("— Привет, Анна", "Привет, Анна"), ("Москва — столица", "Москва столица"), ("你好，世界", "你好世界")],
)
def test_words_agree_when_punctuation_appears_or_disappears(one: str, other: str) -> None:
    assert stable(one, other)[-1] == other
    assert stable(other, one)[-1] == one


def test_stable_text_keeps_its_spelling() -> None:
    assert hypotheses("привет мир", "привет мир", "Привет, Мир! Как")[-1] == Hypothesis("привет мир", " Как")


def test_mark_on_a_letter_makes_a_different_word() -> None:
    assert stable("राम की", "राम का")[-1] == "राम"


def test_chinese_becomes_stable_character_by_character() -> None:
    assert hypotheses("今天天气", "今天天很好") == [Hypothesis("", "今天天气"), Hypothesis("今天天", "很好")]


def test_words_among_chinese_characters_are_one_unit() -> None:
    config = StabilizerConfig(min_agreements=2, held_back_units=1)
    assert hypotheses("我用Python写", "我用Python写", config=config)[-1] == Hypothesis("我用Python", "写")


@pytest.mark.parametrize(
    ("before", "after", "rest"),
    [
        pytest.param("Москва столица", "Москва — столица России", " России", id="a dash appears"),
        pytest.param("Москва — столица", "Москва столица России", " России", id="a dash disappears"),
        pytest.param("привет", "— Привет, Анна", " Анна", id="a dash at the beginning"),
        pytest.param("你好", "你，好吗", "吗", id="a comma without a space"),
        pytest.param("мама раму", "мама мыла раму долго", " долго", id="an inserted word"),
        pytest.param("мама мыла раму", "мама раму долго", " долго", id="an omitted word"),
        pytest.param("мама мыла раму", "мама била раму долго", " долго", id="a changed word"),
        pytest.param("мама мыла раму", "мама", "", id="almost all words omitted"),
        pytest.param("мама мыла раму", "", "", id="all words omitted"),
    ],
)
def test_changed_stable_words_neither_repeat_nor_lose_the_rest(before: str, after: str, rest: str) -> None:
    assert hypotheses(before, before, after)[-1] == Hypothesis(before, rest)


def test_repeated_word_appears_as_often_as_in_the_hypothesis() -> None:
    assert hypotheses("да", "да", "да да", "да да да")[-1] == Hypothesis("да да", " да")


def test_space_around_the_text_is_removed() -> None:
    assert hypotheses("  раз два ", " раз два  три\n")[-1] == Hypothesis("раз два", "  три")


@pytest.mark.parametrize(
    ("text", "key"),
    [
        pytest.param("— Привет, Мир!", "приветмир", id="neither case nor punctuation"),
        pytest.param("10,000 ok", "10000ok", id="digits are letters"),
        pytest.param("की", "की", id="a mark belongs to its letter"),
        pytest.param("…", "", id="no letters"),
    ],
)
def test_letters_returns_the_characters_that_distinguish_texts(text: str, key: str) -> None:
    assert letters(text) == key


@pytest.mark.parametrize("text", ["раз — два, три", "что-то там", "今天天气，很好", "我用Python写 ok"])
def test_units_join_to_the_text(text: str) -> None:
    assert "".join(units(text)) == text


def test_unit_is_a_word_or_a_character() -> None:
    assert units("— Что-то — там") == ["— Что-то —", " там"]
    assert units("今天 ok") == ["今", "天", " ok"]


SAMPLES = ["мама", "Мама,", "мыла", "раму.", "—", "你", "好，", "ok", "की"]
WORDS = st.lists(st.sampled_from(SAMPLES), max_size=8)
TEXTS = WORDS.map(" ".join) | WORDS.map("".join)
CONFIGS = st.builds(StabilizerConfig, min_agreements=st.integers(1, 6), held_back_units=st.integers(0, 4))


@PROPERTY
@given(st.lists(TEXTS, max_size=12), CONFIGS)
def test_stable_only_ever_grows(texts: list[str], config: StabilizerConfig) -> None:
    before = ""
    for now in stable(*texts, config=config):
        assert now.startswith(before)
        before = now


@PROPERTY
@given(st.lists(st.tuples(st.integers(0, 20), TEXTS), max_size=12), CONFIGS, st.integers(0, 50))
def test_stable_units_were_in_all_hypotheses_of_the_span(
    steps: list[tuple[int, str]], config: StabilizerConfig, span: int
) -> None:
    """A unit becomes stable when all hypotheses within the span contain it."""
    stabilizer, now, before = Stabilizer(replace(config, min_span_frames=span)), 0, ""
    added: list[tuple[int, str]] = []
    for gap, text in steps:
        now += gap
        added.append((now, text))
        stable = stabilizer.add_hypothesis(text, now).stable
        assert stable.startswith(before)
        if stable != before:
            late = [earlier for at, earlier in added if at > now - span] + [
                earlier for at, earlier in added if at <= now - span
            ][-1:]
            assert len(added) >= config.min_agreements
            assert added[0][0] <= now - span
            new = letters(units(stable)[-1])
            assert all(new in letters(earlier) for earlier in late)
        before = stable


@PROPERTY
@given(TEXTS, st.data(), CONFIGS)
def test_growing_hypotheses_are_shown_unchanged(text: str, data: st.DataObject, config: StabilizerConfig) -> None:
    """The texts do not grow by a single dash: a stable unit keeps the punctuation that it had when it became stable.

    So `мама` and `мама —` are both shown as `мама` once the word is stable. Showing the dash would change the partials
    of other texts.
    """
    words = text.split(" ")
    whole = [length for length in range(1, len(words) + 1) if length == len(words) or letters(words[length])]
    lengths = sorted(data.draw(st.lists(st.sampled_from(whole), max_size=8)))
    texts = [" ".join(words[:length]) for length in lengths]
    assert [each.stable + each.unstable for each in hypotheses(*texts, config=config)] == texts


@PROPERTY
@given(TEXTS, CONFIGS)
def test_repeated_text_is_stable_except_the_held_back_units(text: str, config: StabilizerConfig) -> None:
    *_, last = hypotheses(*[text] * config.min_agreements, config=config)
    assert last.stable + last.unstable == text
    if not config.held_back_units:
        assert last == Hypothesis(text, "")


# Strengths

MEASURED_PERIOD = frames(0.4)  # between hypotheses: docs/measurements.md


@pytest.mark.parametrize(
    ("stability", "agreements", "withheld"),
    [
        (Stability.VERY_LOW, 2, 1),
        (Stability.LOW, 2, 2),
        (Stability.MEDIUM, 4, 4),
        (Stability.HIGH, 5, 4),
        (Stability.VERY_HIGH, 6, 4),
        (Stability.DEFAULT, 6, 4),
    ],
)
def test_stability_is_a_row_of_the_measurement(stability: Stability, agreements: int, withheld: int) -> None:
    stabilizer, text = Stabilizer(stability.value), "раз два три четыре пять шесть"
    first = MEASURED_PERIOD + 1
    stable = [stabilizer.add_hypothesis(text, first * at).stable for at in range(agreements)]
    assert stable == [*[""] * (agreements - 1), " ".join(text.split()[:-withheld])]


@PROPERTY
@given(st.lists(st.tuples(st.integers(1, 40), TEXTS), max_size=20), st.sampled_from(Stability))
def test_stable_text_of_every_stability_only_grows_and_is_kept(
    steps: list[tuple[int, str]], stability: Stability
) -> None:
    stabilizer, now, before = Stabilizer(stability.value), 0, ""
    for gap, text in steps:
        now += gap
        hypothesis = stabilizer.add_hypothesis(text, now)
        assert hypothesis.stable.startswith(before)
        before = hypothesis.stable


@PROPERTY
@given(st.lists(st.integers(1, 20), min_size=1, max_size=30), st.lists(st.integers(0, 3), max_size=30))
def test_higher_stability_never_shows_a_growing_text_earlier(gaps: list[int], words: list[int]) -> None:
    order = (Stability.VERY_LOW, Stability.LOW, Stability.MEDIUM, Stability.HIGH, Stability.VERY_HIGH)
    stabilizers, now, text = [Stabilizer(each.value) for each in order], 0, "w"
    for gap, count in zip(gaps, words, strict=False):
        now, text = now + gap, text + " w" * count
        lengths = [len(each.add_hypothesis(text, now).stable) for each in stabilizers]
        assert lengths == sorted(lengths, reverse=True)


# Committed text


def test_committed_text_is_stable_immediately() -> None:
    stabilizer = Stabilizer(StabilizerConfig())
    stabilizer.add_hypothesis("мама мыла ра")
    stabilizer.commit("Мама мыла раму.")
    assert stabilizer.add_hypothesis("Мама мыла раму. Она") == Hypothesis("Мама мыла раму.", " Она")


def test_committed_text_neither_removes_nor_repeats_stable_words() -> None:
    stabilizer = Stabilizer(StabilizerConfig(min_agreements=1, held_back_units=0))
    stabilizer.add_hypothesis("мама мала")
    stabilizer.commit("Мама мыла раму.")
    assert stabilizer.add_hypothesis("Мама мыла раму.").stable == "мама мала раму."


def test_hypotheses_after_a_commit_must_agree_among_themselves() -> None:
    stabilizer = Stabilizer(StabilizerConfig(min_agreements=2, held_back_units=0))
    stabilizer.add_hypothesis("мама мыла")
    stabilizer.commit("мама")
    assert stabilizer.add_hypothesis("мама мыла").stable == "мама"
    assert stabilizer.add_hypothesis("мама мыла").stable == "мама мыла"
