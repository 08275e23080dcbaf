"""The command stt-tui: what it loads before the first screen, and what it refuses."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from stt_tui.__main__ import tui

SLOW = {"grpc", "google", "av", "numpy", "sounddevice", "rich", "torch", "ctranslate2", "onnxruntime", "faster_whisper"}


def test_nothing_slow_is_loaded_before_the_first_screen() -> None:
    program = "import sys, stt_tui.__main__; print(*{name.partition('.')[0] for name in sys.modules})"
    loaded = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout.split()
    assert SLOW.isdisjoint(loaded)


def test_without_a_terminal_it_says_what_to_use_instead() -> None:
    outcome = CliRunner().invoke(tui, [])
    assert outcome.exit_code == 2
    assert "stt-tui needs a terminal; `stt-cli recognize` writes to pipes and files." in outcome.output


@pytest.mark.parametrize("option", ["--auto / --no-auto", "--language", "--prompt", "--device", "--server", "--token"])
def test_help_tells_the_options(option: str) -> None:
    assert option in CliRunner().invoke(tui, ["--help"]).output


def test_a_file_that_is_no_text_is_refused_before_the_screen(tmp_path: Path) -> None:
    recording = tmp_path / "talk.wav"
    recording.write_bytes(b"RIFF\xff")
    program = f"import pty, sys; sys.exit(pty.spawn([sys.executable, '-m', 'stt_tui', {str(recording)!r}]) >> 8)"
    done = subprocess.run([sys.executable, "-c", program], stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert done.returncode == 1
    assert "is not UTF-8 text (invalid byte at offset 4)" in " ".join(done.stdout.split())


@pytest.mark.skipif(os.getuid() != 0, reason="only root can be a user that nobody knows")
def test_a_user_without_a_home_folder_is_told_what_to_set() -> None:
    program = (
        "import os, pty, sys\n"
        "def child():\n"
        "    from stt_tui.__main__ import main\n"
        "    os.environ.pop('HOME')\n"
        "    os.setuid(54321)\n"
        "    main()\n"
        "pid, terminal = pty.fork()\n"
        "if pid == 0:\n"
        "    child()\n"
        "told = b''\n"
        "try:\n"
        "    while part := os.read(terminal, 1000): told += part\n"
        "except OSError: pass\n"
        "print(told.decode(), os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split()[-1] == "1"
    assert "user ID 54321 has none: set HOME or XDG_STATE_HOME to a folder." in " ".join(done.stdout.split())
