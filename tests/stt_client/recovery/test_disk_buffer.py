"""Bytes by position: a bounded part of them in memory, more in a file, whose places are used again."""

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
    """Return what makes a spool that holds so many bytes, 0, 1, 2 …"""
    spool = DiskBuffer(SMALL)

    def fill(size: int) -> DiskBuffer:
        spool.append(bytes(range(size)))
        return spool

    yield fill
    spool.close()


Filled = Callable[[int], DiskBuffer]


def test_what_was_appended_is_read_at_its_position(filled: Filled) -> None:
    spool = filled(10)
    assert spool.read(0, 3) == b"\x00\x01\x02"
    assert spool.read(9, 3) == b"\x09"
    assert spool.read(10, 3) == b""


def test_a_read_ends_at_the_end_of_a_block(filled: Filled) -> None:
    assert filled(10).read(2, 100) == b"\x02\x03"


def test_what_was_forgotten_makes_room(filled: Filled) -> None:
    spool = filled(32)
    full = [spool.is_full]
    spool.discard_before(4)
    full.append(spool.is_full)
    assert full == [True, False]
    assert (spool.start, spool.end) == (4, 32)


def test_a_block_is_full_when_all_its_places_are_taken(filled: Filled) -> None:
    spool = filled(31)
    full = [spool.is_full]
    spool.append(b"x")
    full.append(spool.is_full)
    assert full == [False, True]


def test_beyond_the_end_nothing_is_forgotten_that_is_to_come(filled: Filled) -> None:
    spool = filled(3)
    spool.discard_before(100)
    spool.append(b"abc")
    assert (spool.start, spool.read(3, 3)) == (3, b"a")  # to the end of its block


def test_the_file_is_as_long_as_what_is_in_it_and_empty_after_that(filled: Filled) -> None:
    spool = filled(32)
    assert (spool.in_memory_bytes, spool.on_disk_bytes) == (12, 20)
    spool.discard_before(32)
    assert (spool.in_memory_bytes, spool.on_disk_bytes) == (0, 0)


def test_without_a_disk_it_is_full_when_its_memory_is(
    filled: Filled, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "missing"))
    spool = filled(16)
    assert spool.is_full
    assert b"".join(spool.read(start, 4) for start in range(0, 16, 4)) == bytes(range(16))


STEPS = st.lists(st.binary(min_size=1, max_size=11) | st.integers(1, 15), max_size=60)


@settings(derandomize=True, deadline=None, max_examples=200)
@given(STEPS)
def test_what_is_kept_is_what_was_appended_and_memory_and_disk_stay_within_their_bounds(
    steps: list[bytes | int],
) -> None:
    spool, all_of_it = DiskBuffer(SMALL), b""
    for step in steps:
        if isinstance(step, int):
            spool.discard_before(spool.start + step)
        elif not spool.is_full:
            spool.append(step)
            all_of_it += step
        assert whole(spool) == all_of_it[spool.start :]
        assert spool.in_memory_bytes <= SMALL.memory_bytes + 4 + 11
        assert spool.on_disk_bytes <= SMALL.disk_bytes
    spool.close()


def whole(spool: DiskBuffer) -> bytes:
    parts, position = [], spool.start
    while part := spool.read(position, 100):
        parts.append(part)
        position += len(part)
    assert position == spool.end
    return b"".join(parts)
