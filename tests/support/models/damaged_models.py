"""Damaged copies of real weights. Unchanged files are symbolic links."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable, Mapping
from pathlib import Path

Change = bytes | None | Callable[[Path], object]  # a file's content; None: no file; or its factory

DAMAGED_BYTES = 1000
WEIGHTS_AT = 2_000_000  # an offset in the middle of the weights of tiny.en and base


def copy_of(model: Path, folder: Path, changes: Mapping[str, Change]) -> Path:
    """Create a copy of the model in the folder with these files changed."""
    folder.mkdir(parents=True)
    for name in {file.name for file in model.iterdir()} | set(changes):
        change = changes.get(name)
        if name not in changes:
            (folder / name).symlink_to(model / name)
        elif isinstance(change, bytes):
            (folder / name).write_bytes(change)
        elif change is not None:
            change(folder / name)
    return folder


def config(model: Path, **values: object) -> dict[str, Change]:
    """Return the model's config.json with other values."""
    return {"config.json": json.dumps({**json.loads((model / "config.json").read_bytes()), **values}).encode()}


def flipped(model: Path, at: int = WEIGHTS_AT, count: int = DAMAGED_BYTES) -> dict[str, Change]:
    """Return the model's weights with random bytes at one offset."""
    return {"model.bin": patched(model, at, random.Random(1).randbytes(count))}


def patched(model: Path, at: int, content: bytes) -> bytes:
    """Return the model's weights with this content at one offset."""
    weights = bytearray((model / "model.bin").read_bytes())
    weights[at : at + len(content)] = content
    return bytes(weights)


def cut(model: Path, size: int) -> dict[str, Change]:
    """Return the first bytes of the model's weights."""
    with (model / "model.bin").open("rb") as file:
        return {"model.bin": file.read(size)}


def fifo(path: Path) -> None:
    os.mkfifo(path)
