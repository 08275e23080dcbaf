"""Whisper: a list of windows in, a list of transcripts out. The only file that knows faster-whisper and CTranslate2.

Windows of any streams, languages and lengths may come together; a window of speech says the same alone as in any
company. Called from one thread at a time, blocks until done.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import as_file, files
from pathlib import Path

import ctranslate2
import numpy as np
from faster_whisper import WhisperModel
from faster_whisper.tokenizer import Tokenizer
from faster_whisper.transcribe import get_suppressed_tokens, merge_punctuations

from stt_service.audio import SAMPLE_RATE_HZ, Samples
from stt_service.checks import Decoded, compression_ratio
from stt_service.encoded import PLANS, Encoded, batch_key, in_groups, max_length, rows_for, token_limit
from stt_service.errors import EngineFailed
from stt_service.freed import give_back
from stt_service.rest import UNTOLD_S, completed, rest_of
from stt_service.tail import (
    MAX_ROWS,
    ROWS_PER_SECOND,
    Rows,
    SilenceTail,
    extended_rows,
)
from stt_service.transcript import Kind, Transcript, Window, Word

# faster-whisper's own fallbacks.
TEMPERATURES = (0.2, 0.4, 0.6, 0.8, 1.0)
SAMPLES_PER_TEMPERATURE = 5
MAX_PROMPT_TOKENS = 223


@dataclass(frozen=True, slots=True)
class ModelPlace:
    """Where a model runs."""

    folder: Path
    device: str = "cpu"
    device_indices: tuple[int, ...] = (0,)
    compute_type: str = "int8"
    threads: int = 0  # of a worker; 0: CTranslate2's choice
    workers: int = 1  # batches at once, on each device


class Engine:
    """A loaded Whisper model."""

    def __init__(self, place: ModelPlace) -> None:
        """Load the model, which takes a second or more.

        Raises:
            EngineFailed: when the folder holds no model or the device cannot run it.
        """
        try:
            self._model = WhisperModel(
                str(place.folder),
                device=place.device,
                device_index=list(place.device_indices),
                compute_type=place.compute_type,
                cpu_threads=place.threads,
                num_workers=place.workers,
                local_files_only=True,
            )
            self.multilingual: bool = self._model.model.is_multilingual
            self._tail = SilenceTail(self._encode_features([self._features(seed(), MAX_ROWS)])[0])
        except (RuntimeError, ValueError, OSError) as error:
            raise EngineFailed(f"the model in {place.folder} does not load on {place.device}: {error}") from error
        self._tokenizer = cache(self._make_tokenizer)
        self._suppressed = cache(lambda tokenizer: list(get_suppressed_tokens(tokenizer, [-1])))

    @property
    def compute_type(self) -> str:
        """What the model really computes in."""
        return str(self._model.model.compute_type)

    def close(self) -> None:
        """Free the model's memory, once the decodes that run are done; later ones fail. Blocks."""
        del self._model  # CTranslate2's unload_model keeps most of it
        give_back()

    def transcribe(self, windows: Sequence[Window]) -> list[Transcript]:
        """Return a transcript for each window.

        Raises:
            EngineFailed: when the model could not run.
        """
        try:
            batch = self._listen(windows)
            decoded = in_groups(batch, batch_key, self._decode)
            decoded = [self._retry(encoded, first) for encoded, first in zip(batch, decoded, strict=True)]
            return [self._transcript(encoded, result) for encoded, result in zip(batch, decoded, strict=True)]
        except (RuntimeError, ValueError) as error:
            raise EngineFailed(f"the model failed on {len(windows)} windows: {error}") from error

    def _listen(self, windows: Sequence[Window]) -> list[Encoded]:
        """Encode the windows and settle their languages."""
        lengths = [rows_for(window) for window in windows]
        pairs = list(zip(windows, lengths, strict=True))
        outputs = in_groups(
            pairs,
            lambda pair: pair[1],
            lambda group: self._encode_features([self._features(w.samples, rows) for w, rows in group]),
        )
        heard = [self._extended(window, rows) for window, rows in zip(windows, outputs, strict=True)]
        return [self._with_language(encoded) for encoded in heard]

    def _extended(self, window: Window, rows: Rows) -> Encoded:
        return Encoded(window, self._tail.extend(rows, extended_rows(len(rows), PLANS[window.options.kind])))

    def _with_language(self, encoded: Encoded) -> Encoded:
        if not self.multilingual:
            return replace(encoded, language="en")
        if encoded.window.options.language:
            return replace(encoded, language=encoded.window.options.language)
        [ranked] = self._model.model.detect_language(_storage([encoded.rows]))
        token, probability = ranked[0]
        return replace(encoded, language=token.strip("<|>"), language_probability=probability)

    def _features(self, samples: Samples, rows: int) -> Rows:
        """Return the log-mel spectrogram of the samples padded to so many rows; shape (mels, 2 * rows)."""
        padded = np.zeros(rows * SAMPLE_RATE_HZ // ROWS_PER_SECOND, np.float32)
        count = min(len(samples), len(padded))
        padded[:count] = samples[:count]
        features: Rows = self._model.feature_extractor(padded, padding=0)
        return features

    def _encode_features(self, features: Sequence[Rows]) -> list[Rows]:
        output = self._model.model.encode(_storage(features), to_cpu=True)
        if output.dtype != ctranslate2.DataType.float32:
            output = output.to(ctranslate2.DataType.float32)
        return list(np.array(output))

    def _decode(self, batch: Sequence[Encoded], temperature: float = 0.0) -> list[Decoded]:
        """Decode windows of one batch key."""
        prompts = [self._prompt(encoded) for encoded in batch]
        limit = max(token_limit(encoded.window, len(prompts[0])) for encoded in batch)
        search: dict[str, float] = {"beam_size": batch[0].window.options.beam_size}
        if temperature:
            ctranslate2.set_random_seed(0)  # the same sound gives the same text
            search = {
                "beam_size": 1,
                "num_hypotheses": SAMPLES_PER_TEMPERATURE,
                "sampling_topk": 0,
                "sampling_temperature": temperature,
            }
        results = self._model.model.generate(
            _storage([encoded.rows for encoded in batch]),
            prompts,
            max_length=max_length(len(prompts[0]), limit),
            return_scores=True,
            return_no_speech_prob=True,
            suppress_tokens=self._suppressed(self._tokenizer_of(batch[0])),
            **search,
        )
        return [
            self._decoded(encoded, result, token_limit(encoded.window, len(prompts[0])), temperature)
            for encoded, result in zip(batch, results, strict=True)
        ]

    def _decoded(
        self,
        encoded: Encoded,
        result: ctranslate2.models.WhisperGenerationResult,
        limit: int,
        temperature: float,
    ) -> Decoded:
        tokens = tuple(result.sequences_ids[0])
        text = self._tokenizer_of(encoded).decode(tokens).strip()
        return Decoded(
            tokens=tokens,
            text=text,
            average_log_probability=result.scores[0] * len(tokens) / (len(tokens) + 1),
            no_speech_probability=result.no_speech_prob,
            compression_ratio=compression_ratio(text),
            complete=len(tokens) < limit,
            temperature=temperature,
        )

    def _retry(self, encoded: Encoded, first: Decoded) -> Decoded:
        """Decode again what fails the checks: with the full window, then warmer, as faster-whisper does."""
        if encoded.window.options.kind is Kind.PARTIAL or not first.doubtful:
            return first
        tries = [first]
        if first.repeats and len(encoded.rows) < MAX_ROWS:
            [rows] = self._encode_features([self._features(encoded.window.samples, MAX_ROWS)])
            encoded = replace(encoded, rows=rows)
            tries += self._decode([encoded])
        for temperature in TEMPERATURES:
            if not tries[-1].doubtful:
                return tries[-1]
            tries += self._decode([encoded], temperature)
        return max(tries, key=lambda t: (not t.repeats, t.average_log_probability))

    def _transcript(self, encoded: Encoded, decoded: Decoded) -> Transcript:
        """Return the text with its figures; of finals, with what the decoder left out at the end."""
        partial = encoded.window.options.kind is Kind.PARTIAL
        if not decoded.text or (partial and not encoded.window.options.word_times):
            return _transcript(encoded, decoded, ())
        words = self._align(encoded, decoded)
        if partial:
            return _transcript(encoded, decoded, words)
        spoken_s = words[-1].end_s if words else 0.0
        first = _transcript(encoded, decoded, words)
        if not UNTOLD_S <= encoded.window.speech_end_s - spoken_s < encoded.window.speech_end_s:
            return first
        [rest] = self.transcribe([rest_of(encoded.window, spoken_s)])
        return completed(first, rest, spoken_s)

    def _align(self, encoded: Encoded, decoded: Decoded) -> tuple[Word, ...]:
        tokenizer = self._tokenizer_of(encoded)
        text_tokens = [token for token in decoded.tokens if token < tokenizer.eot]
        heard_s = len(encoded.window.samples) / SAMPLE_RATE_HZ
        frames = int(heard_s * 2 * ROWS_PER_SECOND)
        [alignment] = self._model.find_alignment(tokenizer, [text_tokens], _storage([encoded.rows]), frames) or [[]]
        merge_punctuations(alignment, "\"'“¿([{-", "\"'.。,，!！?？:：”)]}、")
        return tuple(
            Word(w["word"].strip(), float(w["start"]), min(float(w["end"]), heard_s), float(w["probability"]))
            for w in alignment
            if w["word"].strip()
        )

    def _prompt(self, encoded: Encoded) -> list[int]:
        options, tokenizer = encoded.window.options, self._tokenizer_of(encoded)
        steering: list[int] = []
        for text in (options.hotwords, options.initial_prompt):
            steering += tokenizer.encode(" " + text.strip()) if text.strip() else []
        before = [tokenizer.sot_prev, *steering[-MAX_PROMPT_TOKENS:]] if steering else []
        return [*before, *tokenizer.sot_sequence, tokenizer.no_timestamps]

    def _tokenizer_of(self, encoded: Encoded) -> Tokenizer:
        return self._tokenizer(encoded.language, encoded.window.options.translate)

    def _make_tokenizer(self, language: str, translate: bool) -> Tokenizer:
        task = "translate" if translate else "transcribe"
        return Tokenizer(self._model.hf_tokenizer, self.multilingual, task=task, language=language)


def _transcript(encoded: Encoded, decoded: Decoded, words: tuple[Word, ...]) -> Transcript:
    return Transcript(
        text=decoded.text,
        language=encoded.language,
        language_probability=encoded.language_probability,
        average_log_probability=decoded.average_log_probability,
        no_speech_probability=decoded.no_speech_probability,
        compression_ratio=decoded.compression_ratio,
        temperature=decoded.temperature,
        words=words,
    )


def _storage(arrays: Sequence[Rows]) -> ctranslate2.StorageView:
    return ctranslate2.StorageView.from_array(np.ascontiguousarray(np.stack(arrays)))


def seed() -> Samples:
    """Return 2 s of speech of a person; its source is in data/README.md."""
    with as_file(files("stt_service.data") / "seed.wav") as path:
        pcm = np.frombuffer(path.read_bytes()[44:], np.int16)
    return pcm.astype(np.float32) / np.float32(32768)


def cuda_devices() -> int:
    """Return how many GPUs CTranslate2 can use: 0 also where its wheel has no code for them."""
    return int(ctranslate2.get_cuda_device_count())
