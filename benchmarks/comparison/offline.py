"""Raw faster-whisper on whole files: the reference for word error rate and CPU time of live systems.

`python -m benchmarks.comparison.offline FOLDER LANGUAGE [MAX_SECONDS]` writes a JSON line for each dictation.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from time import process_time

from benchmarks.comparison.raw_server import load, samples_of, transcript
from benchmarks.harness.dictations import Dictation, dictations
from benchmarks.harness.replay import BYTES_PER_SECOND

ROOT = Path(__file__).parents[2]
TIMEOUT_S = 900.0


@dataclass(frozen=True, slots=True)
class Transcribed:
    name: str
    text: str
    sound_s: float
    cpu_s: float


def transcribed(folder: Path, language: str, max_seconds: float | None) -> list[Transcribed]:
    """Transcribe the dictations in a separate process, which exits and frees the model.

    Raises:
        subprocess.SubprocessError: it failed, or took too long.
    """
    options = [str(folder.resolve()), language, *([] if max_seconds is None else [str(max_seconds)])]
    command = [sys.executable, "-m", "benchmarks.comparison.offline", *options]
    done = subprocess.run(
        command, cwd=ROOT, stdout=subprocess.PIPE, text=True, encoding="utf-8", timeout=TIMEOUT_S, check=True
    )
    return [Transcribed(**json.loads(line)) for line in done.stdout.splitlines()]


def _transcribe(chosen: list[Dictation]) -> Iterator[Transcribed]:
    model = load()
    for dictation in chosen:
        pcm = dictation.pcm()
        began_s = process_time()
        text = transcript(model, samples_of(pcm), dictation.language)
        yield Transcribed(dictation.name, text, len(pcm) / BYTES_PER_SECOND, process_time() - began_s)


def main() -> None:
    folder, language, *seconds = sys.argv[1:]
    for one in _transcribe(dictations(Path(folder), language, float(seconds[0]) if seconds else None)):
        print(json.dumps(asdict(one)), flush=True)


if __name__ == "__main__":
    main()
