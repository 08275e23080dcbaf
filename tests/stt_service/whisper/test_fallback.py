"""Decodes that are repeated, and the measure of repetition in every script."""

from __future__ import annotations

from dataclasses import replace

import pytest

from stt_service.whisper.fallback import MAX_COMPRESSION_RATIO, DecodeAttempt, DecodeEnd, compression_ratio, is_doubled
from tests.support.models.sample_texts import SAMPLE_TEXTS

GOOD = DecodeAttempt((1, 2), "Good morning.", -0.3, 0.02, 1.0)


def test_clear_decode_needs_no_fallback() -> None:
    assert not GOOD.needs_fallback


@pytest.mark.parametrize(
    "decoded",
    [
        pytest.param(replace(GOOD, compression_ratio=2.5), id="repetitive"),
        pytest.param(replace(GOOD, end=DecodeEnd.TOKEN_LIMIT), id="at its token limit"),
        pytest.param(replace(GOOD, average_log_probability=-1.1), id="unsure"),
        pytest.param(replace(GOOD, doubled=True), id="a word written twice"),
    ],
)
def test_doubtful_decode_needs_fallback(decoded: DecodeAttempt) -> None:
    assert decoded.needs_fallback


def test_unsure_decode_of_silence_needs_no_fallback() -> None:
    assert not replace(GOOD, average_log_probability=-1.1, no_speech_probability=0.7).needs_fallback


def test_text_that_fills_the_context_needs_no_fallback() -> None:
    assert not replace(GOOD, end=DecodeEnd.CONTEXT_FULL).needs_fallback


def test_repetitive_text_compresses_well() -> None:
    assert compression_ratio("and so on " * 20) > MAX_COMPRESSION_RATIO
    assert compression_ratio("and so my fellow Americans ask not") < MAX_COMPRESSION_RATIO


@pytest.mark.parametrize("language", SAMPLE_TEXTS)
def test_prose_of_28_seconds_is_not_repetitive_in_any_script(language: str) -> None:
    assert compression_ratio(SAMPLE_TEXTS[language][: 20 * 28]) < MAX_COMPRESSION_RATIO


@pytest.mark.parametrize("language", SAMPLE_TEXTS)
def test_loop_is_repetitive_in_any_script(language: str) -> None:
    assert compression_ratio(SAMPLE_TEXTS[language][:20] * 8) > MAX_COMPRESSION_RATIO


def test_text_of_more_than_256_characters_has_a_ratio() -> None:
    assert compression_ratio("".join(map(chr, range(0x4E00, 0x4E00 + 300)))) < MAX_COMPRESSION_RATIO


def test_ratio_does_not_depend_on_the_bytes_of_a_letter() -> None:
    text = "мама мыла раму, папа читал газету"
    shifted = "".join(chr(ord(letter) + 0x600) for letter in text)
    assert compression_ratio(shifted) == compression_ratio(text)


@pytest.mark.parametrize(
    ("text", "doubled"),
    [("Golf Golf", True), ("eight Eight", True), ("Old messages old messages", True), ("no no no", False), ("", False)],
)
def test_is_doubled_where_the_text_is_the_same_words_twice(text: str, doubled: bool) -> None:
    assert is_doubled(text) is doubled
