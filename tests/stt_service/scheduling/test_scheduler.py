"""Who goes first: finals, early finals, partials; live streams before recordings; streams in turns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from stt_service.scheduling.scheduler import RECORDING_MAX_WAIT_S, FreeSlots, Job, Scheduler
from stt_service.whisper.types import Kind

ModelJob = Job[str | None]
LATER = RECORDING_MAX_WAIT_S + 1


def final(stream: str, utterance: int = 0) -> ModelJob:
    return Job(stream, utterance, Kind.FINAL, None)


def early(stream: str, utterance: int = 0) -> ModelJob:
    return Job(stream, utterance, Kind.SPECULATIVE, None)


def partial(stream: str, utterance: int = 0) -> ModelJob:
    return Job(stream, utterance, Kind.PARTIAL, None)


def by(model: str, job: ModelJob) -> ModelJob:
    return replace(job, model=model)


def recorded(job: ModelJob) -> ModelJob:
    """Return the job as of a stream that runs ahead of the clock."""
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


def only_on(model: str, batches: int = 1) -> FreeSlots[str | None]:
    return lambda asked: batches if asked == model else 0


def test_without_jobs_there_is_no_batch() -> None:
    assert batches(queue()) == []


def test_finals_go_before_early_ones_and_those_before_partials() -> None:
    scheduler = queue(partial("ann"), early("bob"), final("cid"))
    assert batches(scheduler) == [[final("cid")], [early("bob")], [partial("ann")]]


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
    assert scheduler.submit(partial("ann", 1), 0) == partial("ann", 0)
    assert batches(scheduler) == [[partial("ann", 1), partial("bob", 0)]]


@pytest.mark.parametrize("job", [final("ann", 1), early("ann", 0)])
def test_a_final_early_or_not_removes_the_partial_of_its_stream(job: ModelJob) -> None:
    scheduler = queue(partial("ann"), partial("bob"))
    assert scheduler.submit(job, 0) == partial("ann")
    assert batches(scheduler) == [[job], [partial("bob")]]


def test_the_parts_of_an_utterance_wait_beside_each_other() -> None:
    first, second, last = early("ann"), replace(early("ann"), number=1), replace(final("ann"), number=2)
    assert batches(queue(first, second, last)) == [[last], [first, second]]


# Promotion and withdrawal


def test_an_early_final_that_is_promoted_goes_with_the_finals() -> None:
    scheduler = queue(early("ann"), early("bob"), final("cid"))
    scheduler.promote("bob", 0)
    assert batches(scheduler) == [[final("cid"), early("bob")], [early("ann")]]


def test_all_early_parts_of_an_utterance_are_promoted_together_in_their_order() -> None:
    second = replace(early("ann"), number=1)
    scheduler = queue(early("ann"), early("bob"), second)
    scheduler.promote("ann", 0)
    assert batches(scheduler) == [[early("ann"), second], [early("bob")]]


def test_a_promotion_removes_no_partial() -> None:
    scheduler = queue(early("ann", 0), partial("ann", 1))
    scheduler.promote("ann", 0)
    assert batches(scheduler) == [[early("ann", 0)], [partial("ann", 1)]]


@pytest.mark.parametrize("job", [final("ann"), partial("ann"), early("ann", 1), early("bob")])
def test_what_is_no_early_final_of_the_utterance_is_neither_promoted_nor_withdrawn(job: ModelJob) -> None:
    scheduler = queue(job)
    scheduler.promote("ann", 0)
    assert scheduler.withdraw_speculative("ann", 0) is None
    assert batches(scheduler) == [[job]]


def test_an_early_final_whose_speech_goes_on_is_not_run() -> None:
    scheduler = queue(early("ann"), early("bob"))
    assert scheduler.withdraw_speculative("ann", 0) == early("ann")
    assert batches(scheduler) == [[early("bob")]]


def test_a_withdrawal_leaves_the_other_parts_of_the_utterance() -> None:
    second = replace(early("ann"), number=1)
    scheduler = queue(early("ann"), second)
    assert scheduler.withdraw_speculative("ann", 0, 1) == second
    assert batches(scheduler) == [[early("ann")]]


def test_an_early_final_that_was_promoted_cannot_be_withdrawn_as_an_early_one() -> None:
    scheduler = queue(early("ann"))
    scheduler.promote("ann", 0)
    assert scheduler.withdraw_speculative("ann", 0) is None
    assert batches(scheduler) == [[early("ann")]]


@pytest.mark.parametrize("job", [final("ann"), early("ann"), partial("ann")])
def test_a_job_that_is_withdrawn_is_not_run(job: ModelJob) -> None:
    scheduler = queue(job, partial("bob"))
    assert scheduler.withdraw(job)
    assert not scheduler.withdraw(job)
    assert batches(scheduler) == [[partial("bob")]]


def test_a_promoted_job_that_is_withdrawn_is_not_run() -> None:
    scheduler = queue(early("ann"))
    scheduler.promote("ann", 0)
    assert scheduler.withdraw(early("ann"))
    assert batches(scheduler) == []


def test_a_job_that_was_taken_cannot_be_withdrawn() -> None:
    scheduler = queue(final("ann"))
    assert scheduler.next_batch(0) == [final("ann")]
    assert not scheduler.withdraw(final("ann"))


# Turns


def test_streams_take_turns() -> None:
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


def test_a_stream_that_asks_at_once_again_goes_behind_those_who_wait() -> None:
    scheduler = queue(partial("ann"), partial("bob"), partial("cid"), max_batch=2)
    assert scheduler.next_batch(0) == [partial("ann"), partial("bob")]
    scheduler.submit(partial("ann"), 0)
    assert batches(scheduler) == [[partial("cid"), partial("ann")]]


# Shares


def of(client: str, job: ModelJob) -> ModelJob:
    return replace(job, client=client)


def decoded(costs_s: Mapping[str, float], batches: int, kind: Kind, streams: int) -> Mapping[str, float]:
    """Return the seconds that each client was decoded for, one job at a time, where all of them always ask."""
    scheduler, got = Scheduler[str | None](max_batch=1), dict.fromkeys(costs_s, 0.0)
    for client in costs_s:
        for stream in range(streams if client == "ann" else 1):
            scheduler.submit(Job(f"{client}{stream}", 0, kind, None, client=client), 0)
    for number in range(batches):
        [job] = scheduler.next_batch(0)
        scheduler.finish([job], costs_s[str(job.client)])
        got[str(job.client)] += costs_s[str(job.client)]
        scheduler.submit(replace(job, utterance=number + 1), 0)
    return got


@pytest.mark.parametrize("streams", [1, 8])
@pytest.mark.parametrize("kind", Kind)
def test_clients_share_decode_time_whatever_a_decode_of_theirs_costs(kind: Kind, streams: int) -> None:
    got = decoded({"ann": 20.0, "bob": 1.0, "cid": 2.0}, 400, kind, streams)
    assert max(got.values()) - min(got.values()) <= 2 * 20


def test_streams_of_one_client_share_its_decode_time() -> None:
    """As where nobody shows a token and all come from one address."""
    scheduler, turns = Scheduler[str | None](max_batch=1), Counter[Hashable]()
    scheduler.submit(final("dear"), 0)
    scheduler.submit(final("cheap"), 0)
    for number in range(110):
        [job] = scheduler.next_batch(0)
        turns[job.stream] += 1
        scheduler.finish([job], 10.0 if job.stream == "dear" else 1.0)
        scheduler.submit(final(str(job.stream), number + 1), 0)
    assert turns["cheap"] == pytest.approx(100, abs=10)


def test_recordings_of_a_client_have_one_share_beside_its_dictations() -> None:
    scheduler, turns = Scheduler[str | None](max_batch=1), Counter[bool]()
    for stream in range(9):
        scheduler.submit(recorded(final(f"file {stream}")), 0)
    scheduler.submit(final("ann"), LATER)
    for number in range(100):
        [job] = scheduler.next_batch(LATER)
        turns[job.realtime] += 1
        scheduler.finish([job], 1.0)
        scheduler.submit(replace(job, utterance=number + 1), LATER if job.realtime else 0)
    assert turns[True] == pytest.approx(50, abs=6)


def test_a_batch_has_a_job_of_each_client_before_a_second_one_of_any() -> None:
    crowd = [of("ann", final(f"ann {stream}")) for stream in range(5)]
    bob = of("bob", final("bob"))
    assert queue(*crowd, bob, max_batch=3).next_batch(0) == [crowd[0], bob, crowd[1]]


def test_where_company_gains_little_finals_are_decoded_apart() -> None:
    scheduler = Scheduler[str | None](max_batch=8, separate_streams=True)
    finals = [final("ann", 0), final("bob"), final("ann", 1)]
    recordings = [recorded(final(f"file {number}")) for number in range(2)]
    partials = [partial("cid"), partial("dan")]
    for job in (*finals, *recordings, *partials):
        scheduler.submit(job, 0)
    assert batches(scheduler) == [[finals[0], finals[2]], [finals[1]], partials, *([job] for job in recordings)]


def test_what_a_batch_took_is_shared_by_its_jobs() -> None:
    scheduler = queue(of("ann", final("ann")), of("bob", final("bob")), max_batch=2)
    batch = scheduler.next_batch(0)
    scheduler.finish(batch, 10.0)
    scheduler.submit(of("cid", final("cid")), 0)
    scheduler.finish(scheduler.next_batch(0), 7.0)
    for client in ("cid", "ann", "bob"):
        scheduler.submit(of(client, final(client, 1)), 0)
    assert [job.client for job in scheduler.next_batch(0)] == ["ann", "bob"]


def test_finals_of_one_client_leave_a_worker_to_others_but_its_partials_do_not_wait() -> None:
    ann, bob = of("ann", final("ann")), of("bob", final("bob"))
    scheduler = Scheduler[str | None](max_batch=1, workers=2)
    for job in (ann, bob, of("ann", final("ann", 1)), of("ann", partial("more"))):
        scheduler.submit(job, 0)
    first, second = scheduler.next_batch(0), scheduler.next_batch(0)
    assert (first, second) == ([ann], [bob])
    scheduler.finish(second, 1.0)
    assert scheduler.next_batch(1) == [of("ann", partial("more"))]
    assert scheduler.next_batch(1) == []
    scheduler.finish(first, 20.0)
    assert scheduler.next_batch(20) == [of("ann", final("ann", 1))]


def test_a_client_that_is_alone_may_use_all_workers() -> None:
    scheduler = Scheduler[str | None](max_batch=1, workers=2)
    scheduler.submit(final("ann"), 0)
    scheduler.submit(final("ann", 1), 0)
    assert [scheduler.next_batch(0), scheduler.next_batch(0)] == [[final("ann")], [final("ann", 1)]]


# Recordings


def test_streams_that_run_ahead_go_last() -> None:
    jobs = [recorded(final("ann")), recorded(early("bob")), recorded(partial("cid"))]
    scheduler = queue(*jobs, partial("dan"), early("eve"), final("fay"))
    assert batches(scheduler) == [[final("fay")], [early("eve")], [partial("dan")], *([job] for job in jobs)]


def test_after_a_while_they_go_with_the_live_ones() -> None:
    scheduler = queue(recorded(final("ann")), max_batch=1)
    scheduler.submit(recorded(final("bob")), LATER)
    scheduler.submit(final("cid"), LATER)
    assert batches(scheduler, now=LATER) == [[recorded(final("ann"))], [final("cid")], [recorded(final("bob"))]]


def test_a_promotion_does_not_make_them_wait_anew() -> None:
    scheduler = queue(recorded(early("ann")))
    scheduler.submit(final("bob"), LATER)
    scheduler.promote("ann", 0)
    assert batches(scheduler, now=LATER) == [[final("bob"), recorded(early("ann"))]]


# Models


def test_a_batch_is_for_one_model() -> None:
    scheduler = queue(by("tiny", partial("ann")), by("base", partial("bob")), by("tiny", partial("cid")))
    assert batches(scheduler) == [
        [by("tiny", partial("ann")), by("tiny", partial("cid"))],
        [by("base", partial("bob"))],
    ]


def test_what_has_room_goes_before_what_has_priority_and_none() -> None:
    scheduler = queue(by("base", final("ann")), by("tiny", partial("bob")))
    assert scheduler.next_batch(0, only_on("tiny")) == [by("tiny", partial("bob"))]
    assert scheduler.next_batch(0, only_on("tiny")) == []
    assert scheduler.next_batch(0, only_on("base")) == [by("base", final("ann"))]


def test_batches_that_may_begin_together_share_what_waits() -> None:
    jobs = [by("base", final(stream)) for stream in ("ann", "bob", "cid", "dan", "eve")]
    scheduler = queue(*jobs)
    assert scheduler.next_batch(0, only_on("base", 2)) == jobs[:3]
    assert scheduler.next_batch(0, only_on("base", 1)) == jobs[3:]


# Laws

LAW = settings(derandomize=True, deadline=None, max_examples=200)
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


def _place(job: ModelJob) -> tuple[Hashable, ...]:
    """Return what no two jobs that wait have in common."""
    return job.stream, job.utterance, job.number, job.kind is Kind.PARTIAL


def order(job: ModelJob, kind: Kind, waited_s: float) -> tuple[bool, int]:
    """Return what goes first, by the words of the Scheduler."""
    return not (job.realtime or waited_s >= RECORDING_MAX_WAIT_S), kind.value


class Model(RuleBasedStateMachine):
    """A scheduler beside a plain list of what waits, each with its kind and since when."""

    def __init__(self) -> None:
        super().__init__()
        self.scheduler = Scheduler[str | None](max_batch=3)
        self.waiting: dict[ModelJob, tuple[Kind, float]] = {}
        self.now = 0.0
        self.running: list[list[ModelJob]] = []

    @rule(job=JOBS)
    def submit(self, job: ModelJob) -> None:
        if _place(job) in map(_place, self.waiting):  # a stream numbers its decodes
            return
        needless = self.scheduler.submit(job, self.now)
        if needless is not None:
            assert (needless.stream, needless.kind) == (job.stream, Kind.PARTIAL)
            del self.waiting[needless]
        self.waiting[job] = job.kind, self.now

    @rule(stream=STREAMS, utterance=st.integers(0, 3))
    def promote(self, stream: str, utterance: int) -> None:
        self.scheduler.promote(stream, utterance)
        for job, (kind, since) in self.waiting.items():
            if (job.stream, job.utterance, kind) == (stream, utterance, Kind.SPECULATIVE):
                self.waiting[job] = Kind.FINAL, since

    @rule(stream=STREAMS, utterance=st.integers(0, 3), number=st.integers(0, 2))
    def withdraw_early(self, stream: str, utterance: int, number: int) -> None:
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

    @rule(rooms=st.fixed_dictionaries({"base": st.integers(0, 2), "tiny": st.integers(0, 2)}))
    def run(self, rooms: dict[object, int]) -> None:
        batch = self.scheduler.next_batch(self.now, rooms.__getitem__)
        able = {job: self._order(job) for job in self.waiting if rooms[job.model]}
        assert bool(batch) is bool(able)
        if not batch:
            return
        assert len(set(batch)) == len(batch) <= 3
        assert {(self._order(job), job.model) for job in batch} == {(min(able.values()), batch[0].model)}
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


TestLaws = Model.TestCase
TestLaws.settings = settings(LAW, stateful_step_count=30)


@LAW
@given(st.lists(JOBS, max_size=20, unique_by=lambda job: _place(job)))
def test_all_that_waits_is_run_in_the_end(jobs: list[ModelJob]) -> None:
    scheduler, waiting = Scheduler[str | None](max_batch=3), set[ModelJob]()
    for job in jobs:
        waiting -= {scheduler.submit(job, 0)}
        waiting.add(job)
    run = [job for batch in batches(scheduler) for job in batch]
    assert sorted(map(repr, run)) == sorted(map(repr, waiting))


@LAW
@given(st.sampled_from(Kind), st.integers(1, 3), st.lists(STREAMS | st.none(), max_size=40))
def test_nobody_is_served_twice_while_another_waits(kind: Kind, max_batch: int, events: list[str | None]) -> None:
    """An event is a stream that asks, or a batch that is taken."""
    scheduler = Scheduler[str | None](max_batch)
    served_meanwhile: dict[str, Counter[Hashable]] = {}  # of each stream that waits, since it was served or came
    left: Counter[Hashable] = Counter()
    for number, stream in enumerate(events):
        if stream is not None:
            left[stream] += scheduler.submit(Job(stream, number, kind, None), 0) is None
            served_meanwhile.setdefault(stream, Counter())
            continue
        served = Counter(job.stream for job in scheduler.next_batch(0))
        left -= served
        for waiting in list(served_meanwhile):
            if waiting not in served:
                served_meanwhile[waiting] += served
                assert max(served_meanwhile[waiting].values(), default=0) <= 1
            elif left[waiting]:
                served_meanwhile[waiting] = Counter()
            else:
                del served_meanwhile[waiting]
