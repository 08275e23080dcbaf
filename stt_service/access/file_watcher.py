"""Content of files that is reloaded when they change. Invalid content is logged and ignored."""

from __future__ import annotations

import logging
import os
import stat
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Lock
from typing import Generic, TypeVar

from stt_service.errors import StartupError

T = TypeVar("T")
Stamp = tuple[tuple[int, int, int] | None, ...]

# A file that was changed more recently may still be in the middle of a rewrite. This also covers the resolution of file
# system timestamps: a second write within it may leave the timestamp unchanged.
STABLE_AFTER_S = 1.0
MAX_UNSTABLE_S = 10.0  # for a file that is rewritten continually

log = logging.getLogger(__name__)


def read_file(path: Path, max_bytes: int) -> bytes:
    """Return the content, or one byte more than the limit of a larger file. Never blocks, as opening a FIFO would.

    Raises:
        OSError: the file cannot be read, or is not a regular file.
    """
    with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(0, "not a regular file", str(path))
        return file.read(max_bytes + 1)


class ReloadingFile(Generic[T]):
    """A value read from files. `value` checks for changes; it can be called from any thread.

    A program that rewrites a file in place truncates it first. So until the files have been stable for STABLE_AFTER_S,
    `merge` combines the previous value with the current one, and invalid content is not reported as an error.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        read: Callable[[], T],
        merge: Callable[[T, T], T] = lambda _before, after: after,
        now: Callable[[], float] = time.time,  # the clock of the file system
    ) -> None:
        """Read the files for the first time.

        Raises:
            StartupError: raised by `read`.
        """
        self._paths, self._read, self._merge, self._now = paths, read, merge, now
        self._lock = Lock()
        self._unstable_since: float | None = None
        self._stamp = stamp = self._current_stamp()
        self._value = self._stable_value = read()
        if not self._is_stable(stamp):
            self._stamp = ()  # read again at the next call

    def value(self) -> T:
        """Return the current value, or the last valid one."""
        with self._lock:
            stamp = self._current_stamp()  # before the files are read: a change in between is detected by the next call
            if stamp != self._stamp:
                self._reload(stamp)
            return self._value

    def _reload(self, stamp: Stamp) -> None:
        is_stable = self._is_stable(stamp)
        if is_stable:
            self._stamp = stamp
        try:
            value = self._read()
        except StartupError as error:
            if is_stable:
                log.error('file reload failed, previous content stays in use error="%s"', error)
        else:
            if is_stable:
                self._stable_value = value
            self._set_value(value if is_stable else self._merge(self._stable_value, value))

    def _set_value(self, value: T) -> None:
        if value != self._value:
            self._value = value
            log.info("file reloaded paths=%s", ",".join(map(str, self._paths)))

    def _is_stable(self, stamp: Stamp) -> bool:
        """Return whether the files have not changed for STABLE_AFTER_S, or keep changing for MAX_UNSTABLE_S."""
        now = self._now()
        if not any(part and abs(now - part[0] / 1e9) < STABLE_AFTER_S for part in stamp):
            self._unstable_since = None
            return True
        if self._unstable_since is None or now < self._unstable_since:
            self._unstable_since = now
        return now - self._unstable_since >= MAX_UNSTABLE_S

    def _current_stamp(self) -> Stamp:
        return tuple(_stamp(path) for path in self._paths)


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ctime_ns, status.st_ino, status.st_size  # unlike st_mtime, st_ctime cannot be set by programs
