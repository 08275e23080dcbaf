"""Priorities: finals, speculative finals, partials; real-time streams before recordings; streams round-robin."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from stt_service.scheduling.scheduler import RECORDING_MAX_WAIT_S, Job, Scheduler, StartableBatches
from stt_service.whisper.types import Kind

ModelJob = Job[str | None]
LATER = RECORDING_MAX_WAIT_S + 1


def final(stream: str, utterance: int = 0) -> ModelJob:
    return Job(stream, utterance, Kind.FINAL, None)


def speculative(stream: str, utterance: int = 0) -> ModelJob:
    return Job(stream, utterance, Kind.SPECULATIVE, None)


def partial(stream: str, utterance: int = 0) -> ModelJob:
    return Job(stream, utterance, Kind.PARTIAL, None)


def for_model(model: str, job: ModelJob) -> ModelJob:
    return replace(job, model=model)


def recorded(job: ModelJob) -> ModelJob:
    """Return the job for a stream that runs faster than real time."""
    return replace(job, realtime=False)


def queue(*jobs: ModelJob, max_batch: int = 16) -> Scheduler[str | None]:
    scheduler = Scheduler[str | None](max_batch)
    for job in jobs:
        scheduler.submit(job, 0)
    return scheduler


def batches(scheduler: Scheduler[str | None], now: float = 0) -> list[list[ModelJob]]:
    taken = []
    while batch := scheduler.next_batch(now):
        taken.append(batch)
    return taken


def only_on(model: str, batches: int = 1) -> StartableBatches[str | None]:
    return lambda requested: batches if requested == model else 0


def test_scheduler_without_jobs_has_no_batch() -> None:
    assert batches(queue()) == []


def test_finals_run_before_speculative_finals_and_those_before_partials() -> None:
    scheduler = queue(partial("ann"), speculative("bob"), final("cid"))
    assert batches(scheduler) == [[final("cid")], [speculative("bob")], [partial("ann")]]


def test_batch_has_at_most_the_maximum_size() -> None:
    jobs = [final("ann", number) for number in range(5)]
    assert batches(queue(*jobs, max_batch=2)) == [jobs[:2], jobs[2:4], jobs[4:]]


def test_job_is_taken_once() -> None:
    scheduler = queue(partial("ann"), final("bob"))
    assert len(scheduler) == 2
    batches(scheduler)
    assert len(scheduler) == 0


def test_newer_partial_takes_the_position_of_the_older_one() -> None:
    scheduler = queue(partial("ann", 0), partial("bob", 0))
    assert scheduler.submit(partial("ann", 1), 0) == partial("ann", 0)
    assert batches(scheduler) == [[partial("ann", 1), partial("bob", 0)]]


@pytest.mark.parametrize("job", [final("ann", 1), speculative("ann", 0)])
def test_final_removes_the_partial_of_its_stream(job: ModelJob) -> None:
    scheduler = queue(partial("ann"), partial("bob"))
    assert scheduler.submit(job, 0) == partial("ann")
    assert batches(scheduler) == [[job], [partial("bob")]]


def test_segments_of_an_utterance_are_queued_together() -> None:
    first, second, last = speculative("ann"), replace(speculative("ann"), number=1), replace(final("ann"), number=2)
    assert batches(queue(first, second, last)) == [[last], [first, second]]


# Promotion and withdrawal


def test_promoted_speculative_final_runs_with_the_finals() -> None:
    scheduler = queue(speculative("ann"), speculative("bob"), final("cid"))
    scheduler.promote("bob", 0)
    assert batches(scheduler) == [[final("cid"), speculative("bob")], [speculative("ann")]]


def test_speculative_segments_of_an_utterance_are_promoted_in_order() -> None:
    second = replace(speculative("ann"), number=1)
    scheduler = queue(speculative("ann"), speculative("bob"), second)
    scheduler.promote("ann", 0)
    assert batches(scheduler) == [[speculative("ann"), second], [speculative("bob")]]


def test_promotion_does_not_remove_a_partial() -> None:
    scheduler = queue(speculative("ann", 0), partial("ann", 1))
    scheduler.promote("ann", 0)
    assert batches(scheduler) == [[speculative("ann", 0)], [partial("ann", 1)]]


@pytest.mark.parametrize("job", [final("ann"), partial("ann"), speculative("ann", 1), speculative("bob")])
def test_other_jobs_are_neither_promoted_nor_withdrawn(job: ModelJob) -> None:
    scheduler = queue(job)
    scheduler.promote("ann", 0)
    assert scheduler.withdraw_speculative("ann", 0) is None
    assert batches(scheduler) == [[job]]


def test_withdrawn_speculative_final_does_not_run() -> None:
    scheduler = queue(speculative("ann"), speculative("bob"))
    assert scheduler.withdraw_speculative("ann", 0) == speculative("ann")
    assert batches(scheduler) == [[speculative("bob")]]


def test_withdrawal_leaves_the_other_segments_of_the_utterance() -> None:
    second = replace(speculative("ann"), number=1)
    scheduler = queue(speculative("ann"), second)
    assert scheduler.withdraw_speculative("ann", 0, 1) == second
    assert batches(scheduler) == [[speculative("ann")]]


def test_promoted_final_cannot_be_withdrawn_as_speculative() -> None:
    scheduler = queue(speculative("ann"))
    scheduler.promote("ann", 0)
    assert scheduler.withdraw_speculative("ann", 0) is None
    assert batches(scheduler) == [[speculative("ann")]]


@pytest.mark.parametrize("job", [final("ann"), speculative("ann"), partial("ann")])
def test_withdrawn_job_does_not_run(job: ModelJob) -> None:
    scheduler = queue(job, partial("bob"))
    assert scheduler.withdraw(job)
    assert not scheduler.withdraw(job)
    assert batches(scheduler) == [[partial("bob")]]


def test_withdrawn_promoted_job_does_not_run() -> None:
    scheduler = queue(speculative("ann"))
    scheduler.promote("ann", 0)
    assert scheduler.withdraw(speculative("ann"))
    assert batches(scheduler) == []


def test_job_in_a_batch_cannot_be_withdrawn() -> None:
    scheduler = queue(final("ann"))
    assert scheduler.next_batch(0) == [final("ann")]
    assert not scheduler.withdraw(final("ann"))


# Round-robin


def test_streams_run_round_robin() -> None:
    scheduler = queue(final("ann", 0), final("ann", 1), final("ann", 2), final("bob"), final("cid"), max_batch=1)
    assert batches(scheduler) == [
        [final("ann", 0)],
        [final("bob")],
        [final("cid")],
        [final("ann", 1)],
        [final("ann", 2)],
    ]


def test_each_stream_has_one_job_in_a_batch_before_any_has_two() -> None:
    scheduler = queue(final("ann", 0), final("ann", 1), final("ann", 2), final("bob", 0), final("bob", 1), max_batch=4)
    assert batches(scheduler) == [
        [final("ann", 0), final("bob", 0), final("ann", 1), final("bob", 1)],
        [final("ann", 2)],
    ]


def test_stream_that_submits_again_runs_after_the_waiting_ones() -> None:
    scheduler = queue(partial("ann"), partial("bob"), partial("cid"), max_batch=2)
    assert scheduler.next_batch(0) == [partial("ann"), partial("bob")]
    scheduler.submit(partial("ann"), 0)
    assert batches(scheduler) == [[partial("cid"), partial("ann")]]


# Shares


def of_client(client: str, job: ModelJob) -> ModelJob:
    return replace(job, client=client)


def run_clients(durations_s: Mapping[str, float], batches: int, kind: Kind, streams: int) -> Mapping[str, float]:
    """Return the decode time of each client, one job at a time, if all of them always have jobs."""
    scheduler, used_s = Scheduler[str | None](max_batch=1), dict.fromkeys(durations_s, 0.0)
    for client in durations_s:
        for stream in range(streams if client == "ann" else 1):
            scheduler.submit(Job(f"{client}{stream}", 0, kind, None, client=client), 0)
    for number in range(batches):
        [job] = scheduler.next_batch(0)
        scheduler.finish([job], durations_s[str(job.client)])
        used_s[str(job.client)] += durations_s[str(job.client)]
        scheduler.submit(replace(job, utterance=number + 1), 0)
    return used_s


@pytest.mark.parametrize("streams", [1, 8])
@pytest.mark.parametrize("kind", Kind)
def test_clients_share_decode_time_whatever_the_duration_of_their_decodes(kind: Kind, streams: int) -> None:
    used_s = run_clients({"ann": 20.0, "bob": 1.0, "cid": 2.0}, 400, kind, streams)
    assert max(used_s.values()) - min(used_s.values()) <= 2 * 20


def test_streams_of_one_client_share_its_decode_time() -> None:
    """This is the case without tokens if all connections come from one address."""
    scheduler, served_jobs = Scheduler[str | None](max_batch=1), Counter[Hashable]()
    scheduler.submit(final("slow"), 0)
    scheduler.submit(final("fast"), 0)
    for number in range(110):
        [job] = scheduler.next_batch(0)
        served_jobs[job.stream] += 1
        scheduler.finish([job], 10.0 if job.stream == "slow" else 1.0)
        scheduler.submit(final(str(job.stream), number + 1), 0)
    assert served_jobs["fast"] == pytest.approx(100, abs=10)


def test_recordings_of_a_client_together_get_the_same_share_as_its_dictations() -> None:
    scheduler, served_jobs = Scheduler[str | None](max_batch=1), Counter[bool]()
    for stream in range(9):
        scheduler.submit(recorded(final(f"file {stream}")), 0)
    scheduler.submit(final("ann"), LATER)
    for number in range(100):
        [job] = scheduler.next_batch(LATER)
        served_jobs[job.realtime] += 1
        scheduler.finish([job], 1.0)
        scheduler.submit(replace(job, utterance=number + 1), LATER if job.realtime else 0)
    assert served_jobs[True] == pytest.approx(50, abs=6)


def test_batch_has_a_job_of_each_client_before_a_second_one_of_any() -> None:
    crowd = [of_client("ann", final(f"ann {stream}")) for stream in range(5)]
    bob = of_client("bob", final("bob"))
    assert queue(*crowd, bob, max_batch=3).next_batch(0) == [crowd[0], bob, crowd[1]]


def test_finals_of_different_streams_are_separate_batches_with_separate_streams() -> None:
    scheduler = Scheduler[str | None](max_batch=8, separate_streams=True)
    finals = [final("ann", 0), final("bob"), final("ann", 1)]
    recordings = [recorded(final(f"file {number}")) for number in range(2)]
    partials = [partial("cid"), partial("dan")]
    for job in (*finals, *recordings, *partials):
        scheduler.submit(job, 0)
    assert batches(scheduler) == [[finals[0], finals[2]], [finals[1]], partials, *([job] for job in recordings)]


def test_duration_of_a_batch_is_shared_by_its_jobs() -> None:
    scheduler = queue(of_client("ann", final("ann")), of_client("bob", final("bob")), max_batch=2)
    batch = scheduler.next_batch(0)
    scheduler.finish(batch, 10.0)
    scheduler.submit(of_client("cid", final("cid")), 0)
    scheduler.finish(scheduler.next_batch(0), 7.0)
    for client in ("cid", "ann", "bob"):
        scheduler.submit(of_client(client, final(client, 1)), 0)
    assert [job.client for job in scheduler.next_batch(0)] == ["ann", "bob"]


def test_finals_of_one_client_leave_a_worker_free_but_its_partials_do_not_wait() -> None:
    ann, bob = of_client("ann", final("ann")), of_client("bob", final("bob"))
    scheduler = Scheduler[str | None](max_batch=1, workers=2)
    for job in (ann, bob, of_client("ann", final("ann", 1)), of_client("ann", partial("more"))):
        scheduler.submit(job, 0)
    first, second = scheduler.next_batch(0), scheduler.next_batch(0)
    assert (first, second) == ([ann], [bob])
    scheduler.finish(second, 1.0)
    assert scheduler.next_batch(1) == [of_client("ann", partial("more"))]
    assert scheduler.next_batch(1) == []
    scheduler.finish(first, 20.0)
    assert scheduler.next_batch(20) == [of_client("ann", final("ann", 1))]


def test_only_client_can_use_all_workers() -> None:
    scheduler = Scheduler[str | None](max_batch=1, workers=2)
    scheduler.submit(final("ann"), 0)
    scheduler.submit(final("ann", 1), 0)
    assert [scheduler.next_batch(0), scheduler.next_batch(0)] == [[final("ann")], [final("ann", 1)]]


# Recordings


def test_streams_faster_than_real_time_run_last() -> None:
    jobs = [recorded(final("ann")), recorded(speculative("bob")), recorded(partial("cid"))]
    scheduler = queue(*jobs, partial("dan"), speculative("eve"), final("fay"))
    assert batches(scheduler) == [[final("fay")], [speculative("eve")], [partial("dan")], *([job] for job in jobs)]


def test_recordings_that_waited_long_run_with_realtime_streams() -> None:
    scheduler = queue(recorded(final("ann")), max_batch=1)
    scheduler.submit(recorded(final("bob")), LATER)
    scheduler.submit(final("cid"), LATER)
    assert batches(scheduler, now=LATER) == [[recorded(final("ann"))], [final("cid")], [recorded(final("bob"))]]


def test_promotion_does_not_restart_the_wait_of_a_recording() -> None:
    scheduler = queue(recorded(speculative("ann")))
    scheduler.submit(final("bob"), LATER)
    scheduler.promote("ann", 0)
    assert batches(scheduler, now=LATER) == [[final("bob"), recorded(speculative("ann"))]]


# Models


def test_batch_is_for_one_model() -> None:
    scheduler = queue(
        for_model("tiny", partial("ann")), for_model("base", partial("bob")), for_model("tiny", partial("cid"))
    )
    assert batches(scheduler) == [
        [for_model("tiny", partial("ann")), for_model("tiny", partial("cid"))],
        [for_model("base", partial("bob"))],
    ]


def test_job_of_a_free_model_runs_before_a_priority_job_of_a_busy_one() -> None:
    scheduler = queue(for_model("base", final("ann")), for_model("tiny", partial("bob")))
    assert scheduler.next_batch(0, only_on("tiny")) == [for_model("tiny", partial("bob"))]
    assert scheduler.next_batch(0, only_on("tiny")) == []
    assert scheduler.next_batch(0, only_on("base")) == [for_model("base", final("ann"))]


def test_batches_that_can_start_together_share_the_queue() -> None:
    jobs = [for_model("base", final(stream)) for stream in ("ann", "bob", "cid", "dan", "eve")]
    scheduler = queue(*jobs)
    assert scheduler.next_batch(0, only_on("base", 2)) == jobs[:3]
    assert scheduler.next_batch(0, only_on("base", 1)) == jobs[3:]


# Properties

PROPERTY = settings(derandomize=True, deadline=None, max_examples=200)
STREAMS = st.sampled_from(["ann", "bob", "cid", "dan"])
JOBS = st.builds(
    Job,
    STREAMS,
    st.integers(0, 3),
    st.sampled_from(Kind),
    st.sampled_from(["base", "tiny"]),
    st.booleans(),
    st.integers(0, 2),
    st.sampled_from(["here", "there"]),
)


def _unique_key(job: ModelJob) -> tuple[Hashable, ...]:
    """Return the key that is unique among queued jobs."""
    return job.stream, job.utterance, job.number, job.kind is Kind.PARTIAL


def order(job: ModelJob, kind: Kind, waited_s: float) -> tuple[bool, int]:
    """Return the sort key of the scheduler's documented priorities."""
    return not (job.realtime or waited_s >= RECORDING_MAX_WAIT_S), kind.value


class SchedulerModel(RuleBasedStateMachine):
    """A scheduler and a plain dictionary of the queued jobs, each with its kind and the time since which it waits."""

    def __init__(self) -> None:
        super().__init__()
        self.scheduler = Scheduler[str | None](max_batch=3)
        self.waiting: dict[ModelJob, tuple[Kind, float]] = {}
        self.now = 0.0
        self.running: list[list[ModelJob]] = []

    @rule(job=JOBS)
    def submit(self, job: ModelJob) -> None:
        if _unique_key(job) in map(_unique_key, self.waiting):  # the numbers of a stream's decodes are unique
            return
        superseded = self.scheduler.submit(job, self.now)
        if superseded is not None:
            assert (superseded.stream, superseded.kind) == (job.stream, Kind.PARTIAL)
            del self.waiting[superseded]
        self.waiting[job] = job.kind, self.now

    @rule(stream=STREAMS, utterance=st.integers(0, 3))
    def promote(self, stream: str, utterance: int) -> None:
        self.scheduler.promote(stream, utterance)
        for job, (kind, since) in self.waiting.items():
            if (job.stream, job.utterance, kind) == (stream, utterance, Kind.SPECULATIVE):
                self.waiting[job] = Kind.FINAL, since

    @rule(stream=STREAMS, utterance=st.integers(0, 3), number=st.integers(0, 2))
    def withdraw_speculative(self, stream: str, utterance: int, number: int) -> None:
        job = self.scheduler.withdraw_speculative(stream, utterance, number)
        if job is not None:
            assert self.waiting[job][0] is Kind.SPECULATIVE
            del self.waiting[job]

    @rule(job=JOBS)
    def withdraw(self, job: ModelJob) -> None:
        assert self.scheduler.withdraw(job) is (job in self.waiting)
        if job in self.waiting:
            del self.waiting[job]

    @rule(seconds=st.floats(0, 2 * RECORDING_MAX_WAIT_S))
    def pass_time(self, seconds: float) -> None:
        self.now += seconds

    @rule(free_slots=st.fixed_dictionaries({"base": st.integers(0, 2), "tiny": st.integers(0, 2)}))
    def run(self, free_slots: dict[object, int]) -> None:
        batch = self.scheduler.next_batch(self.now, free_slots.__getitem__)
        ready = {job: self._order(job) for job in self.waiting if free_slots[job.model]}
        assert bool(batch) is bool(ready)
        if not batch:
            return
        assert len(set(batch)) == len(batch) <= 3
        assert {(self._order(job), job.model) for job in batch} == {(min(ready.values()), batch[0].model)}
        for job in batch:
            del self.waiting[job]
        self.running.append(batch)

    @precondition(lambda self: self.running)
    @rule(seconds=st.floats(0, 30))
    def end(self, seconds: float) -> None:
        self.scheduler.finish(self.running.pop(0), seconds)

    @invariant()
    def nothing_is_lost_or_doubled(self) -> None:
        assert len(self.scheduler) == len(self.waiting)

    @invariant()
    def a_stream_has_one_partial_waiting_at_most(self) -> None:
        partials = Counter(job.stream for job in self.waiting if job.kind is Kind.PARTIAL)
        assert max(partials.values(), default=0) <= 1

    def _order(self, job: ModelJob) -> tuple[bool, int]:
        kind, since = self.waiting[job]
        return order(job, kind, self.now - since)


TestProperties = SchedulerModel.TestCase
TestProperties.settings = settings(PROPERTY, stateful_step_count=30)


@PROPERTY
@given(st.lists(JOBS, max_size=20, unique_by=lambda job: _unique_key(job)))
def test_all_queued_jobs_run(jobs: list[ModelJob]) -> None:
    scheduler, waiting = Scheduler[str | None](max_batch=3), set[ModelJob]()
    for job in jobs:
        waiting -= {scheduler.submit(job, 0)}
        waiting.add(job)
    run = [job for batch in batches(scheduler) for job in batch]
    assert sorted(map(repr, run)) == sorted(map(repr, waiting))


@PROPERTY
@given(st.sampled_from(Kind), st.integers(1, 3), st.lists(STREAMS | st.none(), max_size=40))
def test_no_stream_is_served_twice_while_another_one_waits(
    kind: Kind, max_batch: int, events: list[str | None]
) -> None:
    """Events: a stream submits a job, or None: a batch is taken."""
    scheduler = Scheduler[str | None](max_batch)
    served_meanwhile: dict[str, Counter[Hashable]] = {}  # for each waiting stream, since it was last served or queued
    remaining: Counter[Hashable] = Counter()
    for number, stream in enumerate(events):
        if stream is not None:
            remaining[stream] += scheduler.submit(Job(stream, number, kind, None), 0) is None
            served_meanwhile.setdefault(stream, Counter())
            continue
        served = Counter(job.stream for job in scheduler.next_batch(0))
        remaining -= served
        for waiting in list(served_meanwhile):
            if waiting not in served:
                served_meanwhile[waiting] += served
                assert max(served_meanwhile[waiting].values(), default=0) <= 1
            elif remaining[waiting]:
                served_meanwhile[waiting] = Counter()
            else:
                del served_meanwhile[waiting]
