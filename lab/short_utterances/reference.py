"""faster-whisper with full windows on the same audio, and a cache of its transcripts.

The language is always given, even if the server detects it.
"""

from __future__ import annotations

import json
import os
from functools import cached_property
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path

import numpy as np
from faster_whisper import WhisperModel

from lab.short_utterances.variants import HOTWORDS, PROMPTS, Variant
from stt_service.models.store import models_folder, resolve

MODEL = "base"
COMPUTE_TYPE = "int8"
BEAM_SIZE = 5


class Reference:
    """Transcribes with faster-whisper's own defaults: no VAD, fallback temperatures, silence threshold 0.6."""

    def __init__(self, cache: Path) -> None:
        """Cache transcripts in the file `cache`; audio with a cached transcript is not transcribed again."""
        self._cache = cache
        lines = cache.read_text(encoding="utf-8").splitlines() if cache.exists() else []
        self._known: dict[str, str] = dict(json.loads(line) for line in lines)

    def transcribe(self, pcm: bytes, language: str, variant: Variant) -> str:
        """Return the text of the audio: 16 kHz, mono, 16 bit."""
        key = _key(pcm, language, variant)
        if key not in self._known:
            self._known[key] = self._transcribe(pcm, language, variant)
            self._cache.parent.mkdir(parents=True, exist_ok=True)
            with self._cache.open("a", encoding="utf-8") as file:
                file.write(json.dumps([key, self._known[key]], ensure_ascii=False) + "\n")
        return self._known[key]

    def _transcribe(self, pcm: bytes, language: str, variant: Variant) -> str:
        segments, _ = self._model.transcribe(
            np.frombuffer(pcm, "<i2").astype(np.float32) / np.float32(32_768),
            language=language,
            beam_size=BEAM_SIZE,
            condition_on_previous_text=False,
            initial_prompt=PROMPTS[language] if variant.prompt else None,
            hotwords=", ".join(HOTWORDS[language]) if variant.hotwords else None,
        )
        return " ".join(segment.text.strip() for segment in segments)

    @cached_property
    def _model(self) -> WhisperModel:
        folder = resolve(MODEL, models_folder(os.environ.get("MODELS_DIR", "")))
        return WhisperModel(str(folder), device="cpu", compute_type=COMPUTE_TYPE, cpu_threads=os.cpu_count() or 1)


def _key(pcm: bytes, language: str, variant: Variant) -> str:
    prompt = PROMPTS[language] if variant.prompt else ""
    hotwords = HOTWORDS[language] if variant.hotwords else ()
    options = (version("faster-whisper"), MODEL, COMPUTE_TYPE, BEAM_SIZE, language, prompt, hotwords)
    return sha256(repr(options).encode() + pcm).hexdigest()
