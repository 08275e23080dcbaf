"""Bodies of OpenAI's responses: JSON, subtitles and options."""

from __future__ import annotations

from dataclasses import replace

import pytest

from stt_service.errors import InvalidRequestError
from stt_service.http.openai.formats import Transcription, as_json, as_verbose_json, parse_format
from stt_service.http.openai.options import parse_language, parse_options
from stt_service.http.openai.subtitles import cues, srt, vtt
from stt_service.session.events import DecodeTiming, Final
from stt_service.vad.types import Endpoint
from stt_service.whisper.types import Word


def final(text: str, start_s: float = 0.0, word_s: float = 0.5, language: str = "en") -> Final:
    words = tuple(
        Word(word, start_s + index * word_s, start_s + (index + 1) * word_s, 0.5)
        for index, word in enumerate(text.split())
    )
    end_ms = round(1000 * (start_s + len(words) * word_s))
    return Final(
        0,
        text,
        round(1000 * start_s),
        end_ms,
        language,
        1.0,
        0.5,
        words,
        Endpoint.SILENCE,
        0.7,
        False,
        DecodeTiming(0.0, 0.1, 1),
        end_ms,
    )


RESULT = Transcription([final("Hello world."), final("It is <late>.", 2.0)], 4.2, "transcribe")


def test_json_has_the_text_and_whole_seconds_of_usage() -> None:
    assert as_json(RESULT) == {
        "text": "Hello world. It is <late>.",
        "languages": [{"code": "en"}],
        "usage": {"type": "duration", "seconds": 5},
    }


def test_languages_are_those_of_the_finals_the_most_frequent_first() -> None:
    finals = [final("Да.", language="ru"), final("Yes.", language="en"), final("Yes.", language="en")]
    assert as_json(Transcription(finals, 3, "transcribe"))["languages"] == [{"code": "en"}, {"code": "ru"}]
    assert as_json(Transcription([], 3, "transcribe"))["languages"] == []


def test_tokens_of_logprobs_together_are_the_text() -> None:
    entries = as_json(RESULT, with_logprobs=True)["logprobs"]
    assert isinstance(entries, list)
    assert [entry["token"] for entry in entries] == ["Hello", " world.", " It", " is", " <late>."]
    assert entries[0]["logprob"] == pytest.approx(-0.693, abs=0.001)


def test_verbose_json_has_the_english_name_of_the_language_and_each_final_as_a_segment() -> None:
    body = as_verbose_json(RESULT, segments=True, words=True)
    assert (body["language"], body["duration"], body["task"]) == ("english", 4.2, "transcribe")
    assert isinstance(body["segments"], list)
    assert [segment["start"] for segment in body["segments"]] == [0.0, 2.0]
    assert isinstance(body["words"], list)
    assert body["words"][1] == {"word": "world.", "start": 0.5, "end": 1.0}


def test_verbose_json_of_silence_has_no_segments() -> None:
    body = as_verbose_json(Transcription([], 1.0, "transcribe"), segments=True, words=False)
    assert (body["text"], body["segments"], body["language"]) == ("", [], "")


def test_subtitles_escape_markup_only_in_webvtt() -> None:
    assert srt(RESULT.finals).endswith("2\n00:00:02,000 --> 00:00:03,500\nIt is <late>.\n\n")
    assert vtt(RESULT.finals).startswith("WEBVTT\n\n00:00:00.000 --> 00:00:01.000\nHello world.\n\n")
    assert "It is &lt;late&gt;." in vtt(RESULT.finals)


@pytest.mark.parametrize("text", ["word " * 60, "Да, это длинное предложение без конца. " * 9])
def test_cues_are_short_and_together_the_text(text: str) -> None:
    parts = list(cues([final(text.strip())]))
    assert " ".join(cue.text for cue in parts).split() == text.split()
    assert all(cue.end_s - cue.start_s <= 6.0 and len(cue.text) <= 84 for cue in parts)


def test_text_whose_words_cannot_be_located_is_one_cue() -> None:
    changed = replace(final("one two"), text="three four")
    assert [cue.text for cue in cues([changed])] == ["three four"]


@pytest.mark.parametrize(
    ("value", "code"), [("en", "en"), ("en-US", "en"), ("Russian", "ru"), ("pt_BR", "pt"), (" de ", "de")]
)
def test_languages_are_codes_or_english_names(value: str, code: str) -> None:
    assert parse_language(value) == code


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"language": ["klingon"]}, "Invalid language='klingon'"),
        ({"response_format": ["xml"]}, "must be one of json, verbose_json, text, srt, vtt"),
        ({"response_format": ["diarized_json"]}, "speakers are not distinguished"),
        ({"temperature": ["hot"]}, "Invalid temperature='hot'"),
        ({"timestamp_granularities": ["word"]}, "timestamp_granularities require verbose_json"),
        ({"include": ["everything"]}, "must be logprobs"),
        ({"stream": ["maybe"]}, "must be true or false"),
        ({"chunking_strategy": ["{}"]}, "must be 'auto' or a JSON object with type server_vad"),
        ({"chunking_strategy": ['{"type": "server_vad", "threshold": 2}']}, "must be a number from 0 to 1"),
    ],
)
def test_invalid_option_is_rejected_with_its_valid_values(fields: dict[str, list[str]], message: str) -> None:
    with pytest.raises(InvalidRequestError, match=message):
        parse_options(fields, translate=False)


def test_options_become_settings_of_the_session() -> None:
    vad = '{"type": "server_vad", "threshold": 0.9, "silence_duration_ms": 500}'
    options = parse_options(
        {"language": ["ru"], "prompt": ["Привет."], "keywords": ["Анна", "Bob"], "chunking_strategy": [vad]},
        translate=True,
    )
    settings = options.settings
    assert (settings.language, settings.initial_prompt, list(settings.hotwords)) == ("ru", "Привет.", ["Анна", "Bob"])
    assert settings.silero_sensitivity == pytest.approx(0.1)
    assert settings.post_speech_silence.ToMilliseconds() == 500
    assert settings.translate


def test_language_is_detected_unless_exactly_one_is_given() -> None:
    assert parse_options({}, translate=False).settings.language == "auto"
    assert parse_options({"languages": ["en", "de"]}, translate=False).settings.language == "auto"


def test_unknown_format_is_rejected() -> None:
    with pytest.raises(InvalidRequestError, match="response_format"):
        parse_format("")
