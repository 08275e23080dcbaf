"""Internal errors on a terminal: one sentence, a restored terminal and the text in the journal."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import sys
import termios
from collections.abc import Iterator
from pathlib import Path

import pytest

from stt_tui.app import MAX_ERRORS
from stt_tui.journal import find_orphaned

PROGRAM = """
import asyncio, sys
from pathlib import Path
from stt_client.events import StreamOptions
from stt_tui.app import EditorOptions, run
from stt_tui.dictation_controller import Backends

def boom(*_):
    raise RuntimeError("boom")

options = EditorOptions(None, "", StreamOptions(), None, False, Path(sys.argv[1]))
outcome = asyncio.run(run(options, Backends(boom, boom)))
print("exit:", outcome.exit_message, outcome.failure)
"""
F1 = b"\x1bOP"
TIMEOUT_S = 60.0


class Child:
    """An editor on its own terminal whose microphone and client always fail."""

    def __init__(self, state: Path) -> None:
        self._terminal, inside = pty.openpty()
        termios.tcsetwinsize(inside, (10, 120))
        self._process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(state)],
            stdin=inside,
            stdout=inside,
            stderr=inside,
            env={**os.environ, "TERM": "xterm"},
            start_new_session=True,
        )
        os.close(inside)
        self.output = ""

    def send(self, keys: bytes) -> None:
        os.write(self._terminal, keys)

    def until(self, *parts: str) -> None:
        """Read the output until it contains the parts, in order.

        Raises:
            AssertionError: The parts do not appear in time.
        """
        expected = re.compile(".*".join(map(re.escape, parts)), re.DOTALL)
        while not expected.search(self.output):
            ready = select.select([self._terminal], [], [], TIMEOUT_S)[0]
            assert ready, self.output
            self.output += os.read(self._terminal, 65_536).decode(errors="replace")

    def wait(self) -> int:
        return self._process.wait(TIMEOUT_S)

    def close(self) -> None:
        os.close(self._terminal)
        self._process.kill()
        self._process.wait()


@pytest.fixture
def child(tmp_path: Path) -> Iterator[Child]:
    started = Child(tmp_path)
    try:
        started.until("F1 record")
        yield started
    finally:
        started.close()


def test_internal_error_is_shown_in_one_sentence_and_the_editor_continues(child: Child, tmp_path: Path) -> None:
    child.send(F1)
    child.until("Internal error in stt-tui (RuntimeError: boom)")
    child.send(b"typed\x11")
    child.until("exit: Unsaved text is in the journal")
    assert child.wait() == 0
    assert [orphan.text for orphan in find_orphaned(tmp_path / "journals", None)] == ["typed"]
    assert "boom" in (tmp_path / "last-error.txt").read_text()


def test_too_many_internal_errors_quit_the_editor_and_keep_the_text(child: Child, tmp_path: Path) -> None:
    child.send(b"typed")
    for _ in range(MAX_ERRORS):
        child.output = ""
        child.send(F1)
        child.until("○ opening", "○ off  Internal error in stt-tui (RuntimeError: boom)")
    child.send(F1)
    child.until("exit: Unsaved text is in the journal")
    child.until("Internal error in stt-tui (RuntimeError: boom); please report ")
    assert child.wait() == 0
    assert "Traceback" not in child.output
    assert [orphan.text for orphan in find_orphaned(tmp_path / "journals", None)] == ["typed"]
