"""Replays a recording through a session and real models in simulated time: the events and when they are emitted.

Simulated time advances in real time (1×) with the audio: a decode takes the time that it really took, and waiting for
audio takes no real time. One stream has all workers, and they do not slow one another down.
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
    """An event and the time of its emission, in seconds from the start of the recording."""

    at_s: float
    event: Event


@dataclass(slots=True)
class Replay:
    """The events, decode times and counts of a replayed recording."""

    emitted: list[TimedEvent] = field(default_factory=list)
    busy_s: dict[Kind, float] = field(default_factory=lambda: dict.fromkeys(Kind, 0.0))
    decodes: dict[Kind, int] = field(default_factory=lambda: dict.fromkeys(Kind, 0))
    discarded: int = 0  # speculative decodes that were withdrawn


@dataclass(frozen=True, slots=True, eq=False)
class _Running:
    """A decode that a worker runs, with its result."""

    job: Job[Transcribe]
    decode: Decode
    transcript: Transcript
    timing: DecodeTiming
    done_s: float


@dataclass(frozen=True, slots=True, eq=False)
class SimulatedWorkers:
    """The model per kind of decode, the number of workers, and the clock that measures decodes."""

    models: Mapping[Kind, Transcribe]
    clock: Clock
    workers: int = 1
    slots: int = 1  # workers that one model can occupy


class Simulator:
    """Replays one recording."""

    def __init__(self, session: Session, workers: SimulatedWorkers) -> None:
        self._session, self._workers = session, workers
        self._scheduler = Scheduler[Transcribe](max_batch=1)
        self._decodes: dict[Job[Transcribe], Decode] = {}  # of finals; a partial is cut when its batch starts
        self._running: list[_Running] = []
        self._replay = Replay()

    def play(self, pcm: bytes) -> Replay:
        """Replay 16 kHz mono 16 bit PCM; return the emitted events and decode times."""
        now_s = 0.0
        for start in range(0, len(pcm), FRAME_BYTES):
            chunk = pcm[start : start + FRAME_BYTES]
            now_s += len(chunk) / 2 / SAMPLE_RATE_HZ
            self._finish_decodes(now_s)
            self._handle_outputs(self._session.feed(chunk), now_s)
        self._handle_outputs(self._session.end(), now_s)
        self._finish_decodes(float("inf"))
        return self._replay

    def _finish_decodes(self, until_s: float) -> None:
        """Deliver the decodes that finish by then, in that order."""
        while self._running and (done := min(self._running, key=lambda each: each.done_s)).done_s <= until_s:
            self._running.remove(done)
            self._scheduler.finish([done.job], done.timing.inference_s)
            self._handle_outputs(self._session.deliver(done.decode, done.transcript, done.timing), done.done_s)

    def _handle_outputs(self, outputs: Sequence[Output], now_s: float) -> None:
        for output in outputs:
            match output:
                case Decode(utterance, kind):
                    job = self._job(utterance, kind, output.number)
                    self._decodes[job] = output
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
        self._start_decodes(now_s)

    def _submit(self, job: Job[Transcribe], now_s: float) -> None:
        superseded = self._scheduler.submit(job, now_s)
        if superseded is not None:
            self._session.cancel_partial(superseded.utterance)

    def _job(self, utterance: int, kind: Kind, number: int = 0) -> Job[Transcribe]:
        return Job(STREAM, utterance, kind, self._workers.models[kind], number=number)

    def _start_decodes(self, now_s: float) -> None:
        """Start queued decodes on idle workers."""
        while batch := self._scheduler.next_batch(now_s, self._free_slots):
            [job] = batch
            decode = self._session.begin_partial(job.utterance) if job.kind is Kind.PARTIAL else self._decodes.pop(job)
            if decode is not None:
                self._running.append(self._decode(job, decode, now_s))
            else:
                self._scheduler.finish(batch, 0.0)

    def _free_slots(self, model: Transcribe) -> int:
        occupied = sum(each.job.model == model for each in self._running)
        return min(self._workers.slots - occupied, self._workers.workers - len(self._running))

    def _decode(self, job: Job[Transcribe], decode: Decode, now_s: float) -> _Running:
        started_s = self._workers.clock()
        [transcript] = self._workers.models[job.kind]([decode.window])
        inference_s = self._workers.clock() - started_s
        self._replay.busy_s[job.kind] += inference_s
        self._replay.decodes[job.kind] += 1
        return _Running(job, decode, transcript, DecodeTiming(0.0, inference_s, 1, idle=True), now_s + inference_s)
