"""The benchmark of short utterances: its set, its comparison of texts, its table and its noise."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lab.short_utterances import manifest, recordings
from lab.short_utterances.manifest import LANGUAGES, load, spread
from lab.short_utterances.outcome import Outcome, classify, normalize
from lab.short_utterances.recordings import RecordingsError
from lab.short_utterances.report import Result, table
from lab.short_utterances.variants import AFTER_S, BEFORE_S, NOISE_DBFS, VARIANTS, lead, padded

EIGHT = ("eight", "8", "ate")
SET = load()


def test_set_has_at_least_75_utterances_of_each_language() -> None:
    assert all(sum(each.language == language for each in SET) >= 75 for language in LANGUAGES)
    assert {each.language for each in SET} == set(LANGUAGES)


def test_set_names_and_texts_are_unique() -> None:
    assert len({each.name for each in SET}) == len(SET)
    assert len({(each.language, normalize(each.text)) for each in SET}) == len(SET)


def test_every_reference_has_one_to_three_words() -> None:
    assert [each.name for each in SET if not 1 <= len(each.text.split()) <= 3] == []


def test_no_accepted_text_is_empty_or_listed_twice() -> None:
    written = {each.name: [normalize(text) for text in each.accepted] for each in SET}
    assert [name for name, words in written.items() if not all(words)] == []
    assert [name for name, words in written.items() if len(set(words)) != len(words)] == []


def test_manifest_with_a_wrong_header_is_rejected(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.tsv"
    wrong.write_text("file\ttext\n")
    with pytest.raises(ValueError, match="header"):
        load(wrong)


def test_manifest_line_with_too_many_columns_is_rejected(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.tsv"
    wrong.write_text("\t".join(manifest.HEADER) + "\nen\ta.wav\ta\tb\tc\n")
    with pytest.raises(ValueError, match="three or four columns"):
        load(wrong)


def test_spread_takes_evenly_from_the_whole_list() -> None:
    assert spread(SET, 4) == [SET[i * len(SET) // 4] for i in range(4)]
    assert spread(SET, None) == spread(SET, len(SET) + 1) == SET


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Eight.", ("eight",)),
        ("До свида\u0301ния!", ("до", "свидания")),
        ("Ещё — раз…", ("еще", "раз")),
        ("o'clock, o’clock", ("oclock", "oclock")),
        ("X-ray", ("x", "ray")),
        ("5%", ("5", "%")),
        ("$", ("$",)),
        (" ... ", ()),
        ("", ()),
    ],
)
def test_normalize_keeps_words_and_drops_case_punctuation_and_stress(text: str, words: tuple[str, ...]) -> None:
    assert normalize(text) == words


@pytest.mark.parametrize(
    ("text", "accepted", "outcome"),
    [
        ("Eight.", EIGHT, Outcome.EXACT),
        ("8", EIGHT, Outcome.EXACT),
        ("A.M.", ("a.m.",), Outcome.EXACT),
        ("AM", ("a.m.", "AM"), Outcome.EXACT),
        ("На мочень жаль.", ("нам очень жаль",), Outcome.WRONG),
        ("Ещё", ("еще",), Outcome.EXACT),
        ("8 8", EIGHT, Outcome.DOUBLED),
        ("Eight. Eight. Eight.", EIGHT, Outcome.DOUBLED),
        ("Eight 8", EIGHT, Outcome.DOUBLED),
        ("Thank you. Thank you for watching.", ("thank you",), Outcome.DOUBLED),
        ("Ей. Ей.", EIGHT, Outcome.DOUBLED),
        ("Five five", ("five five", "5 5"), Outcome.EXACT),
        ("Five five five", ("five five", "5 5"), Outcome.WRONG),
        ("88", EIGHT, Outcome.WRONG),
        ("Height.", EIGHT, Outcome.WRONG),
        ("Eight o'clock", EIGHT, Outcome.WRONG),
    ],
)
def test_text_is_exact_doubled_or_wrong(text: str, accepted: tuple[str, ...], outcome: Outcome) -> None:
    assert classify(text, accepted) is outcome


def test_utterance_without_text_is_lost_or_suppressed() -> None:
    assert classify(" . ", EIGHT) is Outcome.LOST
    assert classify("", EIGHT, suppressed=True) is Outcome.SUPPRESSED


def test_text_counts_where_another_part_of_the_utterance_was_suppressed() -> None:
    assert classify("8", EIGHT, suppressed=True) is Outcome.EXACT


GOT = Result("en-digits-8", "en", "plain", "eight", "8 8", "doubled", (), (), ("en",), 200.0, "8", "exact")


def test_table_counts_outcomes_reasons_the_shared_exact_ones_and_the_median_cost() -> None:
    results = [
        GOT,
        replace(GOT, text="8", outcome="exact", inference_ms=400.0),
        replace(GOT, text="", outcome="suppressed", reasons=("NO_SPEECH",), inference_ms=None),
        replace(GOT, outcome="exact", faster_whisper="", faster_whisper_outcome="lost"),
    ]
    ours, theirs = table(results).splitlines()[2:]
    assert ours == "| en | plain | this project | 4 | 2 | 1 | 0 | 1 (NO_SPEECH 1) | 0 | 1 of 3, 33.3 % | 200 |"
    assert theirs == "| | | faster-whisper, full windows | 4 | 3 | 0 | 1 | 0 | 0 | | |"


def test_result_shows_both_texts_and_suppressions() -> None:
    result = replace(GOT, text="", outcome="suppressed", reasons=("NO_SPEECH",), suppressed_texts=("Eight.",))
    assert str(result) == ("plain en-digits-8 'eight': suppressed '', NO_SPEECH 'Eight.'; faster-whisper: exact '8'")


def test_table_has_rows_for_each_language_and_variant() -> None:
    rows = table([GOT, replace(GOT, language="ru"), replace(GOT, variant="prompt")]).splitlines()[2::2]
    assert [row.split(" | ")[:2] for row in rows] == [["| en", "plain"], ["| en", "prompt"], ["| ru", "plain"]]


def test_utterance_stands_in_silence_of_fixed_length() -> None:
    pcm = b"\x01\x02" * 100
    assert padded(pcm, VARIANTS["plain"]) == bytes(int(32_000 * BEFORE_S)) + pcm + bytes(int(32_000 * AFTER_S))


def test_noise_has_its_level_and_is_always_the_same() -> None:
    noisy = padded(bytes(320_000), VARIANTS["noise"])
    samples = np.frombuffer(noisy, "<i2") / 32_768
    assert 20 * np.log10(np.sqrt(np.mean(samples**2))) == pytest.approx(NOISE_DBFS, abs=0.5)
    assert noisy == padded(bytes(320_000), VARIANTS["noise"])


@pytest.mark.parametrize("language", LANGUAGES)
def test_only_auto_has_a_sentence_before_the_utterance(language: str) -> None:
    assert lead(language, VARIANTS["auto"])
    assert not lead(language, VARIANTS["plain"])


def test_missing_apt_is_named_with_the_package_and_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RecordingsError, match=r"apt-get is missing.*asterisk-core-sounds-en-wav.*into"):
        recordings.pcm(SET[0])


def test_missing_prompt_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    (recordings.cache_folder() / recordings.PACKAGES["en"]).mkdir(parents=True)
    with pytest.raises(RecordingsError, match=r"digits/0\.wav is missing"):
        recordings.pcm(SET[0])
