"""Who goes first: finals, then early finals, then partials."""

from __future__ import annotations

import pytest

from stt_service.scheduler import Job, Scheduler
from stt_service.transcript import Kind


def final(stream: str, utterance: int = 0) -> Job:
    return Job(stream, utterance, Kind.FINAL)


def early(stream: str, utterance: int = 0) -> Job:
    return Job(stream, utterance, Kind.EARLY)


def partial(stream: str, utterance: int = 0) -> Job:
    return Job(stream, utterance, Kind.PARTIAL)


def queue(*jobs: Job, max_batch: int = 16) -> Scheduler:
    scheduler = Scheduler(max_batch)
    for job in jobs:
        scheduler.submit(job)
    return scheduler


def batches(scheduler: Scheduler) -> list[list[Job]]:
    taken = []
    while batch := scheduler.next_batch():
        taken.append(batch)
    return taken


def test_without_jobs_there_is_no_batch() -> None:
    assert batches(queue()) == []


def test_finals_go_before_early_ones_and_those_before_partials() -> None:
    scheduler = queue(partial("ann"), early("bob"), final("cid"))
    assert batches(scheduler) == [[final("cid")], [early("bob")], [partial("ann")]]


def test_the_oldest_goes_first() -> None:
    assert batches(queue(final("bob", 1), final("ann"), final("bob", 0))) == [
        [final("bob", 1), final("ann"), final("bob", 0)]
    ]


def test_a_batch_has_its_greatest_size() -> None:
    jobs = [final("ann", number) for number in range(5)]
    assert batches(queue(*jobs, max_batch=2)) == [jobs[:2], jobs[2:4], jobs[4:]]


def test_a_job_is_taken_once() -> None:
    scheduler = queue(partial("ann"), final("bob"))
    assert len(scheduler) == 2
    batches(scheduler)
    assert len(scheduler) == 0


def test_a_newer_partial_takes_the_place_of_the_older() -> None:
    scheduler = queue(partial("ann", 0), partial("bob", 0))
    assert scheduler.submit(partial("ann", 1)) == partial("ann", 0)
    assert batches(scheduler) == [[partial("ann", 1), partial("bob", 0)]]


@pytest.mark.parametrize("job", [final("ann", 1), early("ann", 0)])
def test_a_final_early_or_not_removes_the_partial_of_its_stream(job: Job) -> None:
    scheduler = queue(partial("ann"), partial("bob"))
    assert scheduler.submit(job) == partial("ann")
    assert batches(scheduler) == [[job], [partial("bob")]]


def test_a_final_takes_the_place_of_the_early_one_of_its_utterance() -> None:
    scheduler = queue(early("ann", 0), early("ann", 1), early("bob", 0), final("ann", 0))
    assert batches(scheduler) == [[final("ann", 0)], [early("ann", 1), early("bob", 0)]]


def test_a_newer_early_final_goes_behind_those_of_others() -> None:
    assert batches(queue(early("ann"), early("bob"), early("ann"))) == [[early("bob"), early("ann")]]


def test_an_early_final_that_is_promoted_goes_with_the_finals() -> None:
    scheduler = queue(early("ann"), early("bob"), final("cid"))
    assert scheduler.promote("bob", 0) == early("bob")
    assert batches(scheduler) == [[final("cid"), final("bob")], [early("ann")]]


def test_a_promotion_removes_no_partial() -> None:
    scheduler = queue(early("ann", 0), partial("ann", 1))
    scheduler.promote("ann", 0)
    assert batches(scheduler) == [[final("ann", 0)], [partial("ann", 1)]]


@pytest.mark.parametrize("job", [final("ann"), partial("ann"), early("ann", 1), early("bob")])
def test_what_is_no_early_final_of_the_utterance_is_not_promoted(job: Job) -> None:
    scheduler = queue(job)
    assert scheduler.promote("ann", 0) is None
    assert batches(scheduler) == [[job]]


@pytest.mark.parametrize("job", [final("ann"), early("ann"), partial("ann")])
def test_a_job_that_is_withdrawn_is_not_run(job: Job) -> None:
    scheduler = queue(job, partial("bob"))
    assert scheduler.withdraw(job)
    assert not scheduler.withdraw(job)
    assert batches(scheduler) == [[partial("bob")]]


def test_a_job_that_was_taken_cannot_be_withdrawn() -> None:
    scheduler = queue(final("ann"))
    assert scheduler.next_batch() == [final("ann")]
    assert not scheduler.withdraw(final("ann"))
