"""Agreement of a device with the CPU: error rates of real recordings, and windows alone and in batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from benchmarks.harness.word_errors import WordErrors, count_errors, normalize
from benchmarks.recordings import Recording
from stt_service.whisper.types import DecodeOptions, Kind, Transcript, Window

MAX_WER_LOSS_POINTS = 1.0  # of word errors more than the CPU: the limit
TOGETHER = 16  # MAX_BATCH


class Transcriber(Protocol):
    """An engine's interface, as far as it is used here."""

    multilingual: bool

    def transcribe(self, windows: Sequence[Window]) -> list[Transcript]: ...


@dataclass(frozen=True, slots=True)
class ModelResult:
    """Results of one model on one device."""

    model: str
    where: str  # device and compute type
    errors: dict[tuple[Kind, str], WordErrors] = field(default_factory=dict)  # by kind and language
    windows: int = 0
    differing: int = 0  # windows whose text alone differs from that in a batch

    def row(self) -> str:
        cells = [self.model, self.where]
        for kind in (Kind.FINAL, Kind.PARTIAL):
            for language in ("en", "ru"):
                errors = self.errors.get((kind, language))
                cells.append(f"{errors.percent:.2f}" if errors else "")
        return f"| {' | '.join(cells)} | {self.differing} of {self.windows} |"


HEADER = (
    "| model | where | WER of finals en, % | ru | WER of partials en, % | ru | texts that change in a batch |\n"
    "|---|---|---|---|---|---|---|"
)


def windows(recordings: Sequence[Recording], kind: Kind) -> list[Window]:
    """Return each recording as a window."""
    beam_size = 1 if kind is Kind.PARTIAL else 5
    return [
        Window(recording.samples(), DecodeOptions(recording.language, beam_size=beam_size, kind=kind))
        for recording in recordings
    ]


def transcribe(engine: Transcriber, model: str, where: str, recordings: Sequence[Recording]) -> ModelResult:
    """Transcribe the recordings in batches, and each alone."""
    known = [recording for recording in recordings if engine.multilingual or recording.language == "en"]
    errors: dict[tuple[Kind, str], WordErrors] = {}
    differing = 0
    for kind in (Kind.FINAL, Kind.PARTIAL):
        requests = windows(known, kind)
        batches = (requests[start : start + TOGETHER] for start in range(0, len(requests), TOGETHER))
        together = [transcript for batch in batches for transcript in engine.transcribe(batch)]
        for recording, transcript in zip(known, together, strict=True):
            key = kind, recording.language
            errors[key] = errors.get(key, WordErrors(0, 0)) + _wrong(recording, transcript)
        alone = (engine.transcribe([window])[0].text for window in requests)
        differing += sum(one != many.text for one, many in zip(alone, together, strict=True))
    return ModelResult(model, where, errors, 2 * len(known), differing)


def _wrong(recording: Recording, transcript: Transcript) -> WordErrors:
    return count_errors(normalize(recording.text, recording.language), normalize(transcript.text, recording.language))


def violations(results: Sequence[ModelResult]) -> Iterator[str]:
    """Yield a message for each missed limit; the first row of each model is the reference of the others."""
    first: dict[str, ModelResult] = {}
    for one in results:
        reference = first.setdefault(one.model, one)
        for (kind, language), errors in one.errors.items():
            worse = errors.percent - reference.errors[kind, language].percent
            if worse > MAX_WER_LOSS_POINTS:
                yield (
                    f"MISSED: {one.model} on {one.where}: {kind.name.lower()}s in {language} have {worse:.2f} points "
                    f"more errors than on {reference.where}."
                )
        if one.differing:
            yield f"MISSED: {one.model} on {one.where}: {one.differing} windows have another text in a batch."
