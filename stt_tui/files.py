"""Opens a text and saves it in place, so that its file stays what it is.

Hard and symbolic links, owner, group, mode, ACLs and other attributes stay because the file is written, not replaced.
In return a save is not atomic. Three things stand in for that: the journal has the text on disk before the file is
touched (`keeping.py`); what goes beyond the old end is written first, so that a full disk leaves the file as it was;
and after any other failure the old content is written back.
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
MAX_NAMES = 1000  # of copies of one file, or of texts begun in one second
KINDS = {
    stat.S_IFIFO: "a FIFO",
    stat.S_IFCHR: "a character device",
    stat.S_IFBLK: "a block device",
    stat.S_IFSOCK: "a socket",
    stat.S_IFDIR: "a folder",
}


class FileError(Exception):
    """The file cannot be read or written; the message is one sentence."""


class NotTextError(FileError):
    """The file is not UTF-8."""


class ChangedOnDisk(FileError):
    """Another program has written, made or removed the file since it was read."""


@dataclass(frozen=True, slots=True)
class TextFile:
    """A file as it was last read or written."""

    path: Path
    digest: bytes | None = None  # of the content; None: there was no file
    bom: bool = False


def read(path: Path) -> tuple[TextFile, str]:
    """Return the file and its text, line ends and all; one that does not exist is empty.

    Raises:
        FileError: when it cannot be read, is no regular file, or is not UTF-8.
    """
    with _failing_as(f"{path} cannot be read"):
        try:
            with _opened(path, os.O_RDONLY) as descriptor:
                content = _content(descriptor)
        except FileNotFoundError:
            return TextFile(path), ""
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        raise NotTextError(f"{path} is no text in UTF-8 (byte {error.start}): convert it, as with iconv.") from error
    return TextFile(path, _digest(content), text.startswith(BOM)), text.removeprefix(BOM)


def save(file: TextFile, text: str) -> TextFile:
    """Write the text into the file; return the file as it is then.

    Raises:
        ChangedOnDisk: when it is not as it was; nothing is written.
        FileError: when it cannot be written; it is as it was.
    """
    with _failing_as(f"{file.path.name} cannot be written"):
        if file.digest is None:
            return _create(file, text)
        try:
            with _opened_to_write(file.path) as descriptor:
                old = _content(descriptor)
                if _digest(old) != file.digest:
                    raise ChangedOnDisk(f"{file.path.name} was changed by another program")
                return _rewrite(descriptor, old, file, text)
        except FileNotFoundError as error:
            raise ChangedOnDisk(f"{file.path.name} was removed by another program") from error


def overwrite(file: TextFile, text: str) -> TextFile:
    """Write the text whatever the file holds now, of which a copy is kept under `copy_name`.

    Raises:
        FileError: when it cannot be written; it is as it was.
    """
    with _failing_as(f"{file.path.name} cannot be written"):
        try:
            with _opened_to_write(file.path) as descriptor:
                old = _content(descriptor)
                _keep_copy(copy_name(file.path), old, os.fstat(descriptor).st_mode)
                return _rewrite(descriptor, old, file, text)
        except FileNotFoundError:
            return _create(file, text)


def is_read_only(path: Path) -> bool:
    """Return whether there is such a file and its permissions forbid to write it, also to root."""
    with suppress(OSError):
        return not path.stat().st_mode & 0o222 or not os.access(path, os.W_OK)
    return False


def copy_name(path: Path) -> Path:
    """Return a free name for a copy: the file's with a ~ at the end. No file or link has it."""
    return _free(path.with_name(f"{path.name}~{suffix}") for suffix in _numbers())


def new_name(folder: Path, now: datetime) -> Path:
    """Return a free name for a text that has none."""
    stem = f"dictation-{now:%Y-%m-%d-%H%M%S}"
    return _free(folder / f"{stem}{suffix and f'-{suffix}'}.txt" for suffix in _numbers())


def _numbers() -> Iterator[str]:
    yield ""
    yield from map(str, range(2, MAX_NAMES))


def _free(names: Iterator[Path]) -> Path:
    for name in names:
        if not os.path.lexists(name):
            return name
    raise FileError(f"{name} and {MAX_NAMES - 2} more copies are there already: remove some.")


# Opening and writing


@contextmanager
def _failing_as(failure: str) -> Iterator[None]:
    """Report any failure of the disk, of the network that it is on, or of a folder that is gone."""
    try:
        yield
    except OSError as error:
        raise FileError(f"{failure}: {error.strerror or error}.") from error


@contextmanager
def _opened(path: Path, flags: int) -> Iterator[int]:
    """Open a regular file, and nothing else: a device acts when it is opened, and a FIFO waits for its other end."""
    _check_kind(path, path.stat().st_mode)
    descriptor = os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        _check_kind(path, os.fstat(descriptor).st_mode)
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def _opened_to_write(path: Path) -> Iterator[int]:
    if not path.stat().st_mode & 0o222:
        raise FileError(f"{path.name} is read-only: `chmod u+w` lets it be saved")
    with _opened(path, os.O_RDWR) as descriptor:
        yield descriptor


def _check_kind(path: Path, mode: int) -> None:
    if not stat.S_ISREG(mode):
        kind = KINDS.get(stat.S_IFMT(mode), "no regular file")
        raise FileError(f"{path} is {kind}: stt-tui edits regular files only.")


def _content(descriptor: int) -> bytes:
    with os.fdopen(os.dup(descriptor), "rb") as file:
        return file.read()


def _digest(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()


def _encoded(file: TextFile, text: str) -> bytes:
    return (BOM * file.bom + text).encode()


def _create(file: TextFile, text: str) -> TextFile:
    """Write a new file, where a dangling link points if the path is one; a failure leaves none."""
    path, content = Path(os.path.realpath(file.path)), _encoded(file, text)
    try:
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o666)
    except FileExistsError as error:
        raise ChangedOnDisk(f"{file.path.name} was made by another program") from error
    with _closing(descriptor, path):
        _write(descriptor, 0, content)
        os.fsync(descriptor)
    return replace(file, digest=_digest(content))


def _rewrite(descriptor: int, old: bytes, file: TextFile, text: str) -> TextFile:
    new, mode = _encoded(file, text), stat.S_IMODE(os.fstat(descriptor).st_mode)
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
            os.fchmod(descriptor, mode)  # writing has removed setuid or setgid
    return replace(file, digest=_digest(new))


def _keep_copy(path: Path, content: bytes, mode: int) -> None:
    """Write a file of that name, where there is none, with the same permissions."""
    with _failing_as(f"what is there now cannot be kept as {path.name}"):
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        with _closing(descriptor, path):
            _write(descriptor, 0, content)
            os.fchmod(descriptor, mode & 0o777)
            os.fsync(descriptor)


@contextmanager
def _closing(descriptor: int, path: Path) -> Iterator[None]:
    """Close the new file; remove it if it could not be written."""
    try:
        yield
    except OSError:
        path.unlink(missing_ok=True)
        raise
    finally:
        os.close(descriptor)


def _write(descriptor: int, offset: int, content: bytes) -> None:
    rest = memoryview(content)
    while rest:
        written = os.pwrite(descriptor, rest, offset)
        rest, offset = rest[written:], offset + written
