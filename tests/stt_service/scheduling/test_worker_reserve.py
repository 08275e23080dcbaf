"""Long work of one owner leaves a worker to others, as long as there are any."""

from __future__ import annotations

import pytest

from stt_service.scheduling.fair_queueing import OwnerPath
from stt_service.scheduling.worker_reserve import ACTIVE_S, WorkerReserve

ANN, ANN_2, BOB = ("ann", 1), ("ann", 2), ("bob", 1)


def allowed(owner: OwnerPath, *, workers: int, running: list[list[OwnerPath]], others: list[OwnerPath]) -> bool:
    """Return whether long work of the owner may begin while such batches run and others wait."""
    reserve = WorkerReserve(workers)
    for owners in running:
        reserve.begin(owners)
    reserve.update([owner, *others], 0)
    return reserve.allows(owner)


@pytest.mark.parametrize(
    ("workers", "running", "others", "expected"),
    [
        pytest.param(2, [], [BOB], True, id="nothing runs"),
        pytest.param(2, [[ANN]], [BOB], False, id="the last worker is for others"),
        pytest.param(3, [[ANN]], [BOB], True, id="there are workers enough"),
        pytest.param(2, [[ANN]], [], True, id="nobody else is there"),
        pytest.param(2, [[BOB]], [BOB], True, id="the other worker works for another one"),
        pytest.param(2, [[ANN, BOB]], [BOB], False, id="a batch counts for all that are in it"),
        pytest.param(2, [[ANN_2]], [BOB], False, id="all streams of a client count"),
        pytest.param(2, [[ANN_2]], [ANN_2], True, id="between streams of one client each counts for itself"),
        pytest.param(2, [[ANN]], [ANN_2], False, id="a stream leaves a worker to the client's other streams"),
        pytest.param(1, [], [BOB], True, id="one worker cannot be kept free"),
    ],
)
def test_long_work_of_one_owner_leaves_a_worker(
    workers: int, running: list[list[OwnerPath]], others: list[OwnerPath], expected: bool
) -> None:
    assert allowed(ANN, workers=workers, running=running, others=others) is expected


def test_who_was_served_recently_counts_as_active() -> None:
    reserve = WorkerReserve(2)
    reserve.record_served([BOB], 100)
    reserve.begin([ANN])
    reserve.update([ANN], 100 + ACTIVE_S / 2)
    assert not reserve.allows(ANN)
    reserve.update([ANN], 100 + ACTIVE_S)
    assert reserve.allows(ANN)


def test_work_that_has_ended_does_not_count() -> None:
    reserve = WorkerReserve(2)
    reserve.begin([ANN])
    reserve.begin([ANN])
    reserve.end([ANN])
    reserve.end([ANN])
    reserve.update([ANN, BOB], 0)
    assert reserve.allows(ANN)
