"""Reading a text file, and saving it in place.

The file is written, not replaced, so hard and symbolic links, owner, group, mode, ACLs and other attributes stay.
Therefore a save is not atomic. Three measures make up for that: the journal has the text on disk before the file is
written (`persistence.py`); the part beyond the old end is written first, so that a full disk leaves the file
unchanged; and after any other failure the old content is written back.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

BOM = "\ufeff"
MAX_NAME_SUFFIX = 1000  # for copies of one file, and for new texts of the same second
FILE_KINDS = {
    stat.S_IFIFO: "a FIFO",
    stat.S_IFCHR: "a character device",
    stat.S_IFBLK: "a block device",
    stat.S_IFSOCK: "a socket",
    stat.S_IFDIR: "a folder",
}


class FileError(Exception):
    """A file cannot be read or written; the message is one sentence."""


class NotTextError(FileError):
    """The file is not UTF-8."""


class ChangedOnDiskError(FileError):
    """Another program has changed, created or removed the file since it was read."""


@dataclass(frozen=True, slots=True)
class TextFile:
    """The state of a file when it was last read or written."""

    path: Path
    digest: bytes | None = None  # of the content; None: the file did not exist
    bom: bool = False


def read(path: Path) -> tuple[TextFile, str]:
    """Return the file and its text with its line ends; the text of a missing file is empty.

    Raises:
        FileError: the file cannot be read, is not a regular file, or is not UTF-8.
    """
    with _os_errors_as(f"{path} cannot be read"):
        try:
            with _open_regular(path, os.O_RDONLY) as descriptor:
                content = _read_all(descriptor)
        except FileNotFoundError:
            return TextFile(path), ""
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        raise NotTextError(
            f"{path} is not UTF-8 text (invalid byte at offset {error.start}): convert it, for example with iconv."
        ) from error
    return TextFile(path, _digest(content), text.startswith(BOM)), text.removeprefix(BOM)


def save(file: TextFile, text: str) -> TextFile:
    """Write the text to the file; return its new state.

    Raises:
        ChangedOnDiskError: the file has changed since `file`; nothing is written.
        FileError: the file cannot be written; it is unchanged.
    """
    with _os_errors_as(f"{file.path.name} cannot be written"):
        if file.digest is None:
            return _create(file, text)
        try:
            with _open_for_writing(file.path) as descriptor:
                old = _read_all(descriptor)
                if _digest(old) != file.digest:
                    raise ChangedOnDiskError(f"{file.path.name} was changed by another program")
                return _rewrite(descriptor, old, file, text)
        except FileNotFoundError as error:
            raise ChangedOnDiskError(f"{file.path.name} was removed by another program") from error


def overwrite(file: TextFile, text: str) -> TextFile:
    """Write the text even if the file has changed; copy its present content to `copy_name` first.

    Raises:
        FileError: the file cannot be written; it is unchanged.
    """
    with _os_errors_as(f"{file.path.name} cannot be written"):
        try:
            with _open_for_writing(file.path) as descriptor:
                old = _read_all(descriptor)
                _write_copy(copy_name(file.path), old, os.fstat(descriptor).st_mode)
                return _rewrite(descriptor, old, file, text)
        except FileNotFoundError:
            return _create(file, text)


def is_read_only(path: Path) -> bool:
    """Return whether the file exists and its permissions deny writing; for root, if it has no write bit."""
    with suppress(OSError):
        return not path.stat().st_mode & 0o222 or not os.access(path, os.W_OK)
    return False


def copy_name(path: Path) -> Path:
    """Return an unused name for a copy: the file's name with ~ and perhaps a number. No file or link has it."""
    return _first_free(path.with_name(f"{path.name}~{suffix}") for suffix in _suffixes())


def new_name(folder: Path, now: datetime) -> Path:
    """Return an unused name for a new text."""
    stem = f"dictation-{now:%Y-%m-%d-%H%M%S}"
    return _first_free(folder / f"{stem}{suffix and f'-{suffix}'}.txt" for suffix in _suffixes())


def _suffixes() -> Iterator[str]:
    yield ""
    yield from map(str, range(2, MAX_NAME_SUFFIX))


def _first_free(names: Iterator[Path]) -> Path:
    for name in names:
        if not os.path.lexists(name):
            return name
    raise FileError(f"{name} and {MAX_NAME_SUFFIX - 2} more copies exist already: remove some.")


# Opening and writing


@contextmanager
def _os_errors_as(failure: str) -> Iterator[None]:
    """Convert any error of the disk, of a network file system or of a missing folder to a `FileError`."""
    try:
        yield
    except OSError as error:
        raise FileError(f"{failure}: {error.strerror or error}.") from error


@contextmanager
def _open_regular(path: Path, flags: int) -> Iterator[int]:
    """Open a regular file only: opening a device can have side effects, and opening a FIFO blocks.

    Raises:
        FileError: it is not a regular file.
    """
    _check_kind(path, path.stat().st_mode)
    descriptor = os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        _check_kind(path, os.fstat(descriptor).st_mode)
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def _open_for_writing(path: Path) -> Iterator[int]:
    if not path.stat().st_mode & 0o222:
        raise FileError(f"{path.name} is read-only: run `chmod u+w` to allow saving")
    with _open_regular(path, os.O_RDWR) as descriptor:
        yield descriptor


def _check_kind(path: Path, mode: int) -> None:
    if not stat.S_ISREG(mode):
        kind = FILE_KINDS.get(stat.S_IFMT(mode), "not a regular file")
        raise FileError(f"{path} is {kind}: stt-tui edits regular files only.")


def _read_all(descriptor: int) -> bytes:
    with os.fdopen(os.dup(descriptor), "rb") as file:
        return file.read()


def _digest(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()


def _encode(file: TextFile, text: str) -> bytes:
    return (BOM * file.bom + text).encode()


def _create(file: TextFile, text: str) -> TextFile:
    """Write a new file, at the target if the path is a dangling link; a failure leaves no file."""
    path, content = Path(os.path.realpath(file.path)), _encode(file, text)
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o666)
    except FileExistsError as error:
        raise ChangedOnDiskError(f"{file.path.name} was created by another program") from error
    with _closing(descriptor, path):
        _write(descriptor, 0, content)
        os.fsync(descriptor)
    return replace(file, digest=_digest(content))


def _rewrite(descriptor: int, old: bytes, file: TextFile, text: str) -> TextFile:
    new, mode = _encode(file, text), stat.S_IMODE(os.fstat(descriptor).st_mode)
    try:
        _write(descriptor, len(old), new[len(old) :])
        _write(descriptor, 0, new[: len(old)])
        os.ftruncate(descriptor, len(new))
        os.fsync(descriptor)
    except OSError:
        with suppress(OSError):
            os.ftruncate(descriptor, len(old))
            _write(descriptor, 0, old)
        raise
    if stat.S_IMODE(os.fstat(descriptor).st_mode) != mode:
        with suppress(OSError):
            os.fchmod(descriptor, mode)  # writing clears setuid and setgid
    return replace(file, digest=_digest(new))


def _write_copy(path: Path, content: bytes, mode: int) -> None:
    """Write a new file with that name and the same permissions."""
    with _os_errors_as(f"the present content cannot be copied to {path.name}"):
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        with _closing(descriptor, path):
            _write(descriptor, 0, content)
            os.fchmod(descriptor, mode & 0o777)
            os.fsync(descriptor)


@contextmanager
def _closing(descriptor: int, path: Path) -> Iterator[None]:
    """Close the new file; remove it if it cannot be written."""
    try:
        yield
    except OSError:
        path.unlink(missing_ok=True)
        raise
    finally:
        os.close(descriptor)


def _write(descriptor: int, offset: int, content: bytes) -> None:
    remaining = memoryview(content)
    while remaining:
        written = os.pwrite(descriptor, remaining, offset)
        remaining, offset = remaining[written:], offset + written
