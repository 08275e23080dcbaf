"""Accuracy and CPU of the silence tail: single utterances in short windows, compared with 30 s windows as in training.

`python -m lab.accuracy.short_windows [FOLDER] [--model base] [--language en]` decodes each utterance of FOLDER alone,
greedily and with beam 5, in short and full windows, on one thread. FOLDER has a manifest.jsonl like that of
tests/recordings, which is the default. Exit code 1 if a row of short windows is more than half a point worse than that
of full windows.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from time import process_time

import numpy as np

from benchmarks.harness.word_errors import WordErrors, count_errors, normalize
from benchmarks.recordings import FOLDER, SAMPLE_RATE_HZ, pcm_of
from stt_service.models.store import models_folder, resolve
from stt_service.whisper.engine import Engine, Placement
from stt_service.whisper.fallback import MAX_COMPRESSION_RATIO
from stt_service.whisper.types import DecodeOptions, EncoderContext, Transcript, Window

MAX_WER_LOSS_POINTS = 0.5
LONGEST_S = 28.0
BEAMS = (1, 5)


@dataclass(frozen=True, slots=True)
class ReferenceUtterance:
    """An utterance and its transcript."""

    window: Window
    words: list[str]


@dataclass(frozen=True, slots=True)
class Row:
    """Result of one way to decode them."""

    beam: int
    context: EncoderContext
    errors: WordErrors
    runaways: int
    cpu_s: float

    def __str__(self) -> str:
        return (
            f"| {self.beam} | {self.context.value} | {self.errors.count} of {self.errors.words} "
            f"| {self.errors.percent:.2f} | {self.runaways} | {self.cpu_s:.1f} |"
        )


HEADER = "| beam | window | word errors | WER, % | runaways | CPU, s |\n|---|---|---|---|---|---|"


def reference_utterances(folder: Path, language: str) -> Iterator[ReferenceUtterance]:
    """Return the utterances of the language that fit in a window."""
    for line in (folder / "manifest.jsonl").read_text(encoding="utf-8").splitlines():
        entry = json.loads(line)
        if (entry["kind"], entry["language"]) == ("utterance", language) and entry["duration"] <= LONGEST_S:
            samples = np.frombuffer(pcm_of(folder / entry["path"]), "<i2").astype(np.float32) / np.float32(32_768)
            window = Window(samples, DecodeOptions(language), len(samples) / SAMPLE_RATE_HZ)
            yield ReferenceUtterance(window, normalize(entry["text"], language))


def row(engine: Engine, utterances: list[ReferenceUtterance], beam: int, context: EncoderContext) -> Row:
    """Decode all, one after the other."""
    wrong, runaways, began_s = WordErrors(0, 0), 0, process_time()
    transcripts: list[Transcript] = []
    for utterance in utterances:
        language = utterance.window.options.language
        options = DecodeOptions(language, beam_size=beam, context=context)
        transcripts += engine.transcribe([Window(utterance.window.samples, options)])
    cpu_s = process_time() - began_s
    for utterance, transcript in zip(utterances, transcripts, strict=True):
        wrong += count_errors(utterance.words, normalize(transcript.text, utterance.window.options.language or "en"))
        runaways += transcript.compression_ratio > MAX_COMPRESSION_RATIO
    return Row(beam, context, wrong, runaways, cpu_s)


def main() -> int:
    """Decode, print, return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, default=FOLDER)
    parser.add_argument("--model", default="base")
    parser.add_argument("--language", default="en")
    options = parser.parse_args()
    engine = Engine(Placement(resolve(options.model, models_folder(os.environ.get("MODELS_DIR", ""))), threads=1))
    utterances = list(reference_utterances(options.folder, options.language))
    print(f"{len(utterances)} utterances, {options.language}, {options.model}\n\n{HEADER}")
    missed = []
    for beam in BEAMS:
        full, short = (
            row(engine, utterances, beam, context) for context in (EncoderContext.FULL, EncoderContext.SHORT)
        )
        print(full, short, sep="\n", flush=True)
        if short.errors.percent > full.errors.percent + MAX_WER_LOSS_POINTS:
            missed.append(f"MISSED: beam {beam}: {short.errors.percent - full.errors.percent:.2f} points worse.")
    print(*(missed or [f"Met: short windows are at most {MAX_WER_LOSS_POINTS:g} points worse."]), sep="\n")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
