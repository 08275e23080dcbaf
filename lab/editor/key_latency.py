"""Response times of the editor: python -m lab.editor.key_latency

The editor runs in a real terminal, with a real server and a recording instead of the microphone. Measured are the time
from the start to the first screen, and from a key to the screen that shows it, at 20 keys a second during a dictation,
also in a text of one megabyte; and whether every key and every word is there.
"""

from __future__ import annotations

import argparse
import re
import statistics
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import monotonic

from benchmarks.harness.word_errors import count_errors, normalize
from benchmarks.recordings import RECORDINGS, Recording
from benchmarks.service import Service
from lab.editor.keyboard import Keyboard

SERVER = {"DEVICE": "cpu", "WHISPER_MODEL": "base"}
PARTIALS = {"en": "tiny.en", "ru": "base"}
KEY_S = 1 / 20
STARTS = 10
LINE = "слово за словом, строка за строкой. "
TEXTS = {  # of one megabyte in UTF-8
    "empty": "",
    "1 MB, 1,000 lines": "\n".join([LINE * 16] * 1_000),
    "1 MB, one line": LINE * 16_000,
}
MARK = re.compile(r"\bq\d+x\b")


@dataclass(frozen=True, slots=True)
class Typed:
    """One run: the latency of each key in seconds, and the lost keys and words."""

    latencies_s: list[float]
    keys_lost: int
    word_errors: float  # per cent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--language", choices=["en", "ru"], default="en", help="language of the dictation")
    parser.add_argument("--recording", help="by its name in tests/recordings; else the dictation")
    options = parser.parse_args()
    name = options.recording or f"{options.language}/dictation"
    recording = next(each for each in RECORDINGS if each.name == name)
    starts = sorted(start_s() for _ in range(STARTS))
    print(f"start to first screen, ms: {_ms(statistics.median(starts))}, at most {_ms(starts[-1])}", flush=True)
    print("| text | keys | p50, ms | p95, ms | most, ms | keys lost | word errors, % |\n|---|---|---|---|---|---|---|")
    settings = {**SERVER, "LANGUAGE": options.language, "REALTIME_MODEL": PARTIALS[options.language]}
    with Service(settings) as service:
        service.wait_until_listening()
        for text_name, text in TEXTS.items():
            print(_row(text_name, typed(recording, text, service.address)), flush=True)


def start_s() -> float:
    """Return the time of the editor to its first screen."""
    with tempfile.TemporaryDirectory() as home:
        started = monotonic()
        with Keyboard(["--no-auto"], Path(home)) as keyboard:
            return keyboard.until(lambda: "F1" in keyboard.rows[-1]) - started


def typed(recording: Recording, text: str, server: str) -> Typed:
    """Type at the end of the text while the recording is dictated."""
    with tempfile.TemporaryDirectory() as home:
        file = Path(home) / "text.txt"
        file.write_text(text, encoding="utf-8")
        arguments = ["--server", server, "--device", f"file:{recording.path}", str(file)]
        with Keyboard(arguments, Path(home)) as keyboard:
            keyboard.until(lambda: "[" in keyboard.rows[-1])
            keyboard.press(b"\x1b[1;5F\r")
            words = list[str]()
            latencies_s = list(_typing(keyboard, words))
            keyboard.until(lambda: "○ off" in keyboard.rows[-1])  # all text is committed
            keyboard.press(b"\x13")
            keyboard.until(lambda: "Saved" in keyboard.rows[-1])
        return _judged(file.read_text(encoding="utf-8")[len(text) :], words, latencies_s, recording)


def _typing(keyboard: Keyboard, words: list[str]) -> Iterator[float]:
    """Type words that occur once, a key every 50 ms, while the editor records; yield the latency of each."""
    due = monotonic()
    while "●" in keyboard.rows[-1]:
        words.append(f"q{len(words)}x")
        for count, key in enumerate(f"{words[-1]} ", start=1):
            keyboard.look(max(0.0, due - monotonic()))
            due += KEY_S
            pressed = keyboard.press(key.encode())
            if key != " ":
                yield keyboard.until(partial(_shows, keyboard, words[-1][:count])) - pressed


def _shows(keyboard: Keyboard, typed: str) -> bool:
    return re.search(rf"{typed}(?!\w)", keyboard.text) is not None


def _judged(written: str, words: Sequence[str], latencies_s: list[float], recording: Recording) -> Typed:
    marks = MARK.findall(written)
    lost = sum(len(word) for word in set(words) - set(marks)) if marks != list(words) else 0
    text = " ".join(MARK.sub(" ", written).split())
    wrong = count_errors(normalize(recording.text, recording.language), normalize(text, recording.language))
    assert marks == list(words) or lost, "keys came in another order"
    return Typed(latencies_s, lost, wrong.percent)


def _row(name: str, run: Typed) -> str:
    cuts = statistics.quantiles(run.latencies_s, n=20)
    values = [len(run.latencies_s), _ms(cuts[9]), _ms(cuts[18]), _ms(max(run.latencies_s))]
    return f"| {name} | {' | '.join(map(str, values))} | {run.keys_lost} | {run.word_errors:.1f} |"


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.1f}"


if __name__ == "__main__":
    main()
