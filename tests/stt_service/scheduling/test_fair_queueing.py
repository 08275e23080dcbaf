"""Owners of work share the time equally, whatever their jobs cost and however many they have."""

from __future__ import annotations

from collections.abc import Mapping

from hypothesis import given, settings
from hypothesis import strategies as st

from stt_service.scheduling.fair_queueing import MAX_REMEMBERED, FairShares, OwnerPath

PROPERTY = settings(derandomize=True, deadline=None, max_examples=100)
COSTS = st.dictionaries(st.sampled_from(["ann", "bob", "cid"]), st.floats(0.1, 20), min_size=2)


def served(costs_s: Mapping[OwnerPath, float], seconds: float, shares: FairShares) -> dict[OwnerPath, float]:
    """Return the time that each owner got, where all of them always have jobs, of such costs."""
    got, owners = dict.fromkeys(costs_s, 0.0), list(costs_s)
    while sum(got.values()) < seconds:
        owner = owners[shares.order(owners)[0]]
        shares.begin(owner)
        shares.end(owner, costs_s[owner])
        got[owner] += costs_s[owner]
    return got


@PROPERTY
@given(COSTS)
def test_owners_get_equal_time_up_to_a_job_each(costs_s: dict[str, float]) -> None:
    got = served({(name,): cost_s for name, cost_s in costs_s.items()}, 500, FairShares())
    assert max(got.values()) - min(got.values()) <= 2 * max(costs_s.values())


@PROPERTY
@given(COSTS, st.integers(1, 20))
def test_a_client_with_more_streams_gets_no_more_time(costs_s: dict[str, float], streams: int) -> None:
    paths: dict[OwnerPath, float] = {(client, 0): cost_s for client, cost_s in costs_s.items()}
    paths |= {("ann", stream): costs_s.get("ann", 1.0) for stream in range(streams)}
    got = served(paths, 800, FairShares())
    clients = [sum(s for path, s in got.items() if path[0] == client) for client in {path[0] for path in paths}]
    assert max(clients) - min(clients) <= 2 * max(*costs_s.values(), 1.0)


@PROPERTY
@given(st.lists(st.floats(0.1, 5), min_size=2, max_size=5))
def test_streams_of_one_client_share_what_it_gets(costs_s: list[float]) -> None:
    paths: dict[OwnerPath, float] = {("ann", stream): cost_s for stream, cost_s in enumerate(costs_s)}
    got = served({**paths, ("bob", 0): 1.0}, 800, FairShares())
    of_ann = [seconds for path, seconds in got.items() if path[0] == "ann"]
    assert max(of_ann) - min(of_ann) <= 2 * max(costs_s)


def test_equals_take_turns_in_the_given_order() -> None:
    assert FairShares().order([("ann", 1), ("ann", 1), ("ann", 2), ("bob", 1)]) == [0, 3, 2, 1]


def test_a_new_owner_does_not_make_up_for_the_time_before_it_came() -> None:
    shares = FairShares()
    served({("ann",): 1.0}, 100, shares)
    got = served({("ann",): 1.0, ("bob",): 1.0}, 20, shares)
    assert abs(got["ann",] - got["bob",]) <= 2


def test_an_owner_that_was_idle_catches_up_by_its_credit_and_no_more() -> None:
    shares = FairShares(credit_s=5)
    served({("bob",): 1.0}, 1, shares)
    served({("ann",): 1.0}, 100, shares)
    got = served({("ann",): 1.0, ("bob",): 1.0}, 40, shares)
    assert 4 <= got["bob",] - got["ann",] <= 7


def test_a_job_that_runs_counts_as_much_as_the_last_one() -> None:
    shares = FairShares()
    for owner, cost_s in ((("ann",), 20.0), (("bob",), 1.0)):
        shares.begin(owner)
        shares.end(owner, cost_s)
    served({("bob",): 1.0}, 19, shares)  # bob has caught up
    shares.begin(("ann",))
    assert shares.order([("ann",), ("bob",)]) == [1, 0]


def test_a_job_that_did_not_run_costs_nothing() -> None:
    shares = FairShares()
    for _ in range(3):
        shares.begin(("ann",))
        shares.end(("ann",), 0.0)
    assert shares.order([("ann",), ("bob",)]) == [0, 1]


def test_owners_that_were_served_least_recently_are_forgotten() -> None:
    shares = FairShares()
    ann, bob = ("ann",), ("bob",)
    for owner, cost_s in ((ann, 1000.0), (bob, 1.0)):
        shares.begin(owner)
        shares.end(owner, cost_s)
    assert shares.order([ann, bob]) == [1, 0]
    for number in range(MAX_REMEMBERED + 2):
        shares.begin((number,))
        shares.end((number,), 0.0)
    assert shares.order([ann, bob]) == [0, 1]
