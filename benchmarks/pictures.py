"""`make pictures`: the pictures of the README, recorded in real terminals against a real server.

Recordings of people stand in for the microphone.
"""

from __future__ import annotations

import importlib.util
import sys
import tempfile
from pathlib import Path

from benchmarks.recorded import FOLDER
from benchmarks.service import Service
from benchmarks.terminal_picture import picture
from benchmarks.terminal_session import Keys, Session, shown

PICTURES = Path(__file__).parent.parent / "docs" / "pictures"
BIN = Path(sys.executable).parent
SPOKEN = "dictation.flac"
SETTINGS = {"DEVICE": "cpu", "LANGUAGE": "en", "WHISPER_MODEL": "base", "REALTIME_MODEL": "tiny.en"}

LIVE = Session(
    ["stt-cli", "recognize", "--device", f"file:{SPOKEN}"],
    FOLDER / "en",
    columns=90,
    rows=14,
    length_s=40,
    keys=[Keys(27, b"\x03")],
)
EDITOR = Session(
    ["stt-tui", "--device", f"file:{SPOKEN}"],
    FOLDER / "en",
    columns=60,
    rows=14,
    length_s=26,
    prompt=False,
)


def draw(name: str, session: Session, title: str, address: str) -> None:
    with tempfile.TemporaryDirectory() as home:
        variables = {"SERVER_HOST": address, "PATH": f"{BIN}:/usr/bin:/bin", "HOME": home, "XDG_STATE_HOME": home}
        moments = shown(session, variables)
    path = PICTURES / f"{name}.svg"
    path.write_text(picture(moments, session.columns, title, still_at_s=moments[-1].at_s * 0.6), encoding="utf-8")
    print(f"{path}: {path.stat().st_size // 1024} KB, {len(moments)} moments")


def main() -> None:
    with Service(SETTINGS) as service:
        service.wait_until_listening()
        draw("live", LIVE, "stt-cli recognize, live in a terminal", service.address)
        if importlib.util.find_spec("stt_tui") is not None:
            draw("editor", EDITOR, "stt-tui, the dictation editor", service.address)


if __name__ == "__main__":
    main()
