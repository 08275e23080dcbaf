"""faster-whisper's batched pipeline on one recording: `python -m benchmarks.apis.batched FILE LANGUAGE` prints JSON."""

from __future__ import annotations

import json
import sys
from time import monotonic

from faster_whisper import BatchedInferencePipeline

from benchmarks.comparison.raw_server import load

BATCH_SIZE = 8  # the default of the pipeline
BEAM_SIZE = 5


def main() -> None:
    path, language = sys.argv[1:]
    pipeline = BatchedInferencePipeline(load())
    start_s = monotonic()
    segments, _ = pipeline.transcribe(path, language=language, beam_size=BEAM_SIZE, batch_size=BATCH_SIZE)
    text = " ".join(segment.text.strip() for segment in segments)
    print(json.dumps({"text": text, "seconds": monotonic() - start_s}))


if __name__ == "__main__":
    main()
