"""What is stable is never taken back; drawn as hypotheses and what each makes stable."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stt_service.session.stabilizer import Hypothesis, Stabilizer, StabilizerConfig, letters, units

LAW = settings(derandomize=True, deadline=None, max_examples=300)
AT_ONCE = StabilizerConfig(min_agreements=2, held_back_units=0)


def hypotheses(*texts: str, config: StabilizerConfig = AT_ONCE) -> list[Hypothesis]:
    stabiliser = Stabilizer(config)
    return [stabiliser.add_hypothesis(text) for text in texts]


def stable(*texts: str, config: StabilizerConfig = AT_ONCE) -> list[str]:
    return [each.stable for each in hypotheses(*texts, config=config)]


def test_what_two_hypotheses_begin_with_is_stable() -> None:
    assert hypotheses("мама мыла", "мама мыла раму") == [
        Hypothesis("", "мама мыла"),
        Hypothesis("мама мыла", " раму"),
    ]


def test_where_they_differ_nothing_more_is_stable() -> None:
    assert stable("мама мыла раму", "мама мыла руку") == ["", "мама мыла"]


def test_as_many_must_agree_as_the_configuration_says() -> None:
    three = StabilizerConfig(min_agreements=3, held_back_units=0)
    assert stable("раз", "раз два", "раз два", "раз два", config=three) == ["", "", "раз", "раз два"]


def test_one_hypothesis_may_be_enough() -> None:
    assert stable("раз два три", config=StabilizerConfig(min_agreements=1, held_back_units=1)) == ["раз два"]


def test_hypotheses_must_lie_as_far_apart_as_the_configuration_says() -> None:
    """However many came in between: on a fast machine they come five times a second."""
    stabiliser = Stabilizer(StabilizerConfig(min_agreements=2, min_span_frames=10, held_back_units=0))
    assert [stabiliser.add_hypothesis("раз два", at).stable for at in (0, 4, 8, 10)] == ["", "", "", "раз два"]


def test_a_difference_counts_for_as_long_as_it_lies_within_the_span() -> None:
    stabiliser = Stabilizer(StabilizerConfig(min_agreements=2, min_span_frames=10, held_back_units=0))
    texts = [(0, "раз"), (4, "рас"), (10, "раз"), (14, "раз"), (19, "раз"), (20, "раз")]
    assert [stabiliser.add_hypothesis(text, at).stable for at, text in texts] == ["", "", "", "", "", "раз"]


def test_only_successive_hypotheses_agree() -> None:
    assert stable("раз два", "раз три", "раз два", "раз два") == ["", "раз", "раз", "раз два"]


@pytest.mark.parametrize(("held_back", "prefix"), [(0, "раз два три"), (1, "раз два"), (2, "раз"), (3, "")])
def test_the_newest_words_are_held_back(held_back: int, prefix: str) -> None:
    config = StabilizerConfig(min_agreements=2, held_back_units=held_back)
    assert stable("раз два три", "раз два три", config=config)[-1] == prefix


def test_case_and_punctuation_do_not_keep_words_from_agreeing() -> None:
    assert hypotheses("Привет мир", "привет, Мир! Как")[-1] == Hypothesis("привет, Мир!", " Как")


@pytest.mark.parametrize(
    ("one", "other"),
    [("— Привет, Анна", "Привет, Анна"), ("Москва — столица", "Москва столица"), ("你好，世界", "你好世界")],
)
def test_punctuation_that_comes_and_goes_does_not_keep_words_from_agreeing(one: str, other: str) -> None:
    assert stable(one, other)[-1] == other
    assert stable(other, one)[-1] == one


def test_what_is_stable_keeps_the_spelling_it_had() -> None:
    assert hypotheses("привет мир", "привет мир", "Привет, Мир! Как")[-1] == Hypothesis("привет мир", " Как")


def test_a_mark_above_a_letter_makes_another_word() -> None:
    assert stable("राम की", "राम का")[-1] == "राम"


def test_chinese_is_stable_sign_by_sign() -> None:
    assert hypotheses("今天天气", "今天天很好") == [Hypothesis("", "今天天气"), Hypothesis("今天天", "很好")]


def test_words_among_chinese_signs_stay_whole() -> None:
    config = StabilizerConfig(min_agreements=2, held_back_units=1)
    assert hypotheses("我用Python写", "我用Python写", config=config)[-1] == Hypothesis("我用Python", "写")


@pytest.mark.parametrize(
    ("before", "after", "rest"),
    [
        pytest.param("Москва столица", "Москва — столица России", " России", id="a dash that comes"),
        pytest.param("Москва — столица", "Москва столица России", " России", id="a dash that goes"),
        pytest.param("привет", "— Привет, Анна", " Анна", id="a dash at the beginning"),
        pytest.param("你好", "你，好吗", "吗", id="a comma without a space"),
        pytest.param("мама раму", "мама мыла раму долго", " долго", id="a word put in"),
        pytest.param("мама мыла раму", "мама раму долго", " долго", id="a word left out"),
        pytest.param("мама мыла раму", "мама била раму долго", " долго", id="a word changed"),
        pytest.param("мама мыла раму", "мама", "", id="nearly all left out"),
        pytest.param("мама мыла раму", "", "", id="all left out"),
    ],
)
def test_a_change_of_mind_about_stable_words_neither_doubles_nor_loses_the_rest(
    before: str, after: str, rest: str
) -> None:
    assert hypotheses(before, before, after)[-1] == Hypothesis(before, rest)


def test_a_repeated_word_is_told_as_often_as_it_was_said() -> None:
    assert hypotheses("да", "да", "да да", "да да да")[-1] == Hypothesis("да да", " да")


def test_space_around_the_text_is_not_told() -> None:
    assert hypotheses("  раз два ", " раз два  три\n")[-1] == Hypothesis("раз два", "  три")


@pytest.mark.parametrize(
    ("text", "key"),
    [
        pytest.param("— Привет, Мир!", "приветмир", id="neither case nor punctuation"),
        pytest.param("10,000 ok", "10000ok", id="digits are letters"),
        pytest.param("की", "की", id="a mark belongs to its letter"),
        pytest.param("…", "", id="nothing"),
    ],
)
def test_texts_are_told_apart_by_their_letters(text: str, key: str) -> None:
    assert letters(text) == key


@pytest.mark.parametrize("text", ["раз — два, три", "что-то там", "今天天气，很好", "我用Python写 ok"])
def test_units_are_the_text_in_pieces(text: str) -> None:
    assert "".join(units(text)) == text


def test_a_unit_is_a_word_or_a_sign() -> None:
    assert units("— Что-то — там") == ["— Что-то —", " там"]
    assert units("今天 ok") == ["今", "天", " ok"]


SAMPLES = ["мама", "Мама,", "мыла", "раму.", "—", "你", "好，", "ok", "की"]
WORDS = st.lists(st.sampled_from(SAMPLES), max_size=8)
TEXTS = WORDS.map(" ".join) | WORDS.map("".join)
CONFIGS = st.builds(StabilizerConfig, min_agreements=st.integers(1, 3), held_back_units=st.integers(0, 3))


@LAW
@given(st.lists(TEXTS, max_size=12), CONFIGS)
def test_stable_only_ever_grows(texts: list[str], config: StabilizerConfig) -> None:
    before = ""
    for now in stable(*texts, config=config):
        assert now.startswith(before)
        before = now


@LAW
@given(st.lists(st.tuples(st.integers(0, 20), TEXTS), max_size=12), CONFIGS, st.integers(0, 50))
def test_nothing_is_stable_that_was_not_said_for_the_span(
    steps: list[tuple[int, str]], config: StabilizerConfig, span: int
) -> None:
    """Each unit becomes stable with hypotheses all of which say it, the first as long ago as the span."""
    stabiliser, now, before = Stabilizer(replace(config, min_span_frames=span)), 0, ""
    said_at: list[tuple[int, str]] = []
    for gap, text in steps:
        now += gap
        said_at.append((now, text))
        stable = stabiliser.add_hypothesis(text, now).stable
        assert stable.startswith(before)
        if stable != before:
            late = [earlier for at, earlier in said_at if at > now - span] + [
                earlier for at, earlier in said_at if at <= now - span
            ][-1:]
            assert len(said_at) >= config.min_agreements
            assert said_at[0][0] <= now - span
            new = letters(units(stable)[-1])
            assert all(new in letters(earlier) for earlier in late)
        before = stable


@LAW
@given(TEXTS, st.data(), CONFIGS)
def test_hypotheses_that_only_grow_are_shown_as_they_are(
    text: str, data: st.DataObject, config: StabilizerConfig
) -> None:
    """A text never grows by a lone dash: a unit that is stable keeps the punctuation it had then."""
    words = text.split(" ")
    whole = [length for length in range(1, len(words) + 1) if length == len(words) or letters(words[length])]
    lengths = sorted(data.draw(st.lists(st.sampled_from(whole), max_size=8)))
    texts = [" ".join(words[:length]) for length in lengths]
    assert [each.stable + each.unstable for each in hypotheses(*texts, config=config)] == texts


@LAW
@given(TEXTS, CONFIGS)
def test_a_text_said_often_enough_is_stable_but_for_what_is_held_back(text: str, config: StabilizerConfig) -> None:
    *_, last = hypotheses(*[text] * config.min_agreements, config=config)
    assert last.stable + last.unstable == text
    if not config.held_back_units:
        assert last == Hypothesis(text, "")


# What is settled


def test_what_is_settled_is_stable_at_once() -> None:
    stabiliser = Stabilizer(StabilizerConfig())
    stabiliser.add_hypothesis("мама мыла ра")
    stabiliser.commit("Мама мыла раму.")
    assert stabiliser.add_hypothesis("Мама мыла раму. Она") == Hypothesis("Мама мыла раму.", " Она")


def test_what_is_settled_takes_no_stable_word_back_and_doubles_none() -> None:
    stabiliser = Stabilizer(StabilizerConfig(min_agreements=1, held_back_units=0))
    stabiliser.add_hypothesis("мама мала")
    stabiliser.commit("Мама мыла раму.")
    assert stabiliser.add_hypothesis("Мама мыла раму.").stable == "мама мала раму."


def test_after_it_new_hypotheses_have_to_agree_among_themselves() -> None:
    stabiliser = Stabilizer(StabilizerConfig(min_agreements=2, held_back_units=0))
    stabiliser.add_hypothesis("мама мыла")
    stabiliser.commit("мама")
    assert stabiliser.add_hypothesis("мама мыла").stable == "мама"
    assert stabiliser.add_hypothesis("мама мыла").stable == "мама мыла"
