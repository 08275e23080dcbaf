"""Where the text goes: the screen, one file, or a file for each source in a folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Protocol

from stt_cli.errors import OutputError

Write = Callable[[str], None]


class Outputs(Protocol):
    def open(self, source_name: str) -> AbstractContextManager[Write]:
        """Return what writes one source's text, at once.

        Raises:
            OutputError: when it cannot; so does the function.
        """


class Stdout:
    def __init__(self, write: Write) -> None:
        self._write = write

    @contextmanager
    def open(self, source_name: str) -> Iterator[Write]:
        yield self._write


class OneFile:
    """All sources, one after the other. The file is made when the first text may come."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._begun = False

    def open(self, source_name: str) -> AbstractContextManager[Write]:
        mode = "a" if self._begun else "w"
        self._begun = True
        return _writer(self._path, mode)


class Folder:
    """A file for each source, named after it; where two have one name the second gets a number."""

    def __init__(self, path: Path, suffix: str) -> None:
        self._path = path
        self._suffix = suffix
        self._taken: set[Path] = set()

    def open(self, source_name: str) -> AbstractContextManager[Write]:
        try:
            self._path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"{self._path} cannot be made: {error.strerror}.") from error
        return _writer(self._untaken(Path(source_name).stem), "w")

    def _untaken(self, stem: str) -> Path:
        path, number = self._path / f"{stem}{self._suffix}", 1
        while path in self._taken:
            number += 1
            path = self._path / f"{stem}-{number}{self._suffix}"
        self._taken.add(path)
        return path


@contextmanager
def _writer(path: Path, mode: str) -> Iterator[Write]:
    try:
        file = path.open(mode, encoding="utf-8", newline="\n")
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror}.") from error

    def write(text: str) -> None:
        try:
            file.write(text)
            file.flush()
        except OSError as error:
            raise OutputError(f"{path} cannot be written: {error.strerror}.") from error

    with file:
        yield write
