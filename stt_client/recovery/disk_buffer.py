"""Keeps the bytes that are still needed, by position: the first in memory, more in a temporary file.

Bounded in both. What is forgotten makes room: its place in the file is written again.
"""

from __future__ import annotations

import tempfile
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from typing import IO


@dataclass(frozen=True, slots=True)
class SpoolLimits:
    """How much is kept where. A block is moved as a whole."""

    memory_bytes: int
    disk_bytes: int
    block_bytes: int


@dataclass(frozen=True, slots=True)
class _DiskBlock:
    """A block that lies in the file."""

    number: int


class DiskBuffer:
    def __init__(self, limits: SpoolLimits) -> None:
        self._block_bytes = limits.block_bytes
        self._memory_blocks = max(1, limits.memory_bytes // limits.block_bytes)
        self._disk_blocks = limits.disk_bytes // limits.block_bytes
        self._blocks: deque[bytes | _DiskBlock] = deque()  # whole ones, in order
        self._tail = bytearray()  # the one that is being filled
        self._first_position = 0  # position of the first byte of the first block
        self._start = 0
        self._in_memory = 0
        self._file: IO[bytes] | None = None
        self._free_blocks: list[_DiskBlock] = []

    @property
    def start(self) -> int:
        """Position of the first byte that is kept."""
        return self._start

    @property
    def end(self) -> int:
        return self._first_position + len(self._blocks) * self._block_bytes + len(self._tail)

    @property
    def is_full(self) -> bool:
        return len(self._blocks) >= self._memory_blocks + self._disk_blocks

    @property
    def in_memory_bytes(self) -> int:
        return self._in_memory * self._block_bytes + len(self._tail)

    @property
    def on_disk_bytes(self) -> int:
        """Length of the file: of what is on disk, and of the room in it that is not taken again yet."""
        return 0 if self._file is None or self._file.closed else self._file.seek(0, 2)

    @property
    def _on_disk(self) -> int:
        return len(self._blocks) - self._in_memory

    def append(self, data: bytes) -> None:
        """Keep the data; whoever appends to a full spool goes beyond its bound, in memory."""
        self._tail += data
        while len(self._tail) >= self._block_bytes:
            self._blocks.append(self._store_block(bytes(self._tail[: self._block_bytes])))
            del self._tail[: self._block_bytes]

    def read(self, position: int, size: int) -> bytes:
        """Return at most so many bytes from there on; nothing at the end."""
        number, begin = divmod(position - self._first_position, self._block_bytes)
        if number >= len(self._blocks):
            begin = position - self._first_position - len(self._blocks) * self._block_bytes
            return bytes(self._tail[begin : begin + size])
        return self._read_block(self._blocks[number])[begin : begin + size]

    def discard_before(self, position: int) -> None:
        """Let go what lies before the position."""
        self._start = max(self._start, min(position, self.end))
        while self._blocks and self._first_position + self._block_bytes <= self._start:
            self._release_block(self._blocks.popleft())
            self._first_position += self._block_bytes

    def close(self) -> None:
        if self._file is not None:
            self._file.close()

    def _store_block(self, block: bytes) -> bytes | _DiskBlock:
        if self._in_memory >= self._memory_blocks and self._on_disk < self._disk_blocks:
            with suppress(OSError):  # the disk is full: what is there already is the bound from now on
                return self._write_block(block)
            self._disk_blocks = self._on_disk
        self._in_memory += 1
        return block

    def _write_block(self, block: bytes) -> _DiskBlock:
        if self._file is None:
            self._file = tempfile.TemporaryFile(prefix="stt-", buffering=0)  # noqa: SIM115
        place = self._free_blocks.pop() if self._free_blocks else _DiskBlock(self._on_disk)
        self._file.seek(place.number * self._block_bytes)
        if self._file.write(block) != len(block):
            raise OSError
        return place

    def _read_block(self, block: bytes | _DiskBlock) -> bytes:
        if isinstance(block, bytes):
            return block
        assert self._file is not None
        self._file.seek(block.number * self._block_bytes)
        return self._file.read(self._block_bytes)

    def _release_block(self, block: bytes | _DiskBlock) -> None:
        if isinstance(block, bytes):
            self._in_memory -= 1
            return
        self._free_blocks.append(block)
        if not self._on_disk and self._file is not None:
            self._free_blocks.clear()
            self._file.truncate(0)
