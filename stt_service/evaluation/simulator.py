"""A recording replayed through a session and real models in reckoned time: what would be told, and when.

The sound passes at the pace of speech on a clock that is only counted: a decode takes what it really took, waiting
for the next sound takes nothing. One stream has the workers for itself, and they do not slow one another down.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from stt_service.audio.pcm import FRAME_SAMPLES, SAMPLE_RATE_HZ
from stt_service.scheduling.scheduler import Job, Scheduler
from stt_service.scheduling.types import Clock, Transcribe
from stt_service.session.events import Decode, DecodeTiming, Event, Output, PartialDue, Promote, Withdraw
from stt_service.session.session import Session
from stt_service.whisper.types import Kind, Transcript

FRAME_BYTES = 2 * FRAME_SAMPLES
STREAM = "replay"


@dataclass(frozen=True, slots=True)
class TimedEvent:
    """An event and when it was told, in seconds after the recording's beginning."""

    at_s: float
    event: Event


@dataclass(slots=True)
class Replay:
    """What came of a recording."""

    emitted: list[TimedEvent] = field(default_factory=list)
    busy_s: dict[Kind, float] = field(default_factory=lambda: dict.fromkeys(Kind, 0.0))
    decodes: dict[Kind, int] = field(default_factory=lambda: dict.fromkeys(Kind, 0))
    discarded: int = 0  # early decodes that were asked for in vain


@dataclass(frozen=True, slots=True, eq=False)
class _Running:
    """A decode that a worker is at."""

    job: Job[Transcribe]
    decode: Decode
    transcript: Transcript
    cost: DecodeTiming
    done_s: float


@dataclass(frozen=True, slots=True, eq=False)
class SimulatedWorkers:
    """Who decodes what, how many decodes run at once, and the clock that tells what each takes."""

    models: Mapping[Kind, Transcribe]
    clock: Clock
    workers: int = 1
    slots: int = 1  # of the workers, those that one model may occupy


class Simulator:
    """Replays one recording."""

    def __init__(self, session: Session, crew: SimulatedWorkers) -> None:
        self._session, self._workers = session, crew
        self._scheduler = Scheduler[Transcribe](max_batch=1)
        self._asked: dict[Job[Transcribe], Decode] = {}  # partials are cut in their turn
        self._running: list[_Running] = []
        self._replay = Replay()

    def play(self, pcm: bytes) -> Replay:
        """Take 16 kHz mono 16 bit; return what was told."""
        now_s = 0.0
        for start in range(0, len(pcm), FRAME_BYTES):
            piece = pcm[start : start + FRAME_BYTES]
            now_s += len(piece) / 2 / SAMPLE_RATE_HZ
            self._work(now_s)
            self._take(self._session.feed(piece), now_s)
        self._take(self._session.end(), now_s)
        self._work(float("inf"))
        return self._replay

    def _work(self, until_s: float) -> None:
        """Let the workers finish what ends before then."""
        while self._running and (done := min(self._running, key=lambda each: each.done_s)).done_s <= until_s:
            self._running.remove(done)
            self._scheduler.finish([done.job], done.cost.inference_s)
            self._take(self._session.deliver(done.decode, done.transcript, done.cost), done.done_s)

    def _take(self, outputs: Sequence[Output], now_s: float) -> None:
        for output in outputs:
            match output:
                case Decode(utterance, kind):
                    job = self._job(utterance, kind, output.number)
                    self._asked[job] = output
                    self._submit(job, now_s)
                case PartialDue(utterance):
                    self._submit(self._job(utterance, Kind.PARTIAL), now_s)
                case Promote(utterance):
                    self._scheduler.promote(STREAM, utterance)
                case Withdraw(utterance, number):
                    self._scheduler.withdraw_speculative(STREAM, utterance, number)
                    self._replay.discarded += 1
                case _:
                    self._replay.emitted.append(TimedEvent(now_s, output))
        self._begin(now_s)

    def _submit(self, job: Job[Transcribe], now_s: float) -> None:
        needless = self._scheduler.submit(job, now_s)
        if needless is not None:
            self._session.cancel_partial(needless.utterance)

    def _job(self, utterance: int, kind: Kind, number: int = 0) -> Job[Transcribe]:
        return Job(STREAM, utterance, kind, self._workers.models[kind], number=number)

    def _begin(self, now_s: float) -> None:
        """Give idle workers the next decodes."""
        while batch := self._scheduler.next_batch(now_s, self._room):
            [job] = batch
            decode = self._session.begin_partial(job.utterance) if job.kind is Kind.PARTIAL else self._asked.pop(job)
            if decode is not None:
                self._running.append(self._decoded(job, decode, now_s))
            else:
                self._scheduler.finish(batch, 0.0)

    def _room(self, model: Transcribe) -> int:
        occupied = sum(each.job.model == model for each in self._running)
        return min(self._workers.slots - occupied, self._workers.workers - len(self._running))

    def _decoded(self, job: Job[Transcribe], decode: Decode, now_s: float) -> _Running:
        began_s = self._workers.clock()
        [transcript] = self._workers.models[job.kind]([decode.window])
        cost_s = self._workers.clock() - began_s
        self._replay.busy_s[job.kind] += cost_s
        self._replay.decodes[job.kind] += 1
        return _Running(job, decode, transcript, DecodeTiming(0.0, cost_s, 1, idle=True), now_s + cost_s)
