"""Bodies of OpenAI's responses: JSON, subtitles and options."""

from __future__ import annotations

from dataclasses import replace

import pytest

from stt_service.errors import InvalidRequestError
from stt_service.http.openai.errors import error_object
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
    ("value", "code"),
    [
        ("en", "en"),
        ("en-US", "en"),
        ("Russian", "ru"),
        ("pt_BR", "pt"),
        (" de ", "de"),
        ("nb-NO", "no"),
        ("iw", "he"),
        ("jv", "jw"),
        ("fil-PH", "tl"),
        ("auto", "auto"),
    ],
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
        (
            {"stream": ["true"], "response_format": ["srt"]},
            "Invalid stream='true': requires response_format json, not srt.",
        ),
        ({"prompt": ["x" * 2001]}, "Invalid prompt='x+[.]+x+': must be at most 2000 characters, not 2001."),
        ({"keywords": ["x"] * 101}, "Invalid keywords: 101 entries, must be at most 100."),
        ({"keywords": ["x" * 999] * 2 + ["x"]}, "Invalid keywords: 2003 characters with separators, must be at most"),
        ({"languages": ["en", "klingon"]}, "Invalid languages='klingon'"),
        ({"chunking_strategy": ["{}"]}, "must be 'auto' or a JSON object with type server_vad"),
        ({"chunking_strategy": ['{"type": "server_vad", "threshold": 2}']}, "must be a number from 0 to 1"),
    ],
)
def test_invalid_option_is_rejected_with_its_valid_values(fields: dict[str, list[str]], message: str) -> None:
    with pytest.raises(InvalidRequestError, match=message) as raised:
        parse_options(fields, translate=False)
    (name, *_) = fields
    param = error_object(raised.value)["param"]
    assert isinstance(param, str)
    assert param.startswith(name) or param == "response_format"


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


def test_transcription_without_a_language_has_that_of_the_server() -> None:
    assert not parse_options({}, translate=False).settings.HasField("language")
    assert not parse_options({"language": [""]}, translate=False).settings.HasField("language")


def test_language_is_detected_for_several_languages_and_for_translations_without_one() -> None:
    assert parse_options({"languages": ["en", "de"]}, translate=False).settings.language == "auto"
    assert parse_options({}, translate=True).settings.language == "auto"


def test_unknown_format_is_rejected() -> None:
    with pytest.raises(InvalidRequestError, match="response_format"):
        parse_format("")


def test_verbose_json_has_only_the_requested_timestamps() -> None:
    assert "segments" not in as_verbose_json(RESULT, segments=False, words=True)
    assert "words" not in as_verbose_json(RESULT, segments=True, words=False)


def test_verbose_segment_has_the_fields_of_its_final() -> None:
    result = Transcription([RESULT.finals[0], replace(RESULT.finals[1], confidence=0.0)], 4.2, "translate")
    body = as_verbose_json(result, segments=True, words=False)
    assert body["task"] == "translate"
    assert isinstance(body["segments"], list)
    second = body["segments"][1]
    assert (second["id"], second["seek"], second["start"], second["end"]) == (1, 200, 2.0, 3.5)
    assert second["avg_logprob"] == pytest.approx(-20.72, abs=0.01)  # of the least probability: a finite number
    repeated = as_verbose_json(Transcription([final("no " * 50)], 30, "transcribe"), segments=True, words=False)
    assert isinstance(repeated["segments"], list)
    assert repeated["segments"][0]["compression_ratio"] > 5


def test_language_without_a_name_is_its_code() -> None:
    result = Transcription([final("A", language="xx")], 1, "transcribe")
    assert as_verbose_json(result, segments=False, words=False)["language"] == "xx"


def test_logprobs_of_impossible_and_repeated_words_are_finite_and_in_order() -> None:
    said = final("no yes no")
    result = Transcription([replace(said, words=(replace(said.words[0], probability=0.0), *said.words[1:]))], 2, "x")
    entries = as_json(result, with_logprobs=True)["logprobs"]
    assert isinstance(entries, list)
    assert [entry["token"] for entry in entries] == ["no", " yes", " no"]
    assert entries[1]["bytes"] == list(b" yes")
    assert entries[0]["logprob"] == pytest.approx(-20.72, abs=0.01)


def test_times_of_words_are_in_milliseconds() -> None:
    body = as_verbose_json(Transcription([final("a b c", word_s=1 / 3)], 1, "transcribe"), segments=False, words=True)
    assert isinstance(body["words"], list)
    assert [(word["start"], word["end"]) for word in body["words"]] == [(0.0, 0.333), (0.333, 0.667), (0.667, 1.0)]


@pytest.mark.parametrize(
    ("fields", "needs_words"),
    [
        ({}, False),
        ({"response_format": ["srt"]}, True),
        ({"response_format": ["vtt"]}, True),
        ({"response_format": ["verbose_json"]}, False),
        ({"response_format": ["verbose_json"], "timestamp_granularities": ["word"]}, True),
        ({"include": ["logprobs"]}, True),
    ],
)
def test_words_are_aligned_only_for_responses_that_have_their_times_or_probabilities(
    fields: dict[str, list[str]], needs_words: bool
) -> None:
    assert parse_options(fields, translate=False).needs_words is needs_words


@pytest.mark.parametrize(
    ("granularities", "segments", "words"),
    [([], True, False), (["word"], False, True), (["segment"], True, False), (["word", "segment"], True, True)],
)
def test_segments_are_the_default_granularity(granularities: list[str], segments: bool, words: bool) -> None:
    fields = {"response_format": ["verbose_json"], "timestamp_granularities": granularities}
    options = parse_options(fields, translate=False)
    assert (options.segments, options.words) == (segments, words)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"known_speaker_names": ["Ann"]}, "speakers are not distinguished"),
        ({"known_speaker_references": ["data:"]}, "speakers are not distinguished"),
        ({"temperature": ["1.5"]}, "must be a number from 0 to 1"),
        ({"temperature": ["nan"]}, "must be a number from 0 to 1"),
        ({"response_format": ["verbose_json"], "timestamp_granularities": ["letter"]}, "must be segment or word"),
        ({"chunking_strategy": ['{"type": "server_vad", "threshold": true}']}, "must be a number from 0 to 1"),
        ({"chunking_strategy": ['{"type": "server_vad", "silence_duration_ms": 99}']}, "from 100 to 10000"),
        ({"chunking_strategy": ['{"type": "server_vad", "silence_duration_ms": 10001}']}, "from 100 to 10000"),
    ],
)
def test_other_invalid_option_is_rejected(fields: dict[str, list[str]], message: str) -> None:
    with pytest.raises(InvalidRequestError, match=message):
        parse_options(fields, translate=False)


def test_automatic_chunking_has_the_settings_of_the_server() -> None:
    settings = parse_options({"chunking_strategy": ["auto"]}, translate=False).settings
    assert settings == parse_options({}, translate=False).settings


def test_repeated_values_of_an_option() -> None:
    fields = {"languages": ["en", "English"], "keywords": ["", "Bob"], "stream": ["false", "true"]}
    options = parse_options(fields, translate=False)
    assert (options.settings.language, list(options.settings.hotwords), options.stream) == ("en", ["Bob"], True)
    assert not parse_options({"stream": ["false"]}, translate=False).stream


def test_subtitles_of_any_time_and_text_are_well_formed() -> None:
    late = replace(final("Tom & Jerry", 3 * 3600 + 5 * 60 + 7.25), words=())
    assert vtt([late]) == "WEBVTT\n\n03:05:07.250 --> 03:05:08.750\nTom &amp; Jerry\n\n"
    broken = replace(final("a"), text="one\n\ntwo", words=(), end_ms=0)
    assert srt([broken]) == "1\n00:00:00,000 --> 00:00:00,001\none two\n\n"


def test_cue_is_limited_in_time_and_in_characters() -> None:
    assert [cue.text for cue in cues([final("a b c d", word_s=2.5)])] == ["a b", "c d"]
    assert [len(cue.text) for cue in cues([final(" ".join(["x" * 40] * 3), word_s=0.1)])] == [81, 40]


def test_repeated_words_are_located_one_after_the_other() -> None:
    assert [(cue.text, cue.start_s) for cue in cues([final("no no, no no.", word_s=2.5)])] == [
        ("no no,", 0.0),
        ("no no.", 5.0),
    ]


def test_text_before_the_first_word_belongs_to_the_first_cue() -> None:
    said = replace(final("no"), text="- no")
    assert [cue.text for cue in cues([said])] == ["- no"]
