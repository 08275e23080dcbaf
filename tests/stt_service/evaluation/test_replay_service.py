"""Replay in simulated time: decodes take their measured time, audio takes its length."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest

from stt_service.evaluation.simulator import Replay, SimulatedWorkers, Simulator
from stt_service.scheduling.types import Transcribe
from stt_service.session.config import SessionConfig
from stt_service.session.events import Final, Partial
from stt_service.session.session import Session
from stt_service.whisper.types import Kind, Transcript, Window
from tests.support.timelines.simulated_stream import SYMBOL_MS, SYMBOL_S, TRANSCRIPT, ScriptedVad, pcm, server_settings

QUICK = 0.25  # symbols of a timeline
ENDPOINT = 8  # of `..####`, in symbols: two of silence end an utterance


class Worker:
    """A model whose decodes take a given number of symbols on its clock, and whose texts name the window's range."""

    def __init__(self, takes: Mapping[Kind, float]) -> None:
        self._takes, self._now_s = takes, 1000.0
        self.ran: list[tuple[Kind, str]] = []

    def clock(self) -> float:
        return self._now_s

    def models(self) -> dict[Kind, Transcribe]:
        return {kind: self._transcribe(kind) for kind in Kind}

    def _transcribe(self, kind: Kind) -> Transcribe:
        def transcribe(windows: Sequence[Window]) -> list[Transcript]:
            [window] = windows
            self._now_s += self._takes.get(kind, QUICK) * SYMBOL_S
            range_text = f"{window.samples[0] * 32_768 / 4:g}-{(window.samples[-1] * 32_768 + 1) / 4:g}"
            self.ran.append((kind, range_text))
            return [replace(TRANSCRIPT, text=f"Слышно {range_text}.")]

        return transcribe


def replay_timeline(
    timeline: str, takes: Mapping[Kind, float] | None = None, partials: bool = True, **settings: object
) -> tuple[Replay, Worker]:
    """Replay the timeline with one worker; return the replay and the worker."""
    worker = Worker(takes or {})
    return replay_with(timeline, SimulatedWorkers(worker.models(), worker.clock), partials, **settings), worker


def replay_with(
    timeline: str, simulated_workers: SimulatedWorkers, partials: bool = True, **settings: object
) -> Replay:
    server = server_settings(**settings)
    session = Session(SessionConfig(server, server.runtime(), partials=partials), lambda _: ScriptedVad(timeline))
    return Simulator(session, simulated_workers).play(pcm(timeline))


def finals(replay: Replay) -> list[tuple[float, Final]]:
    """Return the finals and the times of their emission, in symbols."""
    return [(timed.at_s / SYMBOL_S, timed.event) for timed in replay.emitted if isinstance(timed.event, Final)]


def kinds(worker: Worker) -> list[Kind]:
    return [kind for kind, _ in worker.ran]


def test_decode_takes_its_measured_time_in_simulated_time() -> None:
    replay, _ = replay_timeline("..####........", {Kind.FINAL: 3}, partials=False, early_transcription_on_silence=0)
    [(emitted_at, _)] = finals(replay)
    assert emitted_at == pytest.approx(ENDPOINT + 3)
    assert replay.busy_s == pytest.approx({Kind.FINAL: 3 * SYMBOL_S, Kind.SPECULATIVE: 0, Kind.PARTIAL: 0})


def test_final_pending_at_the_end_of_the_audio_is_emitted_after_it() -> None:
    replay, _ = replay_timeline("..####..", {Kind.FINAL: 30}, partials=False, early_transcription_on_silence=0)
    assert [emitted_at for emitted_at, _ in finals(replay)] == pytest.approx([ENDPOINT + 30])


def test_decode_waits_for_a_busy_worker() -> None:
    replay, _ = replay_timeline("..####..####..", {Kind.FINAL: 9}, partials=False, early_transcription_on_silence=0)
    assert [emitted_at for emitted_at, _ in finals(replay)] == pytest.approx([ENDPOINT + 9, ENDPOINT + 18])


def test_final_has_priority_over_a_partial() -> None:
    _, worker = replay_timeline("..####..######", {Kind.PARTIAL: 9}, early_transcription_on_silence=0)
    assert kinds(worker) == [Kind.PARTIAL, Kind.FINAL, Kind.PARTIAL, Kind.FINAL]


def test_window_of_a_partial_ends_when_its_decode_starts() -> None:
    _, worker = replay_timeline("..####..######", {Kind.PARTIAL: 9}, early_transcription_on_silence=0)
    assert worker.ran[0] == (Kind.PARTIAL, "1-3")
    assert worker.ran[2] == (Kind.PARTIAL, "8-12.25")


def test_partial_is_emitted_when_its_decode_finishes() -> None:
    replay, _ = replay_timeline("..####..", {Kind.PARTIAL: 1.5})
    timed = next(timed for timed in replay.emitted if isinstance(timed.event, Partial))
    assert timed.at_s == pytest.approx((3 + 1.5) * SYMBOL_S)
    assert timed.event == Partial(0, 1, "", "Слышно 1-3.", start_ms=2 * SYMBOL_MS, end_ms=3 * SYMBOL_MS)


def test_speculative_final_that_is_ready_is_emitted_at_the_endpoint() -> None:
    replay, worker = replay_timeline("..####........", {Kind.SPECULATIVE: 0.75}, partials=False)
    [(emitted_at, final)] = finals(replay)
    assert emitted_at == pytest.approx(ENDPOINT)
    assert final.speculative
    assert kinds(worker) == [Kind.SPECULATIVE]


def test_speculative_final_that_is_slow_delays_the_final() -> None:
    replay, _ = replay_timeline("..####........", {Kind.SPECULATIVE: 3}, partials=False)
    assert [emitted_at for emitted_at, _ in finals(replay)] == pytest.approx([7 + 3])


def test_withdrawn_speculative_decode_does_not_run() -> None:
    replay, worker = replay_timeline("..####..####....", {Kind.PARTIAL: 6}, post_speech_silence_duration=4 * SYMBOL_S)
    assert [ran for ran in worker.ran if ran[0] is not Kind.PARTIAL] == [(Kind.SPECULATIVE, "1-13")]
    assert replay.discarded == 1


def test_running_speculative_decode_is_discarded_when_speech_resumes() -> None:
    replay, worker = replay_timeline("..####..####......", partials=False, post_speech_silence_duration=4 * SYMBOL_S)
    assert worker.ran == [(Kind.SPECULATIVE, "1-7"), (Kind.SPECULATIVE, "1-13")]
    assert replay.discarded == 1
    assert [final.text for _, final in finals(replay)] == ["Слышно 1-13."]


def test_promoted_speculative_decode_runs_before_a_later_final() -> None:
    _, worker = replay_timeline("..####..####", {Kind.PARTIAL: 20})
    assert kinds(worker) == [Kind.PARTIAL, Kind.SPECULATIVE, Kind.FINAL]


def test_partials_continue_after_a_speculative_decode_that_superseded_one() -> None:
    timeline = "..####....####..##########......"
    _, worker = replay_timeline(timeline, {Kind.SPECULATIVE: 10}, post_speech_silence_duration=4 * SYMBOL_S)
    first = kinds(worker).index(Kind.SPECULATIVE)
    assert kinds(worker)[first + 1] is Kind.PARTIAL


@pytest.mark.parametrize(("workers", "slots", "emitted_at"), [(1, 1, [17, 26]), (2, 2, [17, 23]), (2, 1, [17, 26])])
def test_workers_run_at_most_as_many_decodes_of_a_model_as_it_has_slots(
    workers: int, slots: int, emitted_at: list[float]
) -> None:
    worker = Worker({Kind.FINAL: 9})
    simulated_workers = SimulatedWorkers(worker.models(), worker.clock, workers, slots)
    replay = replay_with("..####..####..", simulated_workers, partials=False, early_transcription_on_silence=0)
    assert [at for at, _ in finals(replay)] == pytest.approx(emitted_at)


def test_events_are_emitted_in_the_order_of_their_completion() -> None:
    worker = Worker({Kind.PARTIAL: 1, Kind.FINAL: 9})
    replay = replay_with(
        "..####..####..", SimulatedWorkers(worker.models(), worker.clock, workers=2), early_transcription_on_silence=0
    )
    types = [type(timed.event) for timed in replay.emitted]
    assert types[-3:] == [Partial, Final, Final]
    assert [timed.at_s for timed in replay.emitted] == sorted(timed.at_s for timed in replay.emitted)
