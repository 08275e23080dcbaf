"""Where the text goes: stdout, one file, or a file for each source in a folder."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol

from stt_cli.output.files import OutputFile, check_output, holds_text, is_input, is_special, output_file, shortened
from stt_cli.output.files import unwritable as _unwritable
from stt_cli.output.terminal import abandon_stdout
from stt_client.audio.paths import exists, is_folder
from stt_client.errors import OutputError

Write = Callable[[str], None]
NUMBER_BYTES = 16  # left for a number and `.part` in the name of a file in a folder


class Output(Protocol):
    """What one source writes to."""

    def write(self, text: str) -> None:
        """Write at once.

        Raises:
            OutputError: the text cannot be written.
            BrokenPipeError: nobody reads stdout any more.
        """

    def close(self, is_complete: bool) -> str | None:
        """End it; return a sentence if the text is elsewhere.

        Raises:
            OutputError: the text cannot be written.
        """


class Outputs(Protocol):
    def open(self, source_name: str, opening: str) -> Output:
        """Return the output of one source, whose text begins with the opening.

        Raises:
            OutputError: it cannot be opened.
        """

    def close(self) -> str | None:
        """End what several sources share; return a sentence if the text is elsewhere.

        Raises:
            OutputError: the text cannot be written.
        """


class Opened:
    """Puts the opening before the first text."""

    def __init__(self, file: OutputFile, opening: str) -> None:
        self._file = file
        self._opening = opening

    def write(self, text: str) -> None:
        opening, self._opening = self._opening, ""
        self._file.write(opening + text)

    def close(self, is_complete: bool) -> str | None:
        return self._file.finish(self._opening) if is_complete else self._file.abandon()


class Stdout:
    """All sources write to the screen's stdout."""

    def __init__(self, write: Write) -> None:
        self._write = write

    def open(self, source_name: str, opening: str) -> Output:
        return Opened(self, opening)

    def write(self, text: str) -> None:
        try:
            self._write(text)
        except BrokenPipeError:
            raise
        except OSError as error:
            abandon_stdout()
            raise _unwritable("standard output", error) from error

    def finish(self, opening: str) -> str | None:
        if opening:
            self.write(opening)
        return None

    def abandon(self) -> str | None:
        return None

    def close(self) -> str | None:
        return None


class OneFile:
    """All sources, one after the other."""

    def __init__(self, path: Path, inputs: Sequence[str] = (), is_live: bool = False) -> None:
        """Check the path. `is_live`: a dictation.

        Raises:
            OutputError: text may not or cannot be written there.
        """
        check_output(path, inputs)
        self._path = path
        self._is_live = is_live
        self._file: OutputFile | None = output_file(path, is_live) if is_special(path) else None
        self._opening = ""
        self._is_complete = False  # as to one source at least
        self._has_failed = False

    def open(self, source_name: str, opening: str) -> Output:
        self._opening = opening
        return _Share(self, opening)

    def write(self, text: str) -> None:
        self._opening = ""
        with self._noting_failure():
            if self._file is None:
                self._file = output_file(self._path, self._is_live)
            self._file.write(text)

    def source_ended(self, is_complete: bool) -> None:
        self._is_complete |= is_complete

    def close(self) -> str | None:
        if self._is_complete and not self._has_failed:
            with self._noting_failure():
                self._file = self._file or output_file(self._path, self._is_live)
                return self._file.finish(self._opening)
        return None if self._file is None else self._file.abandon()

    @contextmanager
    def _noting_failure(self) -> Iterator[None]:
        """What is incomplete must not replace an older file."""
        try:
            yield
        except OutputError:
            self._has_failed = True
            raise


class _Share:
    """One source's part of a file."""

    def __init__(self, file: OneFile, opening: str) -> None:
        self._file = file
        self._opening = opening

    def write(self, text: str) -> None:
        opening, self._opening = self._opening, ""
        self._file.write(opening + text)

    def close(self, is_complete: bool) -> str | None:
        self._file.source_ended(is_complete)
        return None


class Folder:
    """A file for each source, named after it; where two have one name the second gets a number."""

    def __init__(self, path: Path, suffix: str, inputs: Sequence[str] = (), is_live: bool = False) -> None:
        """Check the path. `inputs` are never written.

        Raises:
            OutputError: a file stands in the way of the folder.
        """
        if exists(path) and not is_folder(path):
            raise OutputError(f"{path} is not a folder, so no files can be written there: give another name.")
        self._path = path
        self._suffix = suffix
        self._inputs = inputs
        self._is_live = is_live
        self._taken: set[Path] = set()

    def open(self, source_name: str, opening: str) -> Output:
        return Opened(_FolderFile(self, Path(source_name).stem), opening)

    def close(self) -> str | None:
        return None

    def file(self, stem: str) -> OutputFile:
        """Return the file for a source of that name.

        Raises:
            OutputError: it or its folder cannot be made.
        """
        try:
            self._path.mkdir(parents=True, exist_ok=True)
            return output_file(self._untaken(stem), self._is_live)
        except OSError as error:
            raise OutputError(f"{self._path} cannot be made: {error.strerror or error}.") from error

    def _untaken(self, stem: str) -> Path:
        stem, number = shortened(stem, self._suffix + "-" * NUMBER_BYTES), 1
        path = self._path / f"{stem}{self._suffix}"
        while not self._is_free(path):
            number += 1
            path = self._path / f"{stem}-{number}{self._suffix}"
        self._taken.add(path)
        return path

    def _is_free(self, path: Path) -> bool:
        """Return whether no source of this run has it, as its input or output, and nothing but text is overwritten."""
        if path in self._taken or is_special(path) or is_input(path, self._inputs):
            return False
        with suppress(OSError):
            return not exists(path) or holds_text(path)
        return True  # it cannot be read: writing it will tell why


class _FolderFile:
    """A file in a folder, both made when there is something to write."""

    def __init__(self, folder: Folder, stem: str) -> None:
        self._folder = folder
        self._stem = stem
        self._file: OutputFile | None = None

    def write(self, text: str) -> None:
        self._made().write(text)

    def finish(self, opening: str) -> str | None:
        return self._made().finish(opening)

    def abandon(self) -> str | None:
        return self._file.abandon() if self._file is not None else None

    def _made(self) -> OutputFile:
        if self._file is None:
            self._file = self._folder.file(self._stem)
        return self._file


def is_stdout(path: str) -> bool:
    """Return whether the path is a name of stdout, such as - or /dev/stdout."""
    with suppress(OSError, ValueError):
        return path == "-" or os.path.samestat(Path(path).stat(), os.fstat(sys.stdout.fileno()))
    return False
