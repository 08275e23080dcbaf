"""Inputs and outputs of a decode: windows, options and transcripts, shared by the session and the engine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import Enum

from stt_service.audio.pcm import SAMPLE_RATE_HZ, Samples
from stt_service.whisper.language import join_texts

# A word or two in a short window: the decoder does not recognize the end and writes the word twice ("8 8"), or returns
# no text. No tail was safe: with 12 s of silence Russian words were still written twice. The window includes a second
# of pre-roll. Measured: docs/measurements.md, One to three words.
SHORT_WINDOW_S = 3.0


class Kind(Enum):
    """The purpose of a decode, in the order of priority."""

    FINAL = 0
    SPECULATIVE = 1  # a final decoded before the endpoint, during the hangover
    PARTIAL = 2


class EncoderContext(Enum):
    """How much silence the encoder sees after the speech."""

    SHORT = "short"  # a short window, extended by encoder frames of known silence
    FULL = "full"  # 30 s, as Whisper was trained


@dataclass(frozen=True, slots=True)
class DecodeOptions:
    """How a window is decoded. Windows with equal options can share a batch."""

    language: str | None = None  # None: detect
    previous_language: str | None = None  # of the dictation, if it is detected: short audio can get it
    translate: bool = False
    beam_size: int = 5
    initial_prompt: str = ""
    hotwords: str = ""
    word_timestamps: bool = False
    context: EncoderContext = EncoderContext.SHORT
    kind: Kind = Kind.FINAL

    @property
    def has_prompt(self) -> bool:
        """Whether a prompt or hotwords precede the text."""
        return bool(self.initial_prompt.strip() or self.hotwords.strip())


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """Input of a decode: at most 30 s of audio."""

    samples: Samples
    options: DecodeOptions
    speech_end_s: float = 0.0  # end of speech by the VAD: a text that ends long before it lacks words

    @property
    def duration_s(self) -> float:
        return len(self.samples) / SAMPLE_RATE_HZ

    def without_prompt(self) -> Window:
        """Return the window without its prompt and hotwords."""
        return replace(self, options=replace(self.options, initial_prompt="", hotwords=""))


@dataclass(frozen=True, slots=True)
class Word:
    """A word with its start and end in the window, in seconds."""

    text: str
    start_s: float
    end_s: float
    probability: float

    def shifted(self, seconds: float) -> Word:
        """Return the word, moved later by this many seconds."""
        return replace(self, start_s=self.start_s + seconds, end_s=self.end_s + seconds)


@dataclass(frozen=True, slots=True)
class Transcript:
    """Output of a decode, with the decoder's statistics, which `hallucination.py` uses."""

    text: str
    language: str
    language_probability: float
    average_log_probability: float  # per token, end token included, as faster-whisper computes it
    no_speech_probability: float
    compression_ratio: float  # of the text by zlib; above 2.4 the text is repetitive
    words: tuple[Word, ...] = field(default=())


def concatenate(parts: Sequence[tuple[Transcript, float]]) -> Transcript:
    """Return one transcript of consecutive ones, each given with its start in seconds.

    Its statistics are means weighted by length, except the compression ratio: the highest one indicates repetition.
    """
    transcripts = [transcript for transcript, _ in parts]
    if len(transcripts) == 1:
        return transcripts[0]
    letters = [max(1, len(transcript.text)) for transcript in transcripts]  # about four per token, in each language

    def mean(values: Sequence[float]) -> float:
        return sum(value * weight for value, weight in zip(values, letters, strict=True)) / sum(letters)

    longest = transcripts[letters.index(max(letters))]
    return replace(
        longest,
        text=join_texts([transcript.text for transcript in transcripts], longest.language),
        average_log_probability=mean([transcript.average_log_probability for transcript in transcripts]),
        no_speech_probability=mean([transcript.no_speech_probability for transcript in transcripts]),
        compression_ratio=max(transcript.compression_ratio for transcript in transcripts),
        words=tuple(word.shifted(start_s) for transcript, start_s in parts for word in transcript.words),
    )
