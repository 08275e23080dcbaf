"""What files say, read again when they change. What they then say wrongly changes nothing but the log."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Lock
from typing import Generic, TypeVar

from stt_service.errors import StartFailed

T = TypeVar("T")
Stamp = tuple[tuple[int, int, int] | None, ...]

log = logging.getLogger(__name__)


class Watched(Generic[T]):
    """The files' content as `read` understands it. Whoever wants it looks whether it changed, from any thread."""

    def __init__(self, paths: Sequence[Path], read: Callable[[], T]) -> None:
        """Read for the first time.

        Raises:
            StartFailed: as `read` does.
        """
        self._paths, self._read = paths, read
        self._lock = Lock()
        self._stamp = self._present()
        self._value = read()

    def value(self) -> T:
        """Return what the files say, or said last when it made sense."""
        with self._lock:
            stamp = self._present()  # before they are read: a change meanwhile is noticed the next time
            if stamp != self._stamp:
                self._stamp = stamp
                self._renew()
            return self._value

    def _renew(self) -> None:
        try:
            self._value = self._read()
        except StartFailed as error:
            log.error("%s What held before goes on to hold.", error)
        else:
            log.info("%s: read again, and in force", ", ".join(map(str, self._paths)))

    def _present(self) -> Stamp:
        return tuple(_stamp(path) for path in self._paths)


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_ino, status.st_size
