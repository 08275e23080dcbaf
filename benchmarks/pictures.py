"""`make pictures`: the pictures of the README, recorded in real terminals and browsers against a real server.

Recordings replace the microphone.
"""

from __future__ import annotations

import sys
import tempfile
import wave
from collections.abc import Sequence
from pathlib import Path

from benchmarks import monitor_picture, page_picture
from benchmarks.recordings import RECORDINGS
from benchmarks.service import Service
from benchmarks.terminal.picture import picture
from benchmarks.terminal.session import Keys, ScreenState, Session, record

PICTURES = Path(__file__).parents[1] / "docs" / "pictures"
BIN = Path(sys.executable).parent
QUESTIONS = ("en/brooklyn-bridge", "en/riva-question")
RECORDING_NAMES = {"live": (*QUESTIONS, "en/lj001-0020"), "editor": (*QUESTIONS, "en/jfk")}
TALK = "talk.wav"
PAUSE_S = 2.2  # before, between and after them: longer than the silence that ends an utterance
TYPED = [Keys(0.5, b"Questions for Monday\r"), Keys(5.0, b"\r"), Keys(11.0, b"\r")]  # before, and after each question
SETTINGS = {"DEVICE": "cpu", "LANGUAGE": "en", "WHISPER_MODEL": "base", "REALTIME_MODEL": "tiny.en"}


def main() -> None:
    monitor_picture.draw(PICTURES / "monitor.png")
    page_picture.draw(PICTURES)
    with tempfile.TemporaryDirectory() as temporary, Service(SETTINGS) as service:
        folder = Path(temporary)
        service.wait_until_listening()
        _speak(folder / TALK, RECORDING_NAMES["live"])
        live = Session(["stt-cli", "recognize", "--device", f"file:{TALK}"], folder, 80, 9, length_s=24)
        _draw("live", live, "stt-cli recognize, live in a terminal", service.address)
        _speak(folder / TALK, RECORDING_NAMES["editor"])
        editor = Session(["stt-tui", "--device", f"file:{TALK}"], folder, 60, 9, length_s=29, keys=TYPED, prompt=False)
        _draw("editor", editor, "stt-tui, the dictation editor", service.address)


def _speak(path: Path, names: Sequence[str]) -> None:
    """Print the dictations of a picture."""
    by_name = {recording.name: recording for recording in RECORDINGS}
    with wave.open(str(path), "wb") as talk:
        talk.setnchannels(1)
        talk.setsampwidth(2)
        talk.setframerate(16_000)
        pause = bytes(2 * round(16_000 * PAUSE_S))
        talk.writeframes(pause + b"".join(by_name[name].pcm() + pause for name in names))


def _draw(name: str, session: Session, title: str, address: str) -> None:
    home = str(session.folder)
    variables = {"SERVER_HOST": address, "PATH": f"{BIN}:/usr/bin:/bin", "HOME": home, "XDG_STATE_HOME": home}
    moments = record(session, variables)
    path = PICTURES / f"{name}.svg"
    path.write_text(picture(moments, session.columns, title, _most_text_at(moments)), encoding="utf-8")
    print(f"{path}: {path.stat().st_size // 1024} KB, {len(moments)} moments")


def _most_text_at(moments: Sequence[ScreenState]) -> float:
    """Return the moment with the most text; text of the open utterance counts twice."""

    def letters(moment: ScreenState) -> int:
        return sum(len(run.text) * (2 if run.style.dim else 1) for row in moment.rows for run in row)

    return max(moments, key=letters).at_s


if __name__ == "__main__":
    main()
