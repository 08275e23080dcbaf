"""The conditions under which the utterances are recognized."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from benchmarks.recordings import RECORDINGS, SAMPLE_RATE_HZ

BEFORE_S = 1.0  # of silence or noise
AFTER_S = 2.5  # longer than the silence that ends an utterance at default settings, 1.5 s
NOISE_DBFS = -50.0  # a quiet room
NOISE_SEED = 1
NOISE_PERIOD_S = 10.0
PROMPTS = {
    "en": "Kubernetes, Terraform and PostgreSQL are used by Ms. Okonkwo.",
    "ru": "Kubernetes, Terraform и PostgreSQL использует госпожа Оконкво.",
}
HOTWORDS = {"en": ("January", "February", "Tuesday"), "ru": ("январь", "февраль", "вторник")}
SENTENCES = {"en": "en/go-forward", "ru": "ru/tt-somethingwrong"}  # recordings that `auto` detects the language of


@dataclass(frozen=True, slots=True)
class Variant:
    """How the utterances are recognized. Default: in silence, with the language given."""

    name: str
    prompt: bool = False
    hotwords: bool = False
    noise: bool = False  # before, during and after the utterance
    auto: bool = False  # the language is detected, after a sentence in the utterance's language


VARIANTS = {
    variant.name: variant
    for variant in (
        Variant("plain"),
        Variant("prompt", prompt=True),
        Variant("hotwords", hotwords=True),
        Variant("noise", noise=True),
        Variant("auto", auto=True),
    )
}


def padded(pcm: bytes, variant: Variant) -> bytes:
    """Return the utterance between silence or noise: 16 kHz, mono, 16 bit."""
    before, after = (bytes(2 * int(length_s * SAMPLE_RATE_HZ)) for length_s in (BEFORE_S, AFTER_S))
    whole = before + pcm + after
    if not variant.noise:
        return whole
    samples = np.frombuffer(whole, "<i2")
    noisy = np.clip(samples + np.resize(_noise(), len(samples)), -32_768, 32_767)
    return bytes(noisy.astype("<i2").tobytes())


@cache
def _noise() -> NDArray[np.float64]:
    """Return pink noise on the scale of 16 bit; the same on every call and machine."""
    count = int(NOISE_PERIOD_S * SAMPLE_RATE_HZ)
    spectrum = np.fft.rfft(np.random.default_rng(NOISE_SEED).standard_normal(count))
    spectrum[0] = 0  # no offset
    pink = np.fft.irfft(spectrum / np.sqrt(np.maximum(1, np.arange(len(spectrum)))), count)
    level: float = 10 ** (NOISE_DBFS / 20) * 32_768 / float(np.sqrt(np.mean(pink**2)))
    return np.asarray(pink * level, np.float64)


def lead(language: str, variant: Variant) -> bytes:
    """Return the audio that is sent earlier on the stream: a sentence and a pause for `auto`, otherwise none."""
    if not variant.auto:
        return b""
    [sentence] = [recording for recording in RECORDINGS if recording.name == SENTENCES[language]]
    return sentence.pcm() + bytes(2 * int(AFTER_S * SAMPLE_RATE_HZ))
