"""The dictations of a folder of recordings: their text, and the time of each utterance."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.comparison.systems import SAMPLE_BYTES, SAMPLE_RATE_HZ
from benchmarks.recordings import Utterance, pcm_of

TRUNCATION_PADDING_S = 0.3  # after the last utterance of a truncated dictation; shorter than any pause


@dataclass(frozen=True, slots=True)
class Dictation:
    path: Path
    language: str
    utterances: tuple[Utterance, ...]
    length_s: float | None = None  # of a truncated one

    @property
    def name(self) -> str:
        return f"{self.path.parent.name}/{self.path.stem}"

    @property
    def text(self) -> str:
        return " ".join(utterance.text for utterance in self.utterances)

    def truncated(self, max_seconds: float) -> Dictation:
        """Return it up to the last utterance that ends by then; the first is always included."""
        included = tuple(u for u in self.utterances if u.end_s <= max_seconds) or self.utterances[:1]
        if len(included) == len(self.utterances):
            return self
        return replace(self, utterances=included, length_s=included[-1].end_s + TRUNCATION_PADDING_S)

    def pcm(self) -> bytes:
        """Return the audio as a stream sends it."""
        pcm = pcm_of(self.path)
        return pcm if self.length_s is None else pcm[: int(self.length_s * SAMPLE_RATE_HZ) * SAMPLE_BYTES]


def dictations(folder: Path, language: str, max_seconds: float | None = None) -> list[Dictation]:
    """Return the dictations in manifest.jsonl of the folder, in its order."""
    entries = map(json.loads, (folder / "manifest.jsonl").read_text(encoding="utf-8").splitlines())
    loaded = [
        Dictation(
            folder / entry["path"],
            language,
            tuple(Utterance(spoken["text"], spoken["start"], spoken["end"]) for spoken in entry["utterances"]),
        )
        for entry in entries
        if entry["kind"] == "dictation" and entry["language"] == language
    ]
    return loaded if max_seconds is None else [dictation.truncated(max_seconds) for dictation in loaded]
