"""Word error rate of streamed finals compared with faster-whisper's offline transcript of the same recordings.

`python -m lab.accuracy.streamed_wer [FOLDER]`: FOLDER has a manifest.jsonl like that of tests/recordings, which is the
default. Each dictation is streamed alone in real time, then at full speed, then in chunks of random sizes: the finals
must be the same. Exit code 1 if they are not, or if a limit is exceeded.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from time import monotonic

from faster_whisper import WhisperModel
from stt.v1 import stt_pb2 as pb
from stt.v1 import stt_pb2_grpc

from benchmarks.harness.channels import channel_to
from benchmarks.harness.word_errors import WordErrors, aligned_words, boundary_errors, count_errors, normalize
from benchmarks.recordings import FOLDER, pcm_of
from benchmarks.service import Service
from stt_service.models.store import models_folder, resolve

CHUNK_BYTES = 3200  # 100 ms
MAX_WER_LOSS_POINTS = 0.5  # above the offline transcript: the limit
RETRACTED_PERCENT = 2.0


@dataclass(frozen=True, slots=True)
class Dictation:
    path: Path
    language: str
    text: str


@dataclass(slots=True)
class Streamed:
    """Responses of a server."""

    finals: list[pb.Final] = field(default_factory=list)
    suppressed: list[pb.Suppressed] = field(default_factory=list)
    stable: dict[int, str] = field(default_factory=dict)  # the last stable prefix of each utterance
    taken_back: int = 0

    def texts(self) -> list[str]:
        return [final.text for final in self.finals]

    def take(self, response: pb.StreamingRecognizeResponse) -> None:
        match response.WhichOneof("event"):
            case "partial":
                partial = response.partial
                before = self.stable.get(partial.utterance, "")
                self.taken_back += not partial.stable.startswith(before)
                self.stable[partial.utterance] = partial.stable
            case "final":
                self.finals.append(response.final)
            case "suppressed":
                self.suppressed.append(response.suppressed)
            case "failure":
                raise SystemExit(f"the stream failed: {response.failure.message}")


def even(pcm: bytes) -> Iterator[bytes]:
    return (pcm[i : i + CHUNK_BYTES] for i in range(0, len(pcm), CHUNK_BYTES))


def uneven(pcm: bytes) -> Iterator[bytes]:
    sizes, start = random.Random(1), 0
    while start < len(pcm):
        end = start + sizes.choice([1, 7, 513, 4099, 31_337])
        yield pcm[start:end]
        start = end


async def stream(
    address: str, dictation: Dictation, chunks: Callable[[bytes], Iterator[bytes]], pace: float
) -> Streamed:
    """Stream the dictation; `pace` 1 is real time, 0 unlimited."""

    async def requests() -> AsyncIterator[pb.StreamingRecognizeRequest]:
        settings = pb.Settings(language=dictation.language)
        yield pb.StreamingRecognizeRequest(config=pb.StreamingConfig(settings=settings, partials=pace > 0))
        started, sent = monotonic(), 0
        for chunk in chunks(pcm_of(dictation.path)):
            sent += len(chunk)
            await asyncio.sleep(max(0.0, started + pace * sent / 32_000 - monotonic()))
            yield pb.StreamingRecognizeRequest(audio=chunk)

    streamed = Streamed()
    async with channel_to(address) as channel:
        async for response in stt_pb2_grpc.SpeechToTextStub(channel).StreamingRecognize(requests()):
            streamed.take(response)
    return streamed


@dataclass(frozen=True, slots=True)
class Compared:
    """One dictation, streamed and offline."""

    dictation: Dictation
    ours: WordErrors
    offline: WordErrors
    lost: tuple[str, ...]
    doubled: tuple[str, ...]
    suppressed: tuple[str, ...]
    stable: WordErrors  # words of the last stable prefixes that are missing in the final
    taken_back: int


def compare(dictation: Dictation, offline: str, streamed: Streamed) -> Compared:
    def words(text: str) -> list[str]:
        return normalize(text, dictation.language)

    reference, finals = words(dictation.text), [words(text) for text in streamed.texts()]
    errors = boundary_errors(reference, words(offline), finals)
    stable = WordErrors(0, 0)
    for final in streamed.finals:
        prefix = words(streamed.stable.get(final.utterance, ""))
        stable += WordErrors(len(prefix) - len(aligned_words(prefix, words(final.text))) if prefix else 0, len(prefix))
    return Compared(
        dictation,
        count_errors(reference, [word for final in finals for word in final]),
        count_errors(reference, words(offline)),
        errors.lost,
        errors.doubled,
        tuple(f"{s.reason}: {s.text}" for s in streamed.suppressed),
        stable,
        streamed.taken_back,
    )


def row(name: str, group: Sequence[Compared]) -> str:
    ours, offline = sum((c.ours for c in group), WordErrors(0, 0)), sum((c.offline for c in group), WordErrors(0, 0))
    stable = sum((c.stable for c in group), WordErrors(0, 0))
    lost, doubled = [w for c in group for w in c.lost], [w for c in group for w in c.doubled]
    return (
        f"| {name} | {ours.words} | {ours.percent:.2f} | {offline.percent:.2f} | {ours.percent - offline.percent:+.2f} "
        f"| {len(lost)} {' '.join(lost)} | {len(doubled)} {' '.join(doubled)} | {stable.percent:.1f} of {stable.words} "
        f"| {sum(c.taken_back for c in group)} | {'; '.join(s for c in group for s in c.suppressed) or '0'} |"
    )


HEADER = (
    "| dictation | words | streamed WER, % | offline WER, % | difference | lost at boundaries | doubled at boundaries "
    "| stable words not in the final, % | retracted | suppressed |\n|---|---|---|---|---|---|---|---|---|---|"
)


def dictations(folder: Path, kind: str) -> list[Dictation]:
    entries = map(json.loads, (folder / "manifest.jsonl").read_text(encoding="utf-8").splitlines())
    wanted = (e for e in entries if e["kind"] == kind and e["language"] in ("en", "ru"))
    return sorted((Dictation(folder / e["path"], e["language"], e["text"]) for e in wanted), key=lambda d: d.language)


def offline_texts(model: str, all_of_them: Sequence[Dictation]) -> list[str]:
    whisper = WhisperModel(str(resolve(model, models_folder(""))), device="cpu", compute_type="int8")
    texts = []
    for dictation in all_of_them:
        segments, _ = whisper.transcribe(str(dictation.path), language=dictation.language, beam_size=5, vad_filter=True)
        texts.append(" ".join(segment.text.strip() for segment in segments))
    return texts


def main() -> int:
    """Measure, print the table, return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, default=FOLDER)
    parser.add_argument("--fast", action="store_true", help="at full speed only: no partials, no comparison of paces")
    parser.add_argument("--model", default="base")
    parser.add_argument("--kind", default="dictation")
    parser.add_argument("--show", action="store_true", help="print the texts")
    options = parser.parse_args()
    chosen = dictations(options.folder, options.kind)
    compared, same = [], True
    with Service({"WHISPER_MODEL": options.model, "LANGUAGE": "ru", "LOG_LEVEL": "warning"}) as service:
        service.wait_until_listening()
        for dictation, offline in zip(chosen, offline_texts(options.model, chosen), strict=True):
            streamed = asyncio.run(stream(service.address, dictation, even, 0 if options.fast else 1))
            if not options.fast:
                for other in (even, uneven):
                    again = asyncio.run(stream(service.address, dictation, other, 0))
                    same &= again.texts() == streamed.texts()
            compared.append(compare(dictation, offline, streamed))
            if options.show:
                print(*streamed.texts(), f"OFFLINE {offline}", f"PERSON {dictation.text}", sep="\n", flush=True)
    return report(compared, same, options.fast)


def report(compared: Sequence[Compared], same: bool, fast: bool) -> int:
    print(HEADER)
    for one in compared:
        print(row(f"{one.dictation.language}/{one.dictation.path.stem}", [one]))
    missed = []
    for language, members in groupby(compared, key=lambda c: c.dictation.language):
        group = list(members)
        print(row(f"all {language}", group))
        ours, offline = (
            sum((c.ours for c in group), WordErrors(0, 0)),
            sum((c.offline for c in group), WordErrors(0, 0)),
        )
        stable = sum((c.stable for c in group), WordErrors(0, 0))
        if ours.percent > offline.percent + MAX_WER_LOSS_POINTS:
            missed.append(f"{language}: more than {MAX_WER_LOSS_POINTS} points worse than offline")
        if stable.percent > RETRACTED_PERCENT or any(c.taken_back for c in group):
            missed.append(f"{language}: stable words changed")
        if any(c.lost or c.doubled for c in group):
            missed.append(f"{language}: words lost or doubled at boundaries")
    if not fast:
        verdict = "the same" if same else "NOT the same"
        print(f"\nFinals in real time, at full speed and in random chunks are {verdict}.")
        missed += [] if same else ["finals depend on the pace"]
    print(*(f"MISSED {limit}" for limit in missed), sep="\n")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
