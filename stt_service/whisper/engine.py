"""Whisper: a list of windows in, a list of transcripts out.

A call encodes the windows (`encoder.py`), detects languages where none is given, decodes in groups that can share a
batch (`batching.py`), decodes again what fails the checks (`fallback.py`), aligns words, and for finals decodes what
the decoder left out (`truncation.py`). Partials take the first decode as it is, and are aligned on request only.

Invariants. There is one transcript per window, in their order. Windows of any streams, languages and lengths can share
a call. Nothing is sampled: the same window gives the same text in any company and on any worker. A call blocks until
it is done; each worker calls from one thread. After `close` calls fail.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import ctranslate2
from faster_whisper import WhisperModel
from faster_whisper.tokenizer import Tokenizer
from faster_whisper.transcribe import get_suppressed_tokens, merge_punctuations

from stt_service.errors import InferenceError
from stt_service.whisper.batching import (
    EncodedWindow,
    batch_key,
    is_short_final,
    max_length,
    remaining_context,
    run_grouped,
    token_limit,
)
from stt_service.whisper.encoder import Encoder, to_storage
from stt_service.whisper.fallback import DecodeAttempt, DecodeEnd, compression_ratio, is_doubled
from stt_service.whisper.language import choose_language
from stt_service.whisper.silence_tail import FRAMES_PER_SECOND, MAX_FRAMES
from stt_service.whisper.truncation import (
    append_end,
    choose_longer,
    find_missing_end,
    is_sparse,
    split_at_pause,
    without_last_word,
)
from stt_service.whisper.types import Kind, Transcript, Window, Word

MAX_PROMPT_TOKENS = 223
# A prompt raises the decoder's no-speech probability, and all thresholds are for decodes without a prompt. Above the
# lowest threshold the probability is measured again without it.
NO_SPEECH_RECHECK_PROBABILITY = 0.3


@dataclass(frozen=True, slots=True)
class Placement:
    """Where a model runs."""

    folder: Path
    device: str = "cpu"
    device_indices: tuple[int, ...] = (0,)
    compute_type: str = "int8"
    threads: int = 0  # of a worker; 0: CTranslate2's choice
    workers: int = 1  # batches at once, on each device


class Engine:
    """A loaded Whisper model."""

    def __init__(self, placement: Placement) -> None:
        """Load the model, which takes a second or more.

        Raises:
            InferenceError: the folder contains no model, or the device cannot run it.
        """
        try:
            self._model = WhisperModel(
                str(placement.folder),
                device=placement.device,
                device_index=list(placement.device_indices),
                compute_type=placement.compute_type,
                cpu_threads=placement.threads,
                num_workers=placement.workers,
                local_files_only=True,
            )
            self.multilingual: bool = self._model.model.is_multilingual
            self._encoder = Encoder(self._model)
        except (RuntimeError, ValueError, OSError) as error:
            raise InferenceError(
                f"the model in {placement.folder} does not load on {placement.device}: {error}"
            ) from error
        self._tokenizer = cache(self._make_tokenizer)
        self._suppressed = cache(lambda tokenizer: list(get_suppressed_tokens(tokenizer, [-1])))

    @property
    def compute_type(self) -> str:
        """The type in which the model computes."""
        return str(self._model.model.compute_type)

    def close(self) -> None:
        """Free the model's memory once the running decodes are done; later ones fail. Blocks."""
        del self._model, self._encoder  # CTranslate2's unload_model retains most of the memory
        release_heap_to_os()

    def transcribe(self, windows: Sequence[Window]) -> list[Transcript]:
        """Return a transcript for each window.

        Raises:
            InferenceError: the model could not run.
        """
        try:
            batch = self._encode_batch(windows)
            decoded = run_grouped(batch, batch_key, self._decode)
            decoded = [self._with_fallback(encoded, first) for encoded, first in zip(batch, decoded, strict=True)]
            return [self._transcript(encoded, result) for encoded, result in zip(batch, decoded, strict=True)]
        except (RuntimeError, ValueError) as error:
            raise InferenceError(f"the model failed on {len(windows)} windows: {error}") from error

    def _encode_batch(self, windows: Sequence[Window]) -> list[EncodedWindow]:
        """Return the encoded windows, each with its language."""
        frames = self._encoder.encode_with_tail(windows)
        encoded = [EncodedWindow(window, each) for window, each in zip(windows, frames, strict=True)]
        return [self._with_language(each) for each in encoded]

    def _with_language(self, encoded: EncodedWindow) -> EncodedWindow:
        if not self.multilingual:
            return replace(encoded, language="en")
        if encoded.window.options.language:
            return replace(encoded, language=encoded.window.options.language)
        [ranked] = self._model.model.detect_language(to_storage([encoded.frames]))
        probabilities = {token.strip("<|>"): float(probability) for token, probability in ranked}
        window = encoded.window
        language = choose_language(probabilities, window.options.previous_language, window.duration_s)
        return replace(encoded, language=language, language_probability=probabilities[language])

    def _decode(self, batch: Sequence[EncodedWindow]) -> list[DecodeAttempt]:
        """Decode windows of one batch key."""
        prompts = [self._prompt(encoded) for encoded in batch]
        limit = token_limit(batch[0].window, len(prompts[0]), batch[0].language)
        results = self._model.model.generate(
            to_storage([encoded.frames for encoded in batch]),
            prompts,
            max_length=max_length(len(prompts[0]), limit),
            beam_size=batch[0].window.options.beam_size,
            return_scores=True,
            return_no_speech_prob=True,
            suppress_tokens=self._suppressed(self._tokenizer_of(batch[0])),
        )
        end_at_limit = DecodeEnd.CONTEXT_FULL if limit == remaining_context(len(prompts[0])) else DecodeEnd.TOKEN_LIMIT
        return [
            self._decoded(
                encoded, result, DecodeEnd.END_OF_TEXT if len(result.sequences_ids[0]) < limit else end_at_limit
            )
            for encoded, result in zip(batch, results, strict=True)
        ]

    def _decoded(
        self, encoded: EncodedWindow, result: ctranslate2.models.WhisperGenerationResult, end: DecodeEnd
    ) -> DecodeAttempt:
        tokens, no_speech_probability = tuple(result.sequences_ids[0]), result.no_speech_prob
        if encoded.window.options.has_prompt and no_speech_probability > NO_SPEECH_RECHECK_PROBABILITY:
            no_speech_probability = self._no_speech_probability(
                replace(encoded, window=encoded.window.without_prompt())
            )
        text = self._tokenizer_of(encoded).decode(tokens).strip()
        return DecodeAttempt(
            tokens=tokens,
            text=text,
            average_log_probability=result.scores[0] * len(tokens) / (len(tokens) + 1),
            no_speech_probability=no_speech_probability,
            compression_ratio=compression_ratio(text),
            end=end,
            doubled=is_short_final(encoded.window) and is_doubled(text),
        )

    def _no_speech_probability(self, encoded: EncodedWindow) -> float:
        """Return the probability of no speech, with one decoder step."""
        [result] = self._model.model.generate(
            to_storage([encoded.frames]), [self._prompt(encoded)], max_length=2, beam_size=1, return_no_speech_prob=True
        )
        return float(result.no_speech_prob)

    def _with_fallback(self, encoded: EncodedWindow, first: DecodeAttempt) -> DecodeAttempt:
        """Decode again what fails the checks, at most twice; return the best attempt.

        Nothing is sampled at rising temperatures, as faster-whisper does: measured, that takes five times as long and
        gives no better text (docs/measurements.md), and CTranslate2 cannot seed the generators of its worker threads.
        """
        if encoded.window.options.kind is Kind.PARTIAL:
            return first
        attempts = [first]
        for other in self._fallbacks(encoded):
            if not attempts[-1].needs_fallback:
                return attempts[-1]
            attempts += self._decode([other])
        return max(attempts, key=lambda each: (not each.is_repetitive, each.average_log_probability))

    def _fallbacks(self, encoded: EncodedWindow) -> Iterator[EncodedWindow]:
        """Yield the window without its prompt, then in the full context that Whisper was trained on."""
        if encoded.window.options.has_prompt:
            encoded = replace(encoded, window=encoded.window.without_prompt())
            yield encoded
        if len(encoded.frames) < MAX_FRAMES:
            yield replace(encoded, frames=self._encoder.encode_full(encoded.window))

    def _transcript(self, encoded: EncodedWindow, decoded: DecodeAttempt) -> Transcript:
        """Return the text with its statistics; for finals, with the end that the decoder left out."""
        partial = encoded.window.options.kind is Kind.PARTIAL
        if not decoded.text or (partial and not encoded.window.options.word_timestamps):
            return _transcript(encoded, decoded, ())
        transcript = _transcript(encoded, decoded, self._align(encoded, decoded))
        if partial:
            return transcript
        if decoded.end is DecodeEnd.CONTEXT_FULL:
            transcript = without_last_word(transcript)
        if is_sparse(encoded.window, transcript):
            in_halves = self._in_halves(encoded.window, transcript)
            if in_halves is not transcript:
                return in_halves
        missing_end = find_missing_end(encoded.window, transcript, full=decoded.end is DecodeEnd.CONTEXT_FULL)
        if missing_end is None:
            return transcript
        [remainder] = self.transcribe([missing_end.window])
        return append_end(transcript, remainder, missing_end.start_s, missing_end.window.speech_end_s)

    def _in_halves(self, window: Window, whole: Transcript) -> Transcript:
        """Return the text of the window's halves if it is much longer than that of the whole window."""
        first, second = split_at_pause(window)
        parts = [self.transcribe([half])[0] for half in (first, second)]
        return choose_longer(whole, parts, first.duration_s)

    def _align(self, encoded: EncodedWindow, decoded: DecodeAttempt) -> tuple[Word, ...]:
        tokenizer = self._tokenizer_of(encoded)
        text_tokens = [token for token in decoded.tokens if token < tokenizer.eot]
        audio_s = encoded.window.duration_s
        frames = int(audio_s * 2 * FRAMES_PER_SECOND)
        [alignment] = self._model.find_alignment(tokenizer, [text_tokens], to_storage([encoded.frames]), frames) or [[]]
        merge_punctuations(alignment, "\"'“¿([{-", "\"'.。,，!！?？:：”)]}、")
        return tuple(
            Word(w["word"].strip(), float(w["start"]), min(float(w["end"]), audio_s), float(w["probability"]))
            for w in alignment
            if w["word"].strip()
        )

    def _prompt(self, encoded: EncodedWindow) -> list[int]:
        options, tokenizer = encoded.window.options, self._tokenizer_of(encoded)
        prefix: list[int] = []
        for text in (options.hotwords, options.initial_prompt):
            prefix += tokenizer.encode(" " + text.strip()) if text.strip() else []
        before = [tokenizer.sot_prev, *prefix[-MAX_PROMPT_TOKENS:]] if prefix else []
        return [*before, *tokenizer.sot_sequence, tokenizer.no_timestamps]

    def _tokenizer_of(self, encoded: EncodedWindow) -> Tokenizer:
        return self._tokenizer(encoded.language, encoded.window.options.translate)

    def _make_tokenizer(self, language: str, translate: bool) -> Tokenizer:
        task = "translate" if translate else "transcribe"
        return Tokenizer(self._model.hf_tokenizer, self.multilingual, task=task, language=language)


def _transcript(encoded: EncodedWindow, decoded: DecodeAttempt, words: tuple[Word, ...]) -> Transcript:
    return Transcript(
        text=decoded.text,
        language=encoded.language,
        language_probability=encoded.language_probability,
        average_log_probability=decoded.average_log_probability,
        no_speech_probability=decoded.no_speech_probability,
        compression_ratio=decoded.compression_ratio,
        words=words,
    )


def count_cuda_devices() -> int:
    """Return how many GPUs CTranslate2 can use; 0 also if its wheel has no GPU code."""
    return int(ctranslate2.get_cuda_device_count())


def release_heap_to_os() -> None:
    """Return freed memory to the operating system. glibc retains it; with other allocators nothing happens."""
    with suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)
