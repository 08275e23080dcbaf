"""A byte buffer addressed by position: the first blocks in memory, further ones in a temporary file.

Bytes are appended at `end`, read at any position between `start` and `end`, and discarded from `start`. They are
stored in blocks of equal size; the last, incomplete block is in memory. A new block goes to memory while
`memory_bytes` are not used up, otherwise to the file, into a free slot if there is one. Both parts are bounded; when
the disk is full, the file's present size becomes its bound. The buffer itself never drops data: a caller that appends
although `is_full` exceeds the bound in memory.
"""

from __future__ import annotations

import tempfile
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from typing import IO


@dataclass(frozen=True, slots=True)
class SpoolLimits:
    """The bounds of the two parts, and the size of a block, the unit of storage."""

    memory_bytes: int
    disk_bytes: int
    block_bytes: int


@dataclass(frozen=True, slots=True)
class _DiskSlot:
    """A slot of the file, of the size of a block."""

    number: int


class DiskBuffer:
    def __init__(self, limits: SpoolLimits) -> None:
        self._block_bytes = limits.block_bytes
        self._memory_blocks = max(1, limits.memory_bytes // limits.block_bytes)
        self._disk_blocks = limits.disk_bytes // limits.block_bytes
        self._blocks: deque[bytes | _DiskSlot] = deque()  # complete blocks, in order
        self._tail = bytearray()  # the incomplete block
        self._first_position = 0  # position of the first byte of the first block
        self._start = 0
        self._in_memory = 0
        self._file: IO[bytes] | None = None
        self._free_slots: list[_DiskSlot] = []

    @property
    def start(self) -> int:
        """Position of the first byte that was not discarded."""
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
        """Length of the file, free slots included."""
        return 0 if self._file is None or self._file.closed else self._file.seek(0, 2)

    @property
    def _on_disk(self) -> int:
        return len(self._blocks) - self._in_memory

    def append(self, data: bytes) -> None:
        """Add data at the end; on a full buffer it exceeds the bound, in memory."""
        self._tail += data
        while len(self._tail) >= self._block_bytes:
            self._blocks.append(self._store_block(bytes(self._tail[: self._block_bytes])))
            del self._tail[: self._block_bytes]

    def read(self, position: int, size: int) -> bytes:
        """Return up to `size` bytes from the position on; none at the end."""
        number, start = divmod(position - self._first_position, self._block_bytes)
        if number >= len(self._blocks):
            start = position - self._first_position - len(self._blocks) * self._block_bytes
            return bytes(self._tail[start : start + size])
        return self._read_block(self._blocks[number])[start : start + size]

    def discard_before(self, position: int) -> None:
        """Discard the bytes before the position; their blocks are reused once they are empty."""
        self._start = max(self._start, min(position, self.end))
        while self._blocks and self._first_position + self._block_bytes <= self._start:
            self._release_block(self._blocks.popleft())
            self._first_position += self._block_bytes

    def close(self) -> None:
        if self._file is not None:
            self._file.close()

    def _store_block(self, block: bytes) -> bytes | _DiskSlot:
        if self._in_memory >= self._memory_blocks and self._on_disk < self._disk_blocks:
            with suppress(OSError):  # the disk is full: the present size of the file becomes its bound
                return self._write_block(block)
            self._disk_blocks = self._on_disk
        self._in_memory += 1
        return block

    def _write_block(self, block: bytes) -> _DiskSlot:
        if self._file is None:
            self._file = tempfile.TemporaryFile(prefix="stt-", buffering=0)  # noqa: SIM115
        slot = self._free_slots.pop() if self._free_slots else _DiskSlot(self._on_disk)
        self._file.seek(slot.number * self._block_bytes)
        if self._file.write(block) != len(block):
            raise OSError
        return slot

    def _read_block(self, block: bytes | _DiskSlot) -> bytes:
        if isinstance(block, bytes):
            return block
        assert self._file is not None
        self._file.seek(block.number * self._block_bytes)
        return self._file.read(self._block_bytes)

    def _release_block(self, block: bytes | _DiskSlot) -> None:
        if isinstance(block, bytes):
            self._in_memory -= 1
            return
        self._free_slots.append(block)
        if not self._on_disk and self._file is not None:
            self._free_slots.clear()
            self._file.truncate(0)
