"""The engine with the real `base` weights: error rates instead of exact texts of hard cases."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import av
import ctranslate2
import numpy as np
import pytest

from benchmarks.harness.word_errors import WordErrors, count_errors, normalize
from benchmarks.recordings import Recording
from lab.accuracy.determinism import alone, in_company, on_two_workers, windows
from stt_service.audio.pcm import SAMPLE_RATE_HZ, Samples
from stt_service.errors import InferenceError
from stt_service.models.store import resolve
from stt_service.whisper.batching import max_length
from stt_service.whisper.engine import Engine, Placement
from stt_service.whisper.fallback import DecodeAttempt, DecodeEnd
from stt_service.whisper.hallucination import SpeechStats, suppression_reason
from stt_service.whisper.types import DecodeOptions, EncoderContext, Kind, Transcript, Window

pytestmark = pytest.mark.model

FAST = ("ru/vm-review", "ru/vm-record-prepend", "ru/queue-periodic-announce", "ru/queue-youarenext")
LONG_PROMPT = "Мама мыла раму, а папа читал газету. " * 40
SHORT = ("en/jfk", "en/lj001-0020", "en/brooklyn-bridge", "ru/vm-intro", "ru/queue-youarenext", "ru/vm-review")


@pytest.fixture(scope="module")
def engine(models_dir: Path) -> Engine:
    return Engine(Placement(resolve("base", models_dir)))


def window(recording: Recording, **options: object) -> Window:
    chosen = DecodeOptions(**{"language": recording.language, **options})  # type: ignore[arg-type]
    samples = recording.samples()
    return Window(samples, chosen, len(samples) / SAMPLE_RATE_HZ)


def errors_of(recording: Recording, transcript: Transcript) -> WordErrors:
    return count_errors(normalize(recording.text, recording.language), normalize(transcript.text, recording.language))


def noise(seconds: float, level_dbfs: float) -> Samples:
    samples = np.random.default_rng(7).standard_normal(int(seconds * SAMPLE_RATE_HZ)).astype(np.float32)
    return samples * np.float32(10 ** (level_dbfs / 20))


def speed_up(samples: Samples, times: float) -> Samples:
    """Return the audio at `times` its speed, with the same pitch."""
    graph = av.filter.Graph()
    source = graph.add_abuffer(sample_rate=SAMPLE_RATE_HZ, layout="mono", format="flt")
    tempo, sink = graph.add("atempo", str(times)), graph.add("abuffersink")
    source.link_to(tempo)
    tempo.link_to(sink)
    graph.configure()
    frame = av.AudioFrame.from_ndarray(samples[np.newaxis], format="flt", layout="mono")
    frame.sample_rate = SAMPLE_RATE_HZ
    graph.push(frame)
    graph.push(None)
    chunks: list[Samples] = []
    while True:
        try:
            chunks.append(graph.pull().to_ndarray()[0])
        except av.error.EOFError:
            return np.concatenate(chunks)


def first_decodes(engine: Engine, *windows: Window) -> list[DecodeAttempt]:
    """Return the first decode of each window."""
    return engine._decode(engine._encode_batch(windows))


@pytest.mark.parametrize("context", list(EncoderContext))
@pytest.mark.parametrize("language", ["en", "ru"])
def test_recorded_speech_is_recognized(
    engine: Engine, recordings: Mapping[str, Recording], context: EncoderContext, language: str
) -> None:
    chosen = [r for name, r in recordings.items() if name in SHORT and r.language == language]
    transcripts = [engine.transcribe([window(r, context=context)])[0] for r in chosen]
    total = sum((errors_of(r, t) for r, t in zip(chosen, transcripts, strict=True)), WordErrors(0, 0))
    assert total.percent <= 15


def test_text_of_a_window_does_not_depend_on_its_batch(engine: Engine, recordings: Mapping[str, Recording]) -> None:
    windows = [window(recordings[name]) for name in SHORT]
    windows += [window(recordings[name], kind=Kind.PARTIAL, beam_size=1) for name in SHORT[:2]]
    together = engine.transcribe(windows)
    alone = [engine.transcribe([each])[0] for each in windows]
    assert [t.text for t in together] == [t.text for t in alone]


def test_speech_after_a_pause_is_recognized(engine: Engine, recordings: Mapping[str, Recording]) -> None:
    first, second = recordings["en/lj001-0020"], recordings["en/brooklyn-bridge"]
    pause = noise(2.0, -70)
    samples = np.concatenate([first.samples(), pause, second.samples()])
    [transcript] = engine.transcribe([Window(samples, DecodeOptions("en"), len(samples) / SAMPLE_RATE_HZ)])
    assert normalize(transcript.text, "en")[-3:] == ["the", "brooklyn", "bridge"]


def test_speech_after_a_pause_is_recognized_once(engine: Engine, recordings: Mapping[str, Recording]) -> None:
    """The decoder stops after the sentence; the two words after the pause are decoded separately."""
    samples = np.concatenate(
        [recordings["en/lj001-0020"].samples(), noise(1.2, -60), recordings["en/go-forward"].samples()]
    )
    [transcript] = engine.transcribe([Window(samples, DecodeOptions("en"), len(samples) / SAMPLE_RATE_HZ)])
    assert normalize(transcript.text, "en").count("forward") == 1


def test_audio_cut_within_a_word_does_not_start_a_decoder_loop(
    engine: Engine, recordings: Mapping[str, Recording]
) -> None:
    speech = recordings["en/librispeech-2412-153948-0000"].samples()
    cuts = [speech[: int(seconds * SAMPLE_RATE_HZ)] for seconds in np.arange(1.1, 9.0, 0.9)]
    partial = DecodeOptions("en", beam_size=1, kind=Kind.PARTIAL)
    transcripts = engine.transcribe([Window(cut, partial) for cut in cuts])
    rates = [len(t.text.split()) / (len(cut) / SAMPLE_RATE_HZ) for t, cut in zip(transcripts, cuts, strict=True)]
    assert max(rates) < 6  # words per second


def test_word_times_increase_within_the_window(engine: Engine, recordings: Mapping[str, Recording]) -> None:
    recording = recordings["en/jfk"]
    [transcript] = engine.transcribe([window(recording)])
    times = [time for word in transcript.words for time in (word.start_s, word.end_s)]
    assert times == sorted(times)
    assert 0 <= times[0] < 1
    assert times[-1] <= recording.duration_s
    assert " ".join(word.text for word in transcript.words) == transcript.text


def test_language_is_detected_for_each_window(engine: Engine, recordings: Mapping[str, Recording]) -> None:
    windows = [window(recordings[name], language=None) for name in ("en/jfk", "ru/vm-review")]
    transcript = engine.transcribe(windows)
    assert [t.language for t in transcript] == ["en", "ru"]
    assert min(t.language_probability for t in transcript) > 0.7


def test_russian_is_translated(engine: Engine, recordings: Mapping[str, Recording]) -> None:
    [transcript] = engine.transcribe([window(recordings["ru/vm-intro"], translate=True)])
    assert "message" in transcript.text.lower()


@pytest.mark.parametrize("options", [DecodeOptions("ru"), DecodeOptions("ru", beam_size=1, kind=Kind.PARTIAL)])
def test_fast_speech_is_recognized_to_its_end(
    engine: Engine, recordings: Mapping[str, Recording], options: DecodeOptions
) -> None:
    """An announcer at 1.6 times her speed speaks more tokens than a halved `max_length` would allow."""
    announcements = [recordings[name] for name in FAST]
    samples = speed_up(np.concatenate([recording.samples() for recording in announcements]), 1.6)
    window = Window(samples, options, len(samples) / SAMPLE_RATE_HZ)
    audio_s = len(samples) / SAMPLE_RATE_HZ
    [decoded] = first_decodes(engine, window)
    assert len(decoded.tokens) > 6 * audio_s + 16
    assert decoded.end is DecodeEnd.END_OF_TEXT
    [transcript] = engine.transcribe([window])
    assert normalize(transcript.text, "ru")[-3:] == ["первым", "доступным", "оператором"]
    total = count_errors(
        normalize(" ".join(recording.text for recording in announcements), "ru"), normalize(transcript.text, "ru")
    )
    assert total.percent <= 10


@pytest.mark.parametrize("beam_size", [1, 5])
def test_decoder_stops_at_the_token_limit_of_the_audio(
    engine: Engine, recordings: Mapping[str, Recording], monkeypatch: pytest.MonkeyPatch, beam_size: int
) -> None:
    monkeypatch.setattr("stt_service.whisper.batching.MIN_TOKEN_LIMIT", 20)
    monkeypatch.setattr("stt_service.whisper.batching.LETTERS_PER_SECOND", 0)
    windows = [window(recordings[name], beam_size=beam_size) for name in ("ru/vm-review", "ru/followme-status")]
    decoded = first_decodes(engine, *windows)
    assert [(len(each.tokens), each.end) for each in decoded] == [(20, DecodeEnd.TOKEN_LIMIT)] * 2


def test_long_prompt_does_not_change_the_token_limit(
    engine: Engine, recordings: Mapping[str, Recording], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stt_service.whisper.batching.MIN_TOKEN_LIMIT", 20)
    monkeypatch.setattr("stt_service.whisper.batching.LETTERS_PER_SECOND", 0)
    [decoded] = first_decodes(engine, window(recordings["ru/vm-review"], initial_prompt=LONG_PROMPT))
    assert (len(decoded.tokens), decoded.end) == (20, DecodeEnd.TOKEN_LIMIT)


def test_text_longer_than_the_context_is_continued(
    engine: Engine, recordings: Mapping[str, Recording], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A context of 30 tokens after the prompt replaces Whisper's 448, which 28 s of Bengali would fill twice."""
    chosen = [recordings[name] for name in ("ru/vm-review", "ru/followme-status", "ru/vm-intro")]
    samples = np.concatenate([recording.samples() for recording in chosen])
    speech = Window(samples, DecodeOptions("ru"), len(samples) / SAMPLE_RATE_HZ)
    monkeypatch.setattr("stt_service.whisper.batching.CONTEXT_TOKENS", 30 + 4)
    [decoded] = first_decodes(engine, speech)
    assert decoded.end is DecodeEnd.CONTEXT_FULL
    [transcript] = engine.transcribe([speech])
    total = count_errors(
        normalize(" ".join(recording.text for recording in chosen), "ru"), normalize(transcript.text, "ru")
    )
    assert total.percent <= 30


def test_whole_context_can_be_filled(engine: Engine) -> None:
    """CTranslate2 produces every token that the limit allows, up to Whisper's 448 with the prompt."""
    model = engine._model.model
    frames = engine._encode_batch([Window(noise(3.0, -20), DecodeOptions("en"))])[0].frames
    prompt = [50258, 50259, 50359, 50363]
    [result] = model.generate(
        ctranslate2.StorageView.from_array(frames[None]),
        [prompt],
        max_length=max_length(4, 444),
        suppress_tokens=[50257],
    )
    assert len(result.sequences_ids[0]) == 444


def test_partial_has_word_times_on_request(engine: Engine, recordings: Mapping[str, Recording]) -> None:
    """They are within the window even if it ends in the middle of a word."""
    speech = recordings["en/librispeech-2412-153948-0000"].samples()
    for cut in (speech[: int(seconds * SAMPLE_RATE_HZ)] for seconds in (2.0, 4.1, 9.3)):
        timed, untimed = (
            engine.transcribe(
                [Window(cut, DecodeOptions("en", beam_size=1, kind=Kind.PARTIAL, word_timestamps=with_times))]
            )[0]
            for with_times in (True, False)
        )
        times = [time for word in timed.words for time in (word.start_s, word.end_s)]
        assert times == sorted(times)
        assert 0 <= times[0] < times[-1] <= len(cut) / SAMPLE_RATE_HZ
        assert " ".join(word.text for word in timed.words) == timed.text == untimed.text
        assert untimed.words == ()


def test_engine_on_a_cpu_computes_in_int8(engine: Engine) -> None:
    assert engine.compute_type.startswith("int8")


@pytest.mark.parametrize("prompt", [{"initial_prompt": "The ne-plus-ultra of type."}, {"hotwords": "ne-plus-ultra"}])
def test_prompt_and_hotwords_change_the_spelling(
    engine: Engine, recordings: Mapping[str, Recording], prompt: Mapping[str, str]
) -> None:
    speech = recordings["en/dictation"].samples()[: 7 * SAMPLE_RATE_HZ]
    unprompted, prompted = (
        engine.transcribe([Window(speech, DecodeOptions("en", **options))])[0].text  # type: ignore[arg-type]
        for options in ({}, prompt)
    )
    assert "ne-plus-ultra" not in unprompted
    assert "ne-plus-ultra" in prompted


@pytest.mark.parametrize("language", ["en", "ru"])
@pytest.mark.parametrize("level_dbfs", [-90.0, -50.0, -30.0])
@pytest.mark.parametrize("kind", [Kind.FINAL, Kind.PARTIAL])
def test_noise_that_the_vad_took_for_speech_yields_no_text(
    engine: Engine, language: str, level_dbfs: float, kind: Kind
) -> None:
    transcript = engine.transcribe(
        [Window(noise(s, level_dbfs), DecodeOptions(language, kind=kind)) for s in (2.0, 7.0)]
    )
    assert all(suppression_reason(t, SpeechStats(voiced_s=2.0, length_s=2.0)) is not None for t in transcript)


def test_folder_without_a_model_is_named_in_the_error(tmp_path: Path) -> None:
    with pytest.raises(InferenceError, match=str(tmp_path)):
        Engine(Placement(tmp_path))


# In a process of its own: other tests leave threads and a fragmented heap.
CLOSING = """
import sys, psutil
from pathlib import Path
from stt_service.whisper.engine import Engine, Placement
placement = Placement(Path(sys.argv[1]), threads=1)
Engine(placement).close()
before = psutil.Process().memory_info().rss
for _ in range(4):
    Engine(placement).close()
print(psutil.Process().memory_info().rss - before)
"""


def test_closed_model_frees_its_memory(models_dir: Path) -> None:
    command = [sys.executable, "-c", CLOSING, str(resolve("tiny.en", models_dir))]
    grown_bytes = int(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout)
    assert grown_bytes < 75e6  # a model's weights


def test_text_after_fallback_does_not_depend_on_worker_and_batch(models_dir: Path) -> None:
    chosen = windows(count=6, seconds=4.0)
    engine = Engine(Placement(resolve("base", models_dir), threads=1, workers=2))
    assert any(first.needs_fallback for first in (first_decodes(engine, window)[0] for window in chosen))
    seen: list[set[str]] = [set() for _ in chosen]
    for run in (alone, on_two_workers, in_company):
        for number, transcript in run(engine, chosen, 2):
            seen[number].add(transcript.text)
    assert [len(texts) for texts in seen] == [1] * len(chosen)


def test_two_words_after_a_long_pause_are_recognized_in_a_sparse_text(
    engine: Engine, recordings: Mapping[str, Recording]
) -> None:
    """The halves have little more text than the whole; the end that the decoder left out is still decoded."""
    long, short = recordings["en/lj001-0020"].samples(), recordings["en/go-forward"].samples()
    samples = np.concatenate([long, noise(9.0, -60), short])
    [transcript] = engine.transcribe([Window(samples, DecodeOptions("en"), len(samples) / SAMPLE_RATE_HZ)])
    assert normalize(transcript.text, "en").count("forward") == 1
