"""Long jobs of one owner leave a worker free while other owners are active."""

from __future__ import annotations

import pytest

from stt_service.scheduling.fair_queueing import OwnerPath
from stt_service.scheduling.worker_reserve import ACTIVE_S, WorkerReserve

ANN, ANN_2, BOB = ("ann", 1), ("ann", 2), ("bob", 1)


def allowed(owner: OwnerPath, *, workers: int, running: list[list[OwnerPath]], others: list[OwnerPath]) -> bool:
    """Return whether a long job of the owner may start while these batches run and the others are queued."""
    reserve = WorkerReserve(workers)
    for owners in running:
        reserve.begin(owners)
    reserve.update([owner, *others], 0)
    return reserve.allows(owner)


@pytest.mark.parametrize(
    ("workers", "running", "others", "expected"),
    [
        pytest.param(2, [], [BOB], True, id="nothing runs"),
        pytest.param(2, [[ANN]], [BOB], False, id="the last free worker is reserved"),
        pytest.param(3, [[ANN]], [BOB], True, id="enough workers are free"),
        pytest.param(2, [[ANN]], [], True, id="no other owner is active"),
        pytest.param(2, [[BOB]], [BOB], True, id="the other worker runs a job of another owner"),
        pytest.param(2, [[ANN, BOB]], [BOB], False, id="a batch counts for all owners in it"),
        pytest.param(2, [[ANN_2]], [BOB], False, id="all streams of a client count together"),
        pytest.param(2, [[ANN_2]], [ANN_2], True, id="streams of the only client count separately"),
        pytest.param(2, [[ANN]], [ANN_2], False, id="a stream leaves a worker to other streams of its client"),
        pytest.param(1, [], [BOB], True, id="a single worker is not reserved"),
    ],
)
def test_long_jobs_of_one_owner_leave_a_worker_free(
    workers: int, running: list[list[OwnerPath]], others: list[OwnerPath], expected: bool
) -> None:
    assert allowed(ANN, workers=workers, running=running, others=others) is expected


def test_recently_served_owner_counts_as_active() -> None:
    reserve = WorkerReserve(2)
    reserve.record_served([BOB], 100)
    reserve.begin([ANN])
    reserve.update([ANN], 100 + ACTIVE_S / 2)
    assert not reserve.allows(ANN)
    reserve.update([ANN], 100 + ACTIVE_S)
    assert reserve.allows(ANN)


def test_finished_batches_do_not_count() -> None:
    reserve = WorkerReserve(2)
    reserve.begin([ANN])
    reserve.begin([ANN])
    reserve.end([ANN])
    reserve.end([ANN])
    reserve.update([ANN, BOB], 0)
    assert reserve.allows(ANN)
