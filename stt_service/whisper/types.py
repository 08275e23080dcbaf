"""What goes into a decode and what comes out of it: values only, shared by the core and the engine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import Enum

from stt_service.audio.pcm import SAMPLE_RATE_HZ, Samples
from stt_service.whisper.language import join_texts

# A word or two in a short window: the decoder does not recognize the end and writes the word twice ("8 8"), or takes it
# for silence. No tail was safe: with 12 s of silence Russian words were written twice still. The window holds a second
# of pre-roll. Measured: docs/measurements.md, One to three words.
SHORT_WINDOW_S = 3.0


class Kind(Enum):
    """What a decode is for, in the order in which it is served."""

    FINAL = 0
    SPECULATIVE = 1  # a final decoded ahead, during the hangover
    PARTIAL = 2


class EncoderContext(Enum):
    """How much silence the encoder sees after the speech."""

    SHORT = "short"  # a short window; the rest of the 30 s is made up by rows of known silence
    FULL = "full"  # 30 s, as Whisper was trained


@dataclass(frozen=True, slots=True)
class DecodeOptions:
    """How a window is decoded; windows with equal options may share a batch."""

    language: str | None = None  # None: detect
    previous_language: str | None = None  # of the dictation, where it is detected: short audio may keep it
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
    """One decode's input: at most 30 s of sound."""

    samples: Samples
    options: DecodeOptions
    speech_end_s: float = 0.0  # where the VAD last heard speech: text that stops long before it has lost words

    @property
    def duration_s(self) -> float:
        return len(self.samples) / SAMPLE_RATE_HZ

    def without_prompt(self) -> Window:
        """Return the window without its prompt and hotwords."""
        return replace(self, options=replace(self.options, initial_prompt="", hotwords=""))


@dataclass(frozen=True, slots=True)
class Word:
    """A word with its place in the window, in seconds."""

    text: str
    start_s: float
    end_s: float
    probability: float

    def shifted(self, seconds: float) -> Word:
        """Return the word at a place so much later."""
        return replace(self, start_s=self.start_s + seconds, end_s=self.end_s + seconds)


@dataclass(frozen=True, slots=True)
class Transcript:
    """One decode's output, with the decoder's own figures, which the guard judges."""

    text: str
    language: str
    language_probability: float
    average_log_probability: float  # per token, end token included, as faster-whisper reckons it
    no_speech_probability: float
    compression_ratio: float  # of the text by zlib; above 2.4 it repeats itself
    words: tuple[Word, ...] = field(default=())


def concatenate(parts: Sequence[tuple[Transcript, float]]) -> Transcript:
    """Return one transcript of several in a row, each with the second at which it begins; their figures are means.

    But for the one that tells of repetition: of that the worst is kept.
    """
    transcripts = [transcript for transcript, _ in parts]
    if len(transcripts) == 1:
        return transcripts[0]
    letters = [max(1, len(transcript.text)) for transcript in transcripts]  # a token has some four, in each language

    def mean(figures: Sequence[float]) -> float:
        return sum(figure * weight for figure, weight in zip(figures, letters, strict=True)) / sum(letters)

    longest = transcripts[letters.index(max(letters))]
    return replace(
        longest,
        text=join_texts([transcript.text for transcript in transcripts], longest.language),
        average_log_probability=mean([transcript.average_log_probability for transcript in transcripts]),
        no_speech_probability=mean([transcript.no_speech_probability for transcript in transcripts]),
        compression_ratio=max(transcript.compression_ratio for transcript in transcripts),
        words=tuple(word.shifted(start_s) for transcript, start_s in parts for word in transcript.words),
    )
