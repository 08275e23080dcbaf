"""Output formats: text, JSON that conforms to its schema, SRT and WebVTT as third-party parsers read them."""

from __future__ import annotations

import io
import json
import sys
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from types import FrameType

import jsonschema
import pytest
import srt
import webvtt
from hypothesis import given
from hypothesis import strategies as st

from stt_cli.output.captions import CAPTION_MS, LINE_COLUMNS, LINES, captions, display_width
from stt_cli.output.formats import create_renderer
from stt_client.events import (
    Event,
    Final,
    Latency,
    Notice,
    Partial,
    Settings,
    SpeechStarted,
    Started,
    Suppressed,
    Word,
)

SCHEMA = json.loads((Path(__file__).parents[3] / "docs" / "recognize.schema.json").read_text())


def final(text: str, start_ms: int = 1_200, end_ms: int = 3_400, words: tuple[Word, ...] = ()) -> Final:
    latency = Latency(1.5, 0.01, 0.25, speculative=True, batch=2)
    return Final(1, text, start_ms, end_ms, "ru", 0.98765, 0.75, "silence", latency, words)


def final_of(text: str, word_ms: int = 400, start_ms: int = 1_000) -> Final:
    """Return a final with words of this duration each."""
    words = tuple(
        Word(word, start_ms + place * word_ms, start_ms + (place + 1) * word_ms, 0.9)
        for place, word in enumerate(text.split())
    )
    return final(text, start_ms, start_ms + len(words) * word_ms, words)


PARTIAL = Partial(1, 2, "раз", " два", 1_200, 2_000)
SUPPRESSED = Suppressed(2, 4_000, 5_000, "NO_SPEECH", "Thank you.")
SILENT: list[Event] = [Started("s", "m", "", Settings()), SpeechStarted(1, 0), Notice("DRAIN", "bye", 5)]


def rendered(name: str, *events: Event, file: str | None = None, words: bool = False) -> str:
    written = create_renderer(name, file, words)
    return written.header() + "".join(map(written.render, events))


def test_text_has_one_line_per_final() -> None:
    assert rendered("text", final("Раз, два."), PARTIAL, SUPPRESSED, *SILENT, final("Три.")) == "Раз, два.\nТри.\n"


def test_text_contains_no_terminal_control_sequences() -> None:
    assert rendered("text", final("a\x1b[2Jb\x07\nc\td")) == "a[2Jb c d\n"


def test_text_with_words_has_one_line_per_word() -> None:
    lines = rendered("text", final_of("раз два"), final("без слов"), words=True)
    assert lines == "1.000\t1.400\tраз\n1.400\t1.800\tдва\n1.200\t3.400\tбез слов\n"


@pytest.mark.parametrize("event", [final("раз"), final_of("раз два"), PARTIAL, SUPPRESSED])
@pytest.mark.parametrize("file", [None, "a.wav"])
def test_json_conforms_to_its_schema(event: Event, file: str | None) -> None:
    line = rendered("json", event, file=file)
    value = json.loads(line)
    jsonschema.Draft202012Validator(SCHEMA).validate(value)
    assert value.get("file") == file
    assert line.count("\n") == 1


def test_schema_is_a_valid_json_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def test_json_has_times_in_seconds_and_unescaped_cyrillic() -> None:
    line = rendered("json", final_of("раз два"))
    assert "раз два" in line
    value = json.loads(line)
    assert (value["start"], value["end"], value["language_probability"]) == (1.0, 1.8, 0.9877)
    assert value["words"][1] == {"text": "два", "start": 1.4, "end": 1.8, "confidence": 0.9}
    assert value["latency"] == {"endpoint": 1.5, "queue": 0.01, "inference": 0.25, "speculative": True, "batch": 2}


def test_json_omits_events_without_text() -> None:
    assert rendered("json", *SILENT) == ""


def test_srt_is_parsed_by_a_third_party_parser() -> None:
    text = rendered("srt", final_of("раз два"), PARTIAL, SUPPRESSED, final_of("три", start_ms=3_723_004))
    one, two = srt.parse(text)
    assert (one.index, one.content, one.start, one.end) == (
        1,
        "раз два",
        timedelta(seconds=1),
        timedelta(seconds=1.8),
    )
    assert (two.index, two.content, two.start) == (2, "три", timedelta(milliseconds=3_723_004))


def test_webvtt_is_parsed_by_a_third_party_parser() -> None:
    (cue,) = webvtt.from_buffer(io.StringIO(rendered("vtt", final_of("раз два"), PARTIAL))).captions
    assert (cue.text, cue.start, cue.end) == ("раз два", "00:00:01.000", "00:00:01.800")


def test_webvtt_escapes_tags_and_cue_endings() -> None:
    text = rendered("vtt", final("if a < b & c --> d"))
    assert "if a &lt; b &amp; c --&gt; d" in text
    assert text.count("-->") == 1


def test_webvtt_without_speech_is_valid_webvtt() -> None:
    assert webvtt.from_buffer(io.StringIO(rendered("vtt"))).captions == []


def test_short_final_is_one_caption_of_one_line() -> None:
    (caption,) = captions(final_of("Раз, два, три."))
    assert (caption.start_ms, caption.end_ms, caption.lines) == (1_000, 2_200, ("Раз, два, три.",))


def test_two_caption_lines_have_similar_lengths() -> None:
    (caption,) = captions(final_of("It was the best of times, it was the worst of times", word_ms=100))
    assert caption.lines == ("It was the best of times,", "it was the worst of times")


def test_long_final_is_split_at_pauses() -> None:
    text = "В начале было слово, и слово было у реки. Потом пришли люди, построили мост и забыли, зачем."
    first, second = captions(final_of(text, word_ms=300))
    assert " ".join(first.lines).endswith("у реки.")
    assert " ".join(second.lines).startswith("Потом")
    assert second.start_ms == 1_000 + 9 * 300


def test_slow_speech_is_split_by_duration() -> None:
    assert [caption.lines for caption in captions(final_of("раз два три", word_ms=2_500))] == [
        ("раз два",),
        ("три",),
    ]


def test_text_without_word_times_is_spread_over_the_final() -> None:
    cut = captions(final("раз два три четыре " * 10, 0, 12_000))
    assert cut[0].start_ms == 0
    assert cut[-1].end_ms == 12_000
    assert len(cut) > 1


def test_text_without_spaces_is_split_and_gets_no_spaces() -> None:
    text = "我们今天来谈谈语音识别的问题" * 8
    words = tuple(Word(character, place * 100, place * 100 + 100, 1.0) for place, character in enumerate(text))
    cut = captions(final(text, 0, 12_000, words))
    assert "".join("".join(caption.lines) for caption in cut) == text
    assert max(len(line) for caption in cut for line in caption.lines) == LINE_COLUMNS // 2


def test_no_caption_starts_before_the_onset() -> None:
    words = (Word("раз", 200, 1_500, 1.0), Word("два", 1_500, 2_000, 1.0))
    [caption] = captions(final("раз два", 1_200, 2_000, words))
    assert (caption.start_ms, caption.end_ms) == (1_200, 2_000)


def test_overlapping_word_times_give_captions_that_do_not_overlap() -> None:
    words = tuple(Word("раз", 500 * place, 500 * place + 4_000, 1.0) for place in range(12))
    cut = captions(final("раз " * 12, 0, 9_500, words))
    assert len(cut) > 1
    assert all(before.end_ms <= after.start_ms for before, after in pairwise(cut))


@given(
    st.lists(st.text("abцд語—,.", min_size=1, max_size=60), min_size=1, max_size=60),
    st.integers(0, 900),
    st.booleans(),
)
def test_captions_keep_every_character_and_stay_small(words: list[str], word_ms: int, timed: bool) -> None:
    long_final = final_of(" ".join(words), word_ms)
    cut = captions(long_final if timed else final(long_final.text, long_final.start_ms, long_final.end_ms))
    written = "".join("".join(caption.lines) for caption in cut)
    assert written.replace(" ", "") == long_final.text.replace(" ", "")
    end_ms = 0
    for caption in cut:
        assert len(caption.lines) <= LINES
        assert all(0 < display_width(line) <= LINE_COLUMNS for line in caption.lines)
        assert end_ms <= caption.start_ms < caption.end_ms
        assert caption.end_ms - caption.start_ms <= CAPTION_MS
        end_ms = caption.end_ms


@pytest.mark.parametrize(
    "text", ["می\u200cخواهم", "ශ්\u200dරී", "क्\u200dष", "5\u00a0000\u202f₽", "山田\u3000太郎", "\u1797\u200b\u17a2"]
)
@pytest.mark.parametrize("timed", [True, False])
def test_captions_keep_invisible_characters_of_scripts(text: str, timed: bool) -> None:
    long_final = final(text, words=(Word(text, 1_200, 3_400, 0.9),) if timed else ())
    (caption,) = captions(long_final)
    assert caption.lines == (text,)


@pytest.mark.parametrize("word", ["w", "слово", "w" * 50, "\u0301", "語"])
@pytest.mark.parametrize("separator", ["", " "])
@pytest.mark.parametrize("timed", [True, False])
def test_caption_work_grows_only_with_the_length_of_the_text(word: str, separator: str, timed: bool) -> None:
    assert calls_for_captions(word, separator, 3_000, timed) < 2.5 * calls_for_captions(word, separator, 1_500, timed)


def calls_for_captions(word: str, separator: str, count: int, timed: bool) -> int:
    """Return the number of function calls: a measure of work that is independent of the machine's load."""
    words = tuple(Word(word, 0, 0, 0.9) for _ in range(count)) if timed else ()
    long_final, calls = final(separator.join([word] * count), 0, 1, words), 0

    def count_call(_frame: FrameType, event: str, _argument: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(count_call)
    try:
        captions(long_final)
    finally:
        sys.setprofile(before)
    return calls
