"""The command stt-tui: imports before the first screen, and rejected invocations."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from stt_tui.__main__ import tui

SLOW = {"grpc", "google", "av", "numpy", "sounddevice", "rich", "torch", "ctranslate2", "onnxruntime", "faster_whisper"}


def test_no_slow_module_is_imported_before_the_first_screen() -> None:
    program = "import sys, stt_tui.__main__; print(*{name.partition('.')[0] for name in sys.modules})"
    loaded = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout.split()
    assert SLOW.isdisjoint(loaded)


def test_run_without_a_terminal_fails_and_names_the_alternative() -> None:
    outcome = CliRunner().invoke(tui, [])
    assert outcome.exit_code == 2
    assert "stt-tui needs a terminal; `stt-cli recognize` writes to pipes and files." in outcome.output


@pytest.mark.parametrize("option", ["--auto / --no-auto", "--language", "--prompt", "--device", "--server", "--token"])
def test_help_lists_the_option(option: str) -> None:
    assert option in CliRunner().invoke(tui, ["--help"]).output


def test_binary_file_is_rejected_before_the_screen_is_drawn(tmp_path: Path) -> None:
    recording = tmp_path / "talk.wav"
    recording.write_bytes(b"RIFF\xff")
    program = f"import pty, sys; sys.exit(pty.spawn([sys.executable, '-m', 'stt_tui', {str(recording)!r}]) >> 8)"
    done = subprocess.run([sys.executable, "-c", program], stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert done.returncode == 1
    assert "is not UTF-8 text (invalid byte at offset 4)" in " ".join(done.stdout.split())


@pytest.mark.skipif(os.getuid() != 0, reason="only root can switch to an unknown user ID")
def test_missing_home_folder_fails_and_names_the_variables_to_set() -> None:
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
        "output = b''\n"
        "try:\n"
        "    while part := os.read(terminal, 1000): output += part\n"
        "except OSError: pass\n"
        "print(output.decode(), os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split()[-1] == "1"
    assert "user ID 54321 has none: set HOME or XDG_STATE_HOME to a folder." in " ".join(done.stdout.split())
