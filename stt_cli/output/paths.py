"""The kind of the file at a path. Accepts any path, also one that is too long or not UTF-8."""

from __future__ import annotations

import os
import stat
from pathlib import Path


def exists(path: Path) -> bool:
    return _mode(path) is not None


def is_folder(path: Path) -> bool:
    mode = _mode(path)
    return mode is not None and stat.S_ISDIR(mode)


def is_regular(path: Path) -> bool:
    mode = _mode(path)
    return mode is not None and stat.S_ISREG(mode)


def is_same(path: Path, other: Path) -> bool:
    try:
        return os.path.samestat(path.stat(), other.stat())
    except (OSError, ValueError):
        return False


def _mode(path: Path) -> int | None:
    """Return the mode of the file; None if there is none. `Path.is_file` raises for names that are too long."""
    try:
        return path.stat().st_mode
    except (OSError, ValueError):
        return None
