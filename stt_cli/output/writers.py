"""Destinations of the text: stdout, one file, or one file per source in a folder."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol

from stt_cli.output.files import (
    OutputFile,
    check_output,
    is_input,
    is_special,
    is_text_file,
    output_file,
    shorten_name,
    write_error,
)
from stt_cli.output.paths import exists, is_folder
from stt_cli.output.terminal import discard_stdout
from stt_client.errors import OutputError

Write = Callable[[str], None]
NUMBER_BYTES = 16  # reserved for a number and `.part` in a file name


class Output(Protocol):
    """The output of one source."""

    def write(self, text: str) -> None:
        """Write without buffering.

        Raises:
            OutputError: The text cannot be written.
            BrokenPipeError: The reader of stdout closed it.
        """

    def close(self, is_complete: bool) -> str | None:
        """Close the output; return a message if the text is in another file.

        Raises:
            OutputError: The text cannot be written.
        """


class Outputs(Protocol):
    def open(self, source_name: str, header: str) -> Output:
        """Return the output of one source, whose text begins with the header.

        Raises:
            OutputError: The output cannot be opened.
        """

    def close(self) -> str | None:
        """Close an output that sources share; return a message if the text is in another file.

        Raises:
            OutputError: The text cannot be written.
        """


class SourceOutput:
    """Writes the text of one source, with the header in front of it."""

    def __init__(self, file: OutputFile, header: str) -> None:
        self._file = file
        self._header = header

    def write(self, text: str) -> None:
        header, self._header = self._header, ""
        self._file.write(header + text)

    def close(self, is_complete: bool) -> str | None:
        return self._file.finish(self._header) if is_complete else self._file.abandon()


class Stdout:
    """Writes all sources to the screen's stdout."""

    def __init__(self, write: Write) -> None:
        self._write = write

    def open(self, source_name: str, header: str) -> Output:
        return SourceOutput(self, header)

    def write(self, text: str) -> None:
        try:
            self._write(text)
        except BrokenPipeError:
            raise
        except OSError as error:
            discard_stdout()
            raise write_error("standard output", error) from error

    def finish(self, header: str) -> str | None:
        if header:
            self.write(header)
        return None

    def abandon(self) -> str | None:
        return None

    def close(self) -> str | None:
        return None


class OneFile:
    """Writes all sources to one file, one after the other."""

    def __init__(self, path: Path, inputs: Sequence[str] = (), is_dictation: bool = False) -> None:
        """Check the path.

        Raises:
            OutputError: The file is not text, is an input, or cannot be written.
        """
        check_output(path, inputs)
        self._path = path
        self._is_dictation = is_dictation
        self._file: OutputFile | None = output_file(path, is_dictation) if is_special(path) else None
        self._header = ""
        self._is_complete = False  # for at least one source
        self._has_failed = False

    def open(self, source_name: str, header: str) -> Output:
        self._header = header
        return SourceOutput(self, header)

    def write(self, text: str) -> None:
        self._header = ""
        with self._recording_failure():
            if self._file is None:
                self._file = output_file(self._path, self._is_dictation)
            self._file.write(text)

    def finish(self, header: str) -> str | None:
        """Record that the text of one source is complete."""
        self._is_complete = True
        return None

    def abandon(self) -> str | None:
        return None

    def close(self) -> str | None:
        if self._is_complete and not self._has_failed:
            with self._recording_failure():
                self._file = self._file or output_file(self._path, self._is_dictation)
                return self._file.finish(self._header)
        return None if self._file is None else self._file.abandon()

    @contextmanager
    def _recording_failure(self) -> Iterator[None]:
        """Record a failure: incomplete text must not replace an existing file."""
        try:
            yield
        except OutputError:
            self._has_failed = True
            raise


class Folder:
    """Writes one file per source, with the name of the source; a number makes equal names unique."""

    def __init__(self, path: Path, suffix: str, inputs: Sequence[str] = (), is_dictation: bool = False) -> None:
        """Check the path. Files in `inputs` are never overwritten.

        Raises:
            OutputError: The path is a file.
        """
        if exists(path) and not is_folder(path):
            raise OutputError(f"{path} is not a folder: choose another name.")
        self._path = path
        self._suffix = suffix
        self._inputs = inputs
        self._is_dictation = is_dictation
        self._used: set[Path] = set()

    def open(self, source_name: str, header: str) -> Output:
        return SourceOutput(_FolderFile(self, Path(source_name).stem), header)

    def close(self) -> str | None:
        return None

    def file(self, stem: str) -> OutputFile:
        """Return the file for the source with this stem.

        Raises:
            OutputError: The file or the folder cannot be created.
        """
        try:
            self._path.mkdir(parents=True, exist_ok=True)
            return output_file(self._unused_path(stem), self._is_dictation)
        except OSError as error:
            raise OutputError(f"{self._path} cannot be created: {error.strerror or error}.") from error

    def _unused_path(self, stem: str) -> Path:
        stem, number = shorten_name(stem, self._suffix + "-" * NUMBER_BYTES), 1
        path = self._path / f"{stem}{self._suffix}"
        while not self._is_free(path):
            number += 1
            path = self._path / f"{stem}-{number}{self._suffix}"
        self._used.add(path)
        return path

    def _is_free(self, path: Path) -> bool:
        """Return whether the path is no input or output of this run, and does not exist or is a text file."""
        if path in self._used or is_special(path) or is_input(path, self._inputs):
            return False
        with suppress(OSError):
            return not exists(path) or is_text_file(path)
        return True  # unreadable: writing will report the reason


class _FolderFile:
    """A file in a folder. Both are created at the first write."""

    def __init__(self, folder: Folder, stem: str) -> None:
        self._folder = folder
        self._stem = stem
        self._file: OutputFile | None = None

    def write(self, text: str) -> None:
        self._opened().write(text)

    def finish(self, header: str) -> str | None:
        return self._opened().finish(header)

    def abandon(self) -> str | None:
        return self._file.abandon() if self._file is not None else None

    def _opened(self) -> OutputFile:
        if self._file is None:
            self._file = self._folder.file(self._stem)
        return self._file


def is_stdout(path: str) -> bool:
    """Return whether the path refers to stdout, such as - or /dev/stdout."""
    with suppress(OSError, ValueError):
        return path == "-" or os.path.samestat(Path(path).stat(), os.fstat(sys.stdout.fileno()))
    return False
