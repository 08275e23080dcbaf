"""Random names and contents of sources and outputs: clear errors, intact recordings, no lost text.

A long run: CLI_FUZZ_CASES=2000 python -m pytest tests/stt_cli/test_cli_fuzz.py
"""

from __future__ import annotations

import io
import os
import random
import shutil
import stat
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Thread

import pytest

from stt_cli.arguments.request import InputOptions, OutputOptions, Request
from stt_cli.commands.recognize import recognize
from stt_cli.commands.recognize_setup import create_items, create_outputs
from stt_cli.output.paths import exists
from stt_cli.output.screen import PlainScreen
from stt_client.errors import ClientError
from stt_client.events import Settings
from stt_client.target import Target
from tests.support.audio.audio_files import encode
from tests.support.servers.scripted_server import RunningServer, final, replies, serving

CASES = int(os.environ.get("CLI_FUZZ_CASES", "150"))
SEEDS = 10  # tests, so that a failing case is found again quickly
TEXT = "Раз."
PARTS = [
    *[
        "a",
        "talk",
        " ",
        "\n",
        "\t",
        "\x1b[2J",
        "\x7f",
        "-",
        "--",
        "-o",
        "..",
        ".part",
        "%s",
        "{}",
        "[red]",
        "*",
        "'",
        '"',
        "\\",
    ],
    *[
        "я",
        "é",
        "e\u0301",
        "\u202e",
        "\u200d",
        "漢",
        "😀",
        os.fsdecode(b"\xff"),
        os.fsdecode(b"\xe9"),
        "n" * 120,
        "я" * 60,
    ],
]
SUFFIXES = ["", ".wav", ".txt", ".jsonl", ".srt", ".part"]
LINKS = ["link", "hard link", "dangling", "loop"]
CONTENTS = [*["audio"] * 20, "text", "text", "text", "empty", "bytes", "fifo", "folder", *LINKS, "missing"]
FORMATS = ["text", "text", "json", "json", "srt", "vtt"]


@pytest.fixture(scope="module")
async def server() -> AsyncIterator[RunningServer]:
    async with serving(replies(final(TEXT))) as running:
        yield running


@pytest.fixture(scope="module")
def audio(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return encode(tmp_path_factory.mktemp("audio") / "talk.wav", seconds=0.1).read_bytes()


@dataclass
class Case:
    folder: Path
    chance: random.Random
    audio: bytes

    def path(self) -> Path:
        """Return a path with any name that a shell can pass."""
        name = "".join(self.chance.choices(PARTS, k=self.chance.randint(1, 4))) + self.chance.choice(SUFFIXES)
        return self.folder / (name if name not in (".", "..") else "dots")

    def made(self) -> Path:
        """Create any kind of file at a path, or none, and return the path."""
        path, content = self.path(), self.chance.choice(CONTENTS)
        with suppress(OSError, ValueError, IndexError):  # invalid file name, name already in use, or no link target
            self._make(path, content)
        return path

    def _make(self, path: Path, content: str) -> None:
        if path.exists() or path.is_symlink():
            return
        match content:
            case "audio":
                path.write_bytes(self.audio)
            case "text":
                path.write_text("older text")
            case "bytes":
                path.write_bytes(self.chance.randbytes(64) + b"\0")
            case "empty":
                path.touch()
            case "fifo":
                os.mkfifo(path)
            case "folder":
                path.mkdir()
            case "link":
                path.symlink_to(self.path())
            case "hard link":
                path.hardlink_to(self.chance.choice(list(self.folder.iterdir())))
            case "dangling":
                path.symlink_to(self.folder / "nowhere" / "at all")
            case "loop":
                path.symlink_to(path)

    def sources(self) -> list[Path]:
        return [path for path in (self.made() for _ in range(self.chance.randint(1, 3))) if not is_fifo(path)]

    def output(self, sources: list[Path]) -> str | None:
        """Return None, any path, one of the sources, or a folder."""
        path = self.chance.choice([self.made(), self.path(), self.path(), *sources])
        others = [None, "-", "/dev/null", "/dev/full", ""]
        output = self.chance.choice([*[str(path)] * 4, *[f"{path}/"] * 3, *others])
        if output == str(path) and is_fifo(path):
            Thread(target=read, args=(path,), daemon=True).start()
        return output


def contents(folder: Path) -> dict[str, bytes]:
    """Return the regular files below the folder, without following links."""
    files = (Path(root) / name for root, _, names in os.walk(folder) for name in names)
    return {str(path): path.read_bytes() for path in files if stat.S_ISREG(path.lstat().st_mode)}


def read(fifo: Path) -> None:
    """Read from the FIFO until the case is over."""
    with suppress(OSError):
        fifo.read_bytes()


def is_fifo(path: Path) -> bool:
    return stat.S_ISFIFO(path.stat().st_mode) if exists(path) else False


def is_text(content: bytes) -> bool:
    return content in (b"", b"older text") or TEXT.encode() in content


@pytest.mark.parametrize("seed", range(SEEDS))
async def test_any_names_and_outputs_give_clear_errors_and_damage_no_file(
    tmp_path: Path, server: RunningServer, audio: bytes, seed: int
) -> None:
    for number in range(CASES // SEEDS):
        folder = tmp_path / str(number)
        folder.mkdir()
        case = Case(folder, random.Random(seed * 1_000_003 + number), audio)
        await check(case, server)
        shutil.rmtree(folder)


async def check(case: Case, server: RunningServer) -> None:
    sources = case.sources()
    if not sources:
        return
    output, written = case.output(sources), case.chance.choice(FORMATS)
    before = contents(case.folder)
    request = Request(
        InputOptions(tuple(map(str, sources)), jobs=case.chance.randint(1, 3)),
        Settings(),
        OutputOptions(written, output),
        Target((server.address,)),
    )
    stdout, stderr, streams = io.StringIO(), io.StringIO(), len(server.streams)
    code = await outcome(request, PlainScreen(stdout, stderr), stderr)
    description = f"{sources=} {output=} {written=} {code=} {stderr.getvalue()=}"
    after = contents(case.folder)
    for path, content in before.items():
        changed = after.get(path)
        assert changed == content or (is_text(content) and changed is not None and is_text(changed)), (
            path,
            description,
        )
    texts = [content for path, content in after.items() if before.get(path) != content]
    printed = stdout.getvalue() + stderr.getvalue() + b"".join(texts).decode()
    recognized_streams = len(server.streams) - streams
    if output != "/dev/null" and not (output and is_fifo(Path(output))):
        assert printed.count(TEXT) >= recognized_streams, description
    assert "Traceback" not in printed, description
    assert code in (0, 1), description
    assert code == 0 or stderr.getvalue(), description


async def outcome(request: Request, screen: PlainScreen, stderr: io.StringIO) -> int:
    """Return the exit code; print the command's error to stderr."""
    try:
        items = create_items(request)
        return await recognize(request, items, screen, create_outputs(request, items, screen))
    except ClientError as error:
        stderr.write(f"Error: {error}\n")
        return 1
