"""Continuous speech joined from single recordings, and the times for which live text stands still during its stream.

Pure, except for reading recordings. Times are seconds after the first sample.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.comparison.latency import StreamMetrics, measure
from benchmarks.comparison.results import percentile
from benchmarks.comparison.systems import Message, MessageKind
from benchmarks.harness.word_errors import count_errors, normalize
from benchmarks.recordings import Utterance, pcm_of

RATE_HZ = 16_000
STEP = RATE_HZ // 10  # samples of a moment of speech
QUIET_DB = -35.0  # below the loudest moment of a recording: not speech

Pcm = NDArray[np.int16]


@dataclass(frozen=True, slots=True)
class Speech:
    """Continuous speech and its transcript."""

    pcm: Pcm
    utterances: tuple[Utterance, ...]
    voiced_s: tuple[float, ...]  # ends of the moments that hold speech


@dataclass(frozen=True, slots=True)
class ScreenState:
    """The text of one utterance at one time, in seconds after the first sample."""

    at_s: float
    utterance: int
    covers_s: float  # the text is of the audio up to there
    text: str
    final: bool


def joined(folder: Path, language: str, seconds: float, pause_s: float) -> Speech:
    """Return the folder's utterances one after the other, without the silence around them."""
    entries = map(json.loads, (folder / "manifest.jsonl").read_text(encoding="utf-8").splitlines())
    pause, end = np.zeros(int(pause_s * RATE_HZ), np.int16), 0.0
    parts: list[Pcm] = [np.zeros(RATE_HZ // 2, np.int16)]
    utterances: list[Utterance] = []
    for entry in entries:
        if entry["language"] != language or entry["kind"] != "utterance":
            continue
        start = sum(map(len, parts)) / RATE_HZ
        parts += [trimmed(np.frombuffer(pcm_of(folder / entry["path"]), np.int16)), pause]
        end = (sum(map(len, parts)) - len(pause)) / RATE_HZ
        utterances.append(Utterance(entry["text"], start, end))
        if end >= seconds:
            break
    pcm = np.concatenate(parts)
    loud = voiced(pcm)
    return Speech(pcm, tuple(utterances), tuple((i + 1) * STEP / RATE_HZ for i in np.flatnonzero(loud)))


def voiced(pcm: Pcm) -> NDArray[np.bool_]:
    """Return for each STEP whether it contains speech, by its level."""
    steps = pcm[: len(pcm) // STEP * STEP].reshape(-1, STEP).astype(np.float64)
    power = (steps**2).mean(axis=1)
    loud: NDArray[np.bool_] = power > power.max(initial=0.0) * 10 ** (QUIET_DB / 10)
    return loud


def trimmed(pcm: Pcm) -> Pcm:
    """Return the recording without the silence at its ends."""
    loud = np.flatnonzero(voiced(pcm))
    return pcm[loud[0] * STEP : (loud[-1] + 1) * STEP] if len(loud) else pcm


def gaps(states: Sequence[ScreenState], speech_end_s: float) -> list[float]:
    """Return the times between two changes of the shown text, during speech."""
    changes, texts = [], dict[int, str]()
    for state in states:
        if state.at_s <= speech_end_s and texts.get(state.utterance) != state.text:
            changes.append(state.at_s)
        texts[state.utterance] = state.text
    return [later - earlier for earlier, later in pairwise(changes)]


def ages(states: Sequence[ScreenState], voiced_s: Sequence[float]) -> list[float]:
    """Return for each moment of speech the delay until a text that covers it is shown."""
    found = []
    for moment in voiced_s:
        covering = (state.at_s for state in states if state.covers_s >= moment - STEP / RATE_HZ / 2)
        found.append(max(0.0, next(covering, states[-1].at_s if states else 0.0) - moment))
    return found


def messages(states: Sequence[ScreenState]) -> list[Message]:
    """Return them as states of any system: a partial replaces the text of every open utterance."""
    found, texts = [], dict[int, str]()
    for state in states:
        texts[state.utterance] = state.text
        if state.final:
            found.append(Message(state.at_s, MessageKind.FINAL, texts.pop(state.utterance)))
        if texts:
            found.append(Message(state.at_s, MessageKind.PARTIAL, " ".join(text.strip() for text in texts.values())))
    return found


def partials_wrong_percent(states: Sequence[ScreenState], speech: Speech, language: str) -> float:
    """Return the word error rate of the last partials of all utterances."""
    last = {state.utterance: state.text for state in states if not state.final}
    reference = [word for utterance in speech.utterances for word in normalize(utterance.text, language)]
    return count_errors(reference, [word for text in last.values() for word in normalize(text, language)]).percent


def gap_stats(states: Sequence[ScreenState], speech: Speech, language: str) -> StreamMetrics:
    return measure(messages(states), 0.0, speech.utterances, language)


def spread(values: Sequence[float]) -> str:
    return f"{percentile(values, 50) or 0:.2f}; {percentile(values, 95) or 0:.2f}; {max(values, default=0):.2f}"
