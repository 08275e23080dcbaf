"""What files say, read again when they change. What they then say wrongly changes nothing but the log."""

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

# A file may be in the middle of being rewritten until it was left alone for so long. It also bounds the resolution of a
# file system's times: a second write within it may leave the time as it was.
SETTLED_S = 1.0
MAX_UNSETTLED_S = 10.0  # for a file that is rewritten again and again

log = logging.getLogger(__name__)


def read_file(path: Path, max_bytes: int) -> bytes:
    """Return the content, and one byte more than the limit of a larger file. Never waits, as a FIFO makes one.

    Raises:
        OSError: it cannot be read, or is no file.
    """
    with open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(0, "it is no regular file", str(path))
        return file.read(max_bytes + 1)


class ReloadingFile(Generic[T]):
    """The files' content as `read` understands it. Whoever wants it looks whether it changed, from any thread.

    Whoever rewrites a file in place empties it first. So until the files were left alone for SETTLED_S, `merge` makes
    one value of what they said before and say now, and what cannot be understood is no error yet.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        read: Callable[[], T],
        merge: Callable[[T, T], T] = lambda _before, after: after,
        now: Callable[[], float] = time.time,  # the clock of the file system
    ) -> None:
        """Read for the first time.

        Raises:
            StartFailed: as `read` does.
        """
        self._paths, self._read, self._merge, self._now = paths, read, merge, now
        self._lock = Lock()
        self._unsettled_since: float | None = None
        self._stamp = stamp = self._present()
        self._value = self._settled = read()
        if not self._is_settled(stamp):
            self._stamp = ()  # to be read again

    def value(self) -> T:
        """Return what the files say, or said last when it made sense."""
        with self._lock:
            stamp = self._present()  # before they are read: a change meanwhile is noticed the next time
            if stamp != self._stamp:
                self._renew(stamp)
            return self._value

    def _renew(self, stamp: Stamp) -> None:
        settled = self._is_settled(stamp)
        if settled:
            self._stamp = stamp
        try:
            value = self._read()
        except StartupError as error:
            if settled:
                log.error("%s What held before goes on to hold.", error)
        else:
            if settled:
                self._settled = value
            self._take(value if settled else self._merge(self._settled, value))

    def _take(self, value: T) -> None:
        if value != self._value:
            self._value = value
            log.info("%s: read again, and in force", ", ".join(map(str, self._paths)))

    def _is_settled(self, stamp: Stamp) -> bool:
        """Tell whether the files were left alone for a while, or are never left alone."""
        now = self._now()
        if not any(part and abs(now - part[0] / 1e9) < SETTLED_S for part in stamp):
            self._unsettled_since = None
            return True
        if self._unsettled_since is None or now < self._unsettled_since:
            self._unsettled_since = now
        return now - self._unsettled_since >= MAX_UNSETTLED_S

    def _present(self) -> Stamp:
        return tuple(_stamp(path) for path in self._paths)


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ctime_ns, status.st_ino, status.st_size  # unlike st_mtime, nobody can set st_ctime
