"""Writes one output file: through `FILE.part`, renamed when complete, or directly.

A regular file keeps its old content until the new text is complete: text goes to `FILE.part`, line by line, which
replaces FILE at the end. After a crash the text is in `FILE.part`. Devices and FIFOs are written directly. So is a new
file of a dictation, so that it can be read while it grows.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from stt_cli.output.paths import exists, is_regular, is_same
from stt_client.errors import OutputError

MAX_PARTS = 100  # `.part` files of killed runs that are kept
MAX_NAME_BYTES = 255  # limit of common file systems
HEAD_BYTES = 4096
NEW_FILE_MODE = 0o666  # before the umask
OPEN_FILE_PREFIXES = ("/dev/fd/", "/dev/std", "/proc/")  # files that this process has open
UNSYNCABLE = frozenset({errno.EINVAL, errno.ENOTSUP, errno.ENOSYS})
UNWRITABLE_FOLDER = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})


class OutputFile(Protocol):
    def write(self, text: str) -> None:
        """Write without buffering.

        Raises:
            OutputError: The text cannot be written.
        """

    def finish(self, header: str) -> str | None:
        """Complete the file; return a message if FILE does not contain the text. `header` is written if nothing was.

        Raises:
            OutputError: The file cannot be completed.
        """

    def abandon(self) -> str | None:
        """Close an incomplete file; return a message that names the file with the text so far, if there is any."""


class DirectFile:
    """Appends to a device, a FIFO or a new file."""

    def __init__(self, path: Path) -> None:
        """Open the file. Opening a FIFO waits for its reader.

        Raises:
            OutputError: The file cannot be opened.
        """
        self._path = path
        try:
            self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOCTTY, NEW_FILE_MODE)
        except OSError as error:
            raise write_error(path, error) from error

    def write(self, text: str) -> None:
        try:
            _write_all(self._fd, text)
        except OSError as error:
            raise write_error(self._path, error) from error

    def finish(self, header: str) -> str | None:
        try:
            _write_all(self._fd, header)
        except OSError as error:
            raise write_error(self._path, error) from error
        finally:
            self.abandon()
        return None

    def abandon(self) -> str | None:
        with suppress(OSError):
            os.close(self._fd)
        return None


class ReplacedFile:
    """Writes to FILE.part, which replaces FILE when it is complete. Links to FILE remain links."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._target = Path(os.path.realpath(path))
        self._part: Path | None = None
        self._fd = -1

    def write(self, text: str) -> None:
        try:
            if self._part is None:
                self._part, self._fd = _create_part(self._target)
            _write_all(self._fd, text)
        except OSError as error:
            raise write_error(self._path, error) from error

    def finish(self, header: str) -> str | None:
        if self._part is None and exists(self._target):
            return f"{self._path} keeps its previous text."
        try:
            if self._part is None:
                self._part, self._fd = _create_part(self._target)
                _write_all(self._fd, header)
            self._commit(self._part)
        except OSError as error:
            raise write_error(self._path, error) from error
        return None

    def abandon(self) -> str | None:
        if self._part is None or self._fd < 0:
            return None
        self._close()
        with suppress(OSError):
            if self._part.stat().st_size > 0:
                return f"The text so far is in {self._part}."
            self._part.unlink()
        return None

    def _commit(self, part: Path) -> None:
        _sync(self._fd)
        if not _replace_target(self._fd, part, self._target):
            shutil.copyfile(part, self._target)
            part.unlink()
        self._close()

    def _close(self) -> None:
        fd, self._fd = self._fd, -1
        with suppress(OSError):
            os.close(fd)


def output_file(path: Path, is_dictation: bool) -> OutputFile:
    """Return the file to write. `is_dictation`: a new file can be read while it grows.

    Raises:
        OutputError: The file cannot be opened.
    """
    is_new = not os.path.lexists(path)
    return DirectFile(path) if is_special(path) or (is_dictation and is_new) else ReplacedFile(path)


def is_special(path: Path) -> bool:
    """Return whether the path is a device, a FIFO or another file that cannot be replaced."""
    return str(path.absolute()).startswith(OPEN_FILE_PREFIXES) or (exists(path) and not is_regular(path))


def check_output(path: Path, inputs: Iterable[str]) -> None:
    """Check that the file can be written, as far as possible without changing it.

    Raises:
        OutputError: The file is an input, is not text, or cannot be written.
    """
    if is_special(path):
        return
    if is_input(path, inputs):
        raise OutputError(f"-o {path} would overwrite the recording.")
    target = Path(os.path.realpath(path))
    try:
        if exists(target):
            if not is_text_file(target):
                raise OutputError(f"-o {path} is not a text file and is not overwritten: choose another name.")
            os.close(os.open(target, os.O_WRONLY))
        else:
            target.parent.stat()
            _check_name(target)
    except OSError as error:
        raise write_error(path, error) from error


def is_input(path: Path, inputs: Iterable[str]) -> bool:
    """Return whether the path refers to one of these files, also through links."""
    return any(is_same(path, Path(name)) for name in inputs)


def is_text_file(path: Path) -> bool:
    """Return whether the file is empty or begins with UTF-8 text, as all transcripts and no media files do."""
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES)
    try:
        return b"\0" not in head and head.decode("utf-8") is not None
    except UnicodeDecodeError as error:
        return (
            error.start > len(head) - 4 and len(head) == HEAD_BYTES and b"\0" not in head
        )  # the head ends inside a character


def write_error(path: Path | str, error: OSError) -> OutputError:
    return OutputError(f"{path} cannot be written: {error.strerror or error}.")


def _check_name(path: Path) -> None:
    if len(os.fsencode(path.name)) > MAX_NAME_BYTES:
        raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG))


def _write_all(fd: int, text: str) -> None:
    content = text.encode("utf-8", "backslashreplace")  # file names that are not UTF-8; a valid escape in JSON too
    while content:
        content = content[os.write(fd, content) :]


def _create_part(target: Path) -> tuple[Path, int]:
    """Create a file next to the target, or in the temporary folder if the target's folder is read-only."""
    _check_name(target)
    for part in _part_names(target):
        try:
            return part, os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL, NEW_FILE_MODE)
        except FileExistsError:
            continue
        except OSError as error:
            if error.errno not in UNWRITABLE_FOLDER or not os.access(target, os.W_OK):
                raise
            fd, name = tempfile.mkstemp(".part", "stt-")
            return Path(name), fd
    raise OSError(errno.EEXIST, f"{MAX_PARTS} files {target.name}.part exist already")


def _part_names(target: Path) -> Iterable[Path]:
    for number in range(1, MAX_PARTS + 1):
        suffix = ".part" if number == 1 else f".part{number}"
        yield target.with_name(shorten_name(target.name, suffix) + suffix)


def shorten_name(name: str, suffix: str) -> str:
    """Return the name, shortened so that name and suffix fit a file name."""
    while len(os.fsencode(name + suffix)) > MAX_NAME_BYTES:
        name = name[:-1]
    return name


def _sync(fd: int) -> None:
    try:
        os.fsync(fd)
    except OSError as error:
        if error.errno not in UNSYNCABLE:
            raise


def _replace_target(fd: int, part: Path, target: Path) -> bool:
    """Rename the part to the target; return False if a rename would change the target's owner or hard links."""
    with suppress(FileNotFoundError):
        old = target.stat()
        if old.st_nlink > 1:
            return False
        new = os.fstat(fd)
        if (new.st_uid, new.st_gid) != (old.st_uid, old.st_gid):
            try:
                os.fchown(fd, old.st_uid, old.st_gid)
            except OSError:
                return False
        os.fchmod(fd, stat.S_IMODE(old.st_mode))
    try:
        part.replace(target)
    except OSError:  # another file system or a mount point, common in containers
        return False
    return True
