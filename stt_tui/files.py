"""Opens the text, and saves it so that it is there whole, before or after, whatever happens."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

BOM = "\ufeff"


class FileError(Exception):
    """The file cannot be read or written; the message is one sentence."""


class ChangedOnDisk(FileError):
    """Somebody else has written to the file since it was read."""


@dataclass(frozen=True, slots=True)
class Stamp:
    """What tells one state of a file from another."""

    modified_ns: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class TextFile:
    """A file as it was last read or written; `newline` and `bom` are kept when it is saved."""

    path: Path
    stamp: Stamp | None = None  # None: there was none
    newline: str = "\n"
    bom: bool = False


def read(path: Path) -> tuple[TextFile, str]:
    """Return the file and its text; one that does not exist is empty.

    Raises:
        FileError: when it cannot be read, or is no text in UTF-8.
    """
    try:
        stamp, content = _stamp(path), path.read_bytes()
    except FileNotFoundError:
        return TextFile(path), ""
    except OSError as error:
        raise FileError(f"{path} cannot be read: {error.strerror}.") from error
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        raise FileError(f"{path} is no text in UTF-8 (byte {error.start}): convert it, as with iconv.") from error
    newline = "\r\n" if "\r\n" in text else "\n"
    file = TextFile(path, stamp, newline, text.startswith(BOM))
    return file, text.removeprefix(BOM).replace("\r\n", "\n")


def save(file: TextFile, text: str) -> TextFile:
    """Put the text in the place of the file, with its permissions; return the file as it is then.

    Raises:
        ChangedOnDisk: when it is not as it was; nothing is written.
        FileError: when it cannot be written; it is as it was.
    """
    with _failing_as(file.path):
        if _stamp(file.path) != file.stamp:
            raise ChangedOnDisk(f"{file.path.name} was changed by another program")
        return _replace(file, text)


def overwrite(file: TextFile, text: str) -> TextFile:
    """Do the same whatever stands there now, of which a copy is kept: its name with a ~ at the end.

    Raises:
        FileError: when it cannot be written; it is as it was.
    """
    with _failing_as(file.path):
        with suppress(FileNotFoundError):
            shutil.copy2(file.path, f"{file.path}~")
        return _replace(file, text)


def new_name(folder: Path, now: datetime) -> Path:
    """Return a name for a text that has none; there is no such file."""
    stem = f"dictation-{now:%Y-%m-%d-%H%M%S}"
    names = (folder / f"{stem}{suffix}.txt" for suffix in ["", *(f"-{number}" for number in range(2, 1000))])
    return next(path for path in names if not path.exists())


def _replace(file: TextFile, text: str) -> TextFile:
    path = Path(os.path.realpath(file.path))  # a link stays one
    content = (BOM * file.bom + text.replace("\n", file.newline)).encode()
    temporary: str | None = None
    try:
        descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        with os.fdopen(descriptor, "wb") as written:
            written.write(content)
            written.flush()
            os.fsync(written.fileno())
        Path(temporary).chmod(_mode(path))
        Path(temporary).replace(path)
    except OSError:
        if temporary is not None:
            Path(temporary).unlink(missing_ok=True)
        raise
    return TextFile(file.path, _stamp(path), file.newline, file.bom)


@contextmanager
def _failing_as(path: Path) -> Iterator[None]:
    """Tell of any failure of the disk, of the network that it is on, or of a folder that has gone."""
    try:
        yield
    except OSError as error:
        raise FileError(f"{path} cannot be written: {error.strerror}.") from error


def _mode(path: Path) -> int:
    """Return the permissions of the file, or those of a new one."""
    try:
        return path.stat().st_mode & 0o7777
    except FileNotFoundError:
        mask = os.umask(0)
        os.umask(mask)
        return 0o666 & ~mask


def _stamp(path: Path) -> Stamp | None:
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return Stamp(status.st_mtime_ns, status.st_size)
