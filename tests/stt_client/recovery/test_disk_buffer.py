"""Bytes by position: a bounded part in memory, more in a file whose blocks are reused."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stt_client.recovery.disk_buffer import DiskBuffer, SpoolLimits

SMALL = SpoolLimits(memory_bytes=12, disk_bytes=20, block_bytes=4)  # three blocks and five


@pytest.fixture
def filled() -> Iterator[Callable[[int], DiskBuffer]]:
    """Return a function that creates a buffer with this many bytes: 0, 1, 2 …"""
    buffer = DiskBuffer(SMALL)

    def fill(size: int) -> DiskBuffer:
        buffer.append(bytes(range(size)))
        return buffer

    yield fill
    buffer.close()


Filled = Callable[[int], DiskBuffer]


def test_appended_bytes_are_read_at_their_position(filled: Filled) -> None:
    buffer = filled(10)
    assert buffer.read(0, 3) == b"\x00\x01\x02"
    assert buffer.read(9, 3) == b"\x09"
    assert buffer.read(10, 3) == b""


def test_read_ends_at_the_end_of_a_block(filled: Filled) -> None:
    assert filled(10).read(2, 100) == b"\x02\x03"


def test_discarded_bytes_free_space(filled: Filled) -> None:
    buffer = filled(32)
    full = [buffer.is_full]
    buffer.discard_before(4)
    full.append(buffer.is_full)
    assert full == [True, False]
    assert (buffer.start, buffer.end) == (4, 32)


def test_buffer_is_full_when_its_last_block_is_full(filled: Filled) -> None:
    buffer = filled(31)
    full = [buffer.is_full]
    buffer.append(b"x")
    full.append(buffer.is_full)
    assert full == [False, True]


def test_discarding_beyond_the_end_keeps_later_bytes(filled: Filled) -> None:
    buffer = filled(3)
    buffer.discard_before(100)
    buffer.append(b"abc")
    assert (buffer.start, buffer.read(3, 3)) == (3, b"a")  # up to the end of the block


def test_file_size_follows_its_content(filled: Filled) -> None:
    buffer = filled(32)
    assert (buffer.in_memory_bytes, buffer.on_disk_bytes) == (12, 20)
    buffer.discard_before(32)
    assert (buffer.in_memory_bytes, buffer.on_disk_bytes) == (0, 0)


def test_buffer_without_a_disk_is_full_when_its_memory_is_full(
    filled: Filled, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "missing"))
    buffer = filled(16)
    assert buffer.is_full
    assert b"".join(buffer.read(start, 4) for start in range(0, 16, 4)) == bytes(range(16))


STEPS = st.lists(st.binary(min_size=1, max_size=11) | st.integers(1, 15), max_size=60)


@settings(derandomize=True, deadline=None, max_examples=200)
@given(STEPS)
def test_content_equals_the_appended_bytes_and_memory_and_disk_stay_bounded(
    steps: list[bytes | int],
) -> None:
    buffer, appended = DiskBuffer(SMALL), b""
    for step in steps:
        if isinstance(step, int):
            buffer.discard_before(buffer.start + step)
        elif not buffer.is_full:
            buffer.append(step)
            appended += step
        assert read_all(buffer) == appended[buffer.start :]
        assert buffer.in_memory_bytes <= SMALL.memory_bytes + 4 + 11
        assert buffer.on_disk_bytes <= SMALL.disk_bytes
    buffer.close()


def read_all(buffer: DiskBuffer) -> bytes:
    blocks, position = [], buffer.start
    while block := buffer.read(position, 100):
        blocks.append(block)
        position += len(block)
    assert position == buffer.end
    return b"".join(blocks)
