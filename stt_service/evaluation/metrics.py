"""Accuracy, latency and compute time of a replayed recording.

Word times come from the alignment of the final; the end of speech and the endpoint come from the VAD.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, fields

from stt_service.evaluation.simulator import Replay, TimedEvent
from stt_service.evaluation.wer import WordErrors, aligned_words, best_prefix_length, count_errors, normalize
from stt_service.session.events import Final, Partial, SpeechStarted
from stt_service.settings.schema import AUTO, RuntimeSettings
from stt_service.vad.types import Endpoint
from stt_service.whisper.types import Kind

NO_WORDS = WordErrors(0, 0)


@dataclass(frozen=True, slots=True)
class RecordingStats:
    """Measurements of one recording, or the sum of several."""

    errors: WordErrors = NO_WORDS  # against a human transcript
    offline: WordErrors = NO_WORDS  # against an offline transcript, if there is no human one
    first_texts_s: tuple[float, ...] = ()  # per utterance: from its onset to its first text
    word_lags_s: tuple[float, ...] = ()  # per word of the finals: from its end until it is shown for good
    after_speech_s: tuple[float, ...] = ()  # per final that ended with silence: from the end of speech
    after_endpoint_s: tuple[float, ...] = ()  # per final that ended with silence: from the endpoint
    audio_s: float = 0.0
    finals_s: float = 0.0  # decode time
    speculative_s: float = 0.0  # decode time
    partials_s: float = 0.0  # decode time
    partials: int = 0
    discarded: int = 0  # withdrawn speculative decodes
    utterances: int = 0  # those with a final

    def __add__(self, other: RecordingStats) -> RecordingStats:
        return RecordingStats(*(getattr(self, field.name) + getattr(other, field.name) for field in fields(self)))


def measure(replay: Replay, audio_s: float, language: str) -> RecordingStats:
    """Return the measurements of a replay, without word errors."""
    finals = [(timed.at_s, timed.event) for timed in replay.emitted if isinstance(timed.event, Final)]
    waited = [(at_s, final) for at_s, final in finals if final.endpoint is Endpoint.SILENCE]
    return RecordingStats(
        first_texts_s=tuple(_first_texts(replay.emitted)),
        word_lags_s=tuple(
            lag_s for at_s, final in finals for lag_s in _word_lags(at_s, final, replay.emitted, language)
        ),
        after_speech_s=tuple(at_s - final.end_ms / 1000 for at_s, final in waited),
        after_endpoint_s=tuple(at_s - final.end_ms / 1000 - final.endpoint_s for at_s, final in waited),
        audio_s=audio_s,
        finals_s=replay.busy_s[Kind.FINAL],
        speculative_s=replay.busy_s[Kind.SPECULATIVE],
        partials_s=replay.busy_s[Kind.PARTIAL],
        partials=sum(isinstance(timed.event, Partial) for timed in replay.emitted),
        discarded=replay.discarded,
        utterances=len(finals),
    )


def final_text(replay: Replay) -> str:
    """Return the text of all finals."""
    return " ".join(final.text for final in _finals(replay))


def spoken_language(settings: RuntimeSettings, replay: Replay) -> str:
    """Return the language of the text: the requested one, or with `auto` the one detected most often."""
    if settings.translate:
        return "en"
    detected = Counter(final.language for final in _finals(replay))
    return detected.most_common(1)[0][0] if settings.language == AUTO and detected else settings.language


def word_errors(reference: str, text: str, language: str) -> WordErrors:
    """Return the word errors of the text against the reference."""
    return count_errors(normalize(reference, language), normalize(text, language))


def _finals(replay: Replay) -> list[Final]:
    return [timed.event for timed in replay.emitted if isinstance(timed.event, Final)]


def _first_texts(events: Sequence[TimedEvent]) -> list[float]:
    onsets: dict[int, float] = {}
    first: dict[int, float] = {}
    for timed in events:
        match timed.event:
            case SpeechStarted(utterance, start_ms):
                onsets[utterance] = start_ms / 1000
            case Partial(utterance) | Final(utterance):
                first.setdefault(utterance, timed.at_s)
    return [at_s - onsets[utterance] for utterance, at_s in first.items()]


def _word_lags(final_at_s: float, final: Final, events: Sequence[TimedEvent], language: str) -> list[float]:
    """Return the latency of each word: from its end until every later text of the utterance contains it."""
    normalized = [(each, word) for word in final.words for each in normalize(word.text, language)]
    words = [each for each, _ in normalized]
    since = dict.fromkeys(range(len(words)), final_at_s)
    stable_words = set(since)
    shown = [(timed.at_s, timed.event) for timed in events if isinstance(timed.event, Partial)]
    for at_s, partial in reversed([(at_s, each) for at_s, each in shown if each.utterance == final.utterance]):
        shown_words = normalize(f"{partial.stable} {partial.unstable}", language)
        stable_words &= aligned_words(words[: best_prefix_length(words, shown_words)], shown_words).keys()
        since |= dict.fromkeys(stable_words, at_s)
    # The decoder can predict a word. A prediction counts as correct only from the word's start.
    return [max(since[number], word.start_s) - word.end_s for number, (_, word) in enumerate(normalized)]
