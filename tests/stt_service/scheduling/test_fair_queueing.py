"""Owners share the time equally, whatever the duration and the number of their jobs."""

from __future__ import annotations

from collections.abc import Mapping

from hypothesis import given, settings
from hypothesis import strategies as st

from stt_service.scheduling.fair_queueing import MAX_REMEMBERED, FairShares, OwnerPath

PROPERTY = settings(derandomize=True, deadline=None, max_examples=100)
DURATIONS = st.dictionaries(st.sampled_from(["ann", "bob", "cid"]), st.floats(0.1, 20), min_size=2)


def run_jobs(durations_s: Mapping[OwnerPath, float], seconds: float, shares: FairShares) -> dict[OwnerPath, float]:
    """Return the time that each owner got, if all of them always have jobs of these durations."""
    used_s, owners = dict.fromkeys(durations_s, 0.0), list(durations_s)
    while sum(used_s.values()) < seconds:
        owner = owners[shares.order(owners)[0]]
        shares.begin(owner)
        shares.end(owner, durations_s[owner])
        used_s[owner] += durations_s[owner]
    return used_s


@PROPERTY
@given(DURATIONS)
def test_owners_get_equal_time_within_one_job_each(durations_s: dict[str, float]) -> None:
    used_s = run_jobs({(name,): duration_s for name, duration_s in durations_s.items()}, 500, FairShares())
    assert max(used_s.values()) - min(used_s.values()) <= 2 * max(durations_s.values())


@PROPERTY
@given(DURATIONS, st.integers(1, 20))
def test_client_with_more_streams_gets_no_more_time(durations_s: dict[str, float], streams: int) -> None:
    paths: dict[OwnerPath, float] = {(client, 0): duration_s for client, duration_s in durations_s.items()}
    paths |= {("ann", stream): durations_s.get("ann", 1.0) for stream in range(streams)}
    used_s = run_jobs(paths, 800, FairShares())
    clients = [sum(s for path, s in used_s.items() if path[0] == client) for client in {path[0] for path in paths}]
    assert max(clients) - min(clients) <= 2 * max(*durations_s.values(), 1.0)


@PROPERTY
@given(st.lists(st.floats(0.1, 5), min_size=2, max_size=5))
def test_streams_of_one_client_share_its_time(durations_s: list[float]) -> None:
    paths: dict[OwnerPath, float] = {("ann", stream): duration_s for stream, duration_s in enumerate(durations_s)}
    used_s = run_jobs({**paths, ("bob", 0): 1.0}, 800, FairShares())
    ann_streams_s = [seconds for path, seconds in used_s.items() if path[0] == "ann"]
    assert max(ann_streams_s) - min(ann_streams_s) <= 2 * max(durations_s)


def test_equal_owners_run_round_robin_in_the_given_order() -> None:
    assert FairShares().order([("ann", 1), ("ann", 1), ("ann", 2), ("bob", 1)]) == [0, 3, 2, 1]


def test_new_owner_gets_no_credit_for_the_time_before_it() -> None:
    shares = FairShares()
    run_jobs({("ann",): 1.0}, 100, shares)
    used_s = run_jobs({("ann",): 1.0, ("bob",): 1.0}, 20, shares)
    assert abs(used_s["ann",] - used_s["bob",]) <= 2


def test_idle_owner_catches_up_by_at_most_its_credit() -> None:
    shares = FairShares(credit_s=5)
    run_jobs({("bob",): 1.0}, 1, shares)
    run_jobs({("ann",): 1.0}, 100, shares)
    used_s = run_jobs({("ann",): 1.0, ("bob",): 1.0}, 40, shares)
    assert 4 <= used_s["bob",] - used_s["ann",] <= 7


def test_running_job_counts_as_much_as_the_last_one() -> None:
    shares = FairShares()
    for owner, duration_s in ((("ann",), 20.0), (("bob",), 1.0)):
        shares.begin(owner)
        shares.end(owner, duration_s)
    run_jobs({("bob",): 1.0}, 19, shares)  # bob has caught up
    shares.begin(("ann",))
    assert shares.order([("ann",), ("bob",)]) == [1, 0]


def test_job_that_did_not_run_uses_no_time() -> None:
    shares = FairShares()
    for _ in range(3):
        shares.begin(("ann",))
        shares.end(("ann",), 0.0)
    assert shares.order([("ann",), ("bob",)]) == [0, 1]


def test_least_recently_served_owners_are_removed() -> None:
    shares = FairShares()
    ann, bob = ("ann",), ("bob",)
    for owner, duration_s in ((ann, 1000.0), (bob, 1.0)):
        shares.begin(owner)
        shares.end(owner, duration_s)
    assert shares.order([ann, bob]) == [1, 0]
    for number in range(MAX_REMEMBERED + 2):
        shares.begin((number,))
        shares.end((number,), 0.0)
    assert shares.order([ann, bob]) == [0, 1]
