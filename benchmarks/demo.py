"""`make demo`: a server, and recordings of speech streamed to it in real time, with live text."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from rich.console import Console

from benchmarks.recordings import RECORDINGS, Recording
from benchmarks.service import Service, ServiceError

RECORDING_NAMES = ("en/jfk", "ru/queue-periodic-announce", "ru/vm-record-prepend")  # 25 s
LANGUAGES = {"en": "English", "ru": "Russian"}
LOG_LINES = re.compile(r"WARNING|Whisper Model:|Realtime Model:|Actual Device:|real-time factor", re.IGNORECASE)
PATIENCE_S = 120  # beyond a recording's length, on a slow machine

NEXT = """
Now dictate yourself:
  LANGUAGE=en make serve          in one terminal (without LANGUAGE it listens to Russian)
  make run-client                 in another, and speak
  make run-editor                 or in an editor, into one text
  make run-client ARGS=talk.mp3   for a file
Larger models are more accurate and need a GPU; .venv/bin/pip install -e '.[gpu]' installs its libraries:
  WHISPER_MODEL=medium make serve
"""


class ClientError(Exception):
    """A recording was not recognized."""


def main(screen: Console, spoken: Sequence[Recording]) -> int:
    """Run the demo; return the exit code."""
    try:
        with Service({}) as service:
            with screen.status("Starting the server: it loads its model and tries it out …"):
                service.wait_until_listening()
            _introduce(screen, service)
            for recording in spoken:
                _play(screen, recording, service.address)
    except (ServiceError, ClientError) as failure:
        screen.print(str(failure), style="red", markup=False, soft_wrap=True)
        return 1
    screen.print(NEXT, markup=False, soft_wrap=True)
    return 0


def _introduce(screen: Console, service: Service) -> None:
    for line in service.lines:
        if LOG_LINES.search(line):
            screen.print(line.strip(), markup=False)
    screen.print(f"The server listens on {service.address}.", markup=False)


def _play(screen: Console, recording: Recording, address: str) -> None:
    """Stream the recording through the command that a user would type, in the user's terminal."""
    path = os.path.relpath(recording.path)
    arguments = ["recognize", path, "--realtime", "--language", recording.language, "--server", address]
    screen.print(f"\n{LANGUAGES[recording.language]}, {recording.duration_s:.0f} s, {recording.speaker}", style="bold")
    screen.print(f"$ stt-cli {' '.join(arguments)}", style="dim", markup=False, soft_wrap=True)
    command = [str(Path(sys.executable).with_name("stt-cli")), *arguments]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, timeout=recording.duration_s + PATIENCE_S)
    except subprocess.TimeoutExpired as error:
        raise ClientError(f"{path} took longer than {error.timeout:.0f} s.") from error
    if done.returncode != 0:
        raise ClientError(f"stt-cli ended with exit code {done.returncode}.")
    screen.print(f"(transcript: {recording.text})", style="dim", markup=False, soft_wrap=True)


def _end(number: int, _frame: FrameType | None) -> None:
    sys.exit(128 + number)  # unwinds every `with`, so that the server stops too


if __name__ == "__main__":
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _end)
    by_name = {recording.name: recording for recording in RECORDINGS}
    try:
        sys.exit(main(Console(stderr=True, highlight=False), [by_name[name] for name in RECORDING_NAMES]))
    except KeyboardInterrupt:
        sys.exit(130)
