"""Counts outcomes and writes them as a Markdown table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from statistics import median

from lab.short_utterances.outcome import Outcome

HEADER = (
    "| language | variant | system | utterances | exact | doubled | lost | suppressed | wrong | exact of those that "
    "faster-whisper gets exact | final: inference, median, ms |\n|---|---|---|---|---|---|---|---|---|---|---|"
)


@dataclass(frozen=True, slots=True)
class Result:
    """One utterance under one variant: this project's text next to faster-whisper's."""

    name: str
    language: str
    variant: str
    reference: str
    text: str
    outcome: str
    reasons: tuple[str, ...]  # of suppressions
    suppressed_texts: tuple[str, ...]
    languages: tuple[str, ...]  # of the finals
    inference_ms: float | None  # None without a final
    faster_whisper: str
    faster_whisper_outcome: str

    def __str__(self) -> str:
        suppressed = zip(self.reasons, self.suppressed_texts, strict=True)
        withheld = "".join(f", {reason} {text!r}" for reason, text in suppressed)
        return (
            f"{self.variant} {self.name} {self.reference!r}: {self.outcome} {self.text!r}{withheld}; "
            f"faster-whisper: {self.faster_whisper_outcome} {self.faster_whisper!r}"
        )


def table(results: Sequence[Result]) -> str:
    """Return two rows for each variant and language: this project's and faster-whisper's."""

    def group(result: Result) -> tuple[str, str]:
        return result.language, result.variant

    return "\n".join(
        [HEADER, *(row for _, each in groupby(sorted(results, key=group), group) for row in _rows(list(each)))]
    )


def _rows(results: Sequence[Result]) -> Iterator[str]:
    both = [result for result in results if result.faster_whisper_outcome == Outcome.EXACT.value]
    shared = sum(result.outcome == Outcome.EXACT.value for result in both)
    ratio = f"{shared} of {len(both)}, {100 * shared / len(both):.1f} %" if both else "-"
    inference = [result.inference_ms for result in results if result.inference_ms is not None]
    cost = f"{median(inference):.0f}" if inference else "-"
    first = results[0]
    reasons = Counter(
        reason for result in results if result.outcome == Outcome.SUPPRESSED.value for reason in result.reasons
    )
    ours = _counts([result.outcome for result in results], reasons)
    theirs = _counts([result.faster_whisper_outcome for result in results], Counter())
    yield f"| {first.language} | {first.variant} | this project | {ours} | {ratio} | {cost} |"
    yield f"| | | faster-whisper, full windows | {theirs} | | |"


def _counts(outcomes: Sequence[str], reasons: Counter[str]) -> str:
    count = Counter(outcomes)
    received = ", ".join(f"{reason} {number}" for reason, number in reasons.most_common())
    cells = [f"{count[each.value]}" for each in Outcome]
    if received:
        cells[list(Outcome).index(Outcome.SUPPRESSED)] += f" ({received})"
    return " | ".join([str(len(outcomes)), *cells])
