"""`make bench`: word error rate and lag of the recordings, through a server and the command-line client.

Every recording is streamed alone at the pace of speech, which takes four minutes; `--fast` sends them at full
speed, for the error rate only. Numbers that a text spells out and the model writes as digits count as errors.
"""

from __future__ import annotations

import json
import re
import statistics
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import jiwer

from benchmarks.recorded import RECORDINGS, Recording
from benchmarks.service import Service, ServiceFailed

CLIENT = str(Path(sys.executable).with_name("stt-cli"))
NO_WORD = re.compile(r"[^\w\s]|_")


@dataclass(frozen=True, slots=True)
class Measured:
    """What became of a recording."""

    recording: Recording
    text: str
    lags_s: tuple[float, ...]  # of each final, from the endpoint: queue and inference
    suppressed: int

    def words(self) -> jiwer.WordOutput:
        return jiwer.process_words(plain(self.recording.text), plain(self.text))


def plain(text: str) -> str:
    """Return the words alone: lower case, no punctuation, е for ё."""
    return " ".join(NO_WORD.sub(" ", text.lower().replace("ё", "е")).split())


def measure(recording: Recording, address: str, options: Sequence[str]) -> Measured:
    """Stream the recording and gather what comes back."""
    command = [CLIENT, "recognize", str(recording.path), "--format", "json", "--no-partials", *options]
    command += ["--language", recording.language, "--server", address]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, encoding="utf-8", check=True)
    events = [json.loads(line) for line in done.stdout.splitlines()]
    finals = [event for event in events if event["event"] == "final"]
    return Measured(
        recording,
        " ".join(final["text"] for final in finals),
        tuple(final["latency"]["queue"] + final["latency"]["inference"] for final in finals),
        sum(event["event"] == "suppressed" for event in events),
    )


def row(name: str, measured: Sequence[Measured]) -> str:
    """Return a line of the table for these recordings together."""
    each = [one.words() for one in measured]
    errors = sum(words.substitutions + words.deletions + words.insertions for words in each)
    total = sum(words.hits + words.substitutions + words.deletions for words in each)
    lags_s = sorted(lag for one in measured for lag in one.lags_s)
    lag = f"{statistics.median(lags_s):.2f} | {lags_s[-1]:.2f}" if lags_s else "- | -"
    suppressed = sum(one.suppressed for one in measured)
    return f"| {name} | {total} | {100 * errors / total:.1f} | {lag} | {len(lags_s)} | {suppressed} |"


def table(measured: Sequence[Measured]) -> str:
    """Return a line for each recording, then one for each language."""
    lines = [
        "| recording | words | WER, % | lag, median s | max s | finals | suppressed |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += [row(one.recording.name, [one]) for one in measured]
    for language in ("en", "ru"):
        lines.append(row(f"all {language}", [one for one in measured if one.recording.language == language]))
    return "\n".join(lines)


def main(arguments: Sequence[str]) -> int:
    """Run the measurement; return the exit code."""
    if set(arguments) - {"--fast"}:
        print("usage: python -m benchmarks.recordings [--fast]", file=sys.stderr)
        return 2
    options = [] if "--fast" in arguments else ["--realtime"]
    try:
        with Service({}) as service:
            service.wait_until_listening()
            measured = [measure(recording, service.address, options) for recording in RECORDINGS]
    except (ServiceFailed, subprocess.CalledProcessError) as failure:
        print(failure, file=sys.stderr)
        return 1
    print(table(measured))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
