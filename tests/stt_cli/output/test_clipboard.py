"""The clipboard: order of the tools, time limits, and no tool that holds stdout or stderr open."""

from __future__ import annotations

import asyncio
import base64
import os
import sys
from pathlib import Path

import pytest

from stt_cli.output.clipboard import TERMINAL_BYTES, Clipboard, CopyResult, clipboard_tools

pytestmark = pytest.mark.process

FAILS = [sys.executable, "-c", "raise SystemExit(1)"]
HANGS = [sys.executable, "-c", "import time; time.sleep(60)"]


def copy_to_file(path: Path) -> list[str]:
    return [sys.executable, "-c", f"import sys; open({str(path)!r}, 'ab').write(sys.stdin.buffer.read() + b'|')"]


async def test_copy_stops_at_the_first_tool_that_succeeds(tmp_path: Path) -> None:
    written = list[str]()
    clipboard = Clipboard({CopyResult.DESKTOP: FAILS, CopyResult.TMUX: copy_to_file(tmp_path / "kept")}, written.append)
    assert await clipboard.copy("Раз, два.") is CopyResult.TMUX
    assert (tmp_path / "kept").read_text() == "Раз, два.|"
    assert written == []


async def test_without_a_tool_the_text_is_sent_to_the_terminal() -> None:
    written = list[str]()
    clipboard = Clipboard({CopyResult.DESKTOP: FAILS, CopyResult.TMUX: ["no-such-tool"]}, written.append)
    assert await clipboard.copy("Раз") is CopyResult.TERMINAL
    (sequence,) = written
    assert sequence.startswith("\x1b]52;c;")
    assert base64.b64decode(sequence[7:-1]).decode() == "Раз"


async def test_tool_that_hangs_is_stopped_and_not_used_again() -> None:
    clipboard = Clipboard({CopyResult.DESKTOP: HANGS}, list[str]().append, timeout_s=0.2)
    async with asyncio.timeout(30):
        assert await clipboard.copy("раз") is CopyResult.TERMINAL
    assert await clipboard.copy("два") is CopyResult.TERMINAL


async def test_copy_to_a_terminal_that_does_not_read_times_out() -> None:
    read_end, write_end = os.pipe()
    clipboard = Clipboard({}, lambda _: os.read(read_end, 1), timeout_s=0.05)
    async with asyncio.timeout(30):
        assert await clipboard.copy("раз") is CopyResult.NOWHERE
    os.close(write_end)
    os.close(read_end)


@pytest.mark.parametrize("text", ["x" * (TERMINAL_BYTES + 1), "я" * (TERMINAL_BYTES // 2 + 1)])
async def test_text_too_long_for_a_terminal_is_not_copied(text: str) -> None:
    assert await Clipboard({}, list[str]().append).copy(text) is CopyResult.NOWHERE


async def test_without_tool_and_terminal_nothing_is_copied() -> None:
    assert await Clipboard({}, None).copy("раз") is CopyResult.NOWHERE


async def test_only_the_newest_waiting_text_is_copied(tmp_path: Path) -> None:
    clipboard = Clipboard({CopyResult.DESKTOP: copy_to_file(tmp_path / "kept")}, None)
    async with asyncio.TaskGroup() as group:
        copies = [group.create_task(clipboard.copy(text)) for text in ("раз", "два", "три")]
    assert [copy.result() for copy in copies] == [CopyResult.DESKTOP, CopyResult.SUPERSEDED, CopyResult.DESKTOP]
    assert (tmp_path / "kept").read_text() == "раз|три|"


def test_tmux_is_queried_only_inside_tmux() -> None:
    assert list(clipboard_tools({})) == [CopyResult.DESKTOP]
    assert list(clipboard_tools({"TMUX": "/tmp/tmux-0/default,1,0"})) == [CopyResult.DESKTOP, CopyResult.TMUX]  # noqa: S108
