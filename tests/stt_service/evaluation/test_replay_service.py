"""A recording is replayed on a counted clock: decodes take their time, sound takes the time it lasts."""

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
from tests.support.simulated_stream import SYMBOL_MS, SYMBOL_S, TRANSCRIPT, ScriptedVad, pcm, server_settings

QUICK = 0.25  # signs
ENDPOINT = 8  # of `..####`, in signs: silence lasts for two


class Worker:
    """A model of which a decode takes so many signs of its own clock, and says what it has heard."""

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
            heard = f"{window.samples[0] * 32_768 / 4:g}-{(window.samples[-1] * 32_768 + 1) / 4:g}"
            self.ran.append((kind, heard))
            return [replace(TRANSCRIPT, text=f"Слышно {heard}.")]

        return transcribe


def played(
    drawing: str, takes: Mapping[Kind, float] | None = None, partials: bool = True, **settings: object
) -> tuple[Replay, Worker]:
    """Replay the drawing with one worker; return what came of it, and the worker."""
    worker = Worker(takes or {})
    return replayed(drawing, SimulatedWorkers(worker.models(), worker.clock), partials, **settings), worker


def replayed(drawing: str, crew: SimulatedWorkers, partials: bool = True, **settings: object) -> Replay:
    server = server_settings(**settings)
    session = Session(SessionConfig(server, server.runtime(), partials=partials), lambda _: ScriptedVad(drawing))
    return Simulator(session, crew).play(pcm(drawing))


def finals(replay: Replay) -> list[tuple[float, Final]]:
    """Return the finals and when they were told, in signs."""
    return [(told.at_s / SYMBOL_S, told.event) for told in replay.emitted if isinstance(told.event, Final)]


def kinds(worker: Worker) -> list[Kind]:
    return [kind for kind, _ in worker.ran]


def test_a_decode_takes_its_time_on_the_counted_clock() -> None:
    replay, _ = played("..####........", {Kind.FINAL: 3}, partials=False, early_transcription_on_silence=0)
    [(told, _)] = finals(replay)
    assert told == pytest.approx(ENDPOINT + 3)
    assert replay.busy_s == pytest.approx({Kind.FINAL: 3 * SYMBOL_S, Kind.SPECULATIVE: 0, Kind.PARTIAL: 0})


def test_what_is_owed_at_the_end_of_the_sound_is_told_after_it() -> None:
    replay, _ = played("..####..", {Kind.FINAL: 30}, partials=False, early_transcription_on_silence=0)
    assert [told for told, _ in finals(replay)] == pytest.approx([ENDPOINT + 30])


def test_a_busy_worker_lets_the_next_decode_wait() -> None:
    replay, _ = played("..####..####..", {Kind.FINAL: 9}, partials=False, early_transcription_on_silence=0)
    assert [told for told, _ in finals(replay)] == pytest.approx([ENDPOINT + 9, ENDPOINT + 18])


def test_a_final_goes_before_a_partial() -> None:
    _, worker = played("..####..######", {Kind.PARTIAL: 9}, early_transcription_on_silence=0)
    assert kinds(worker) == [Kind.PARTIAL, Kind.FINAL, Kind.PARTIAL, Kind.FINAL]


def test_a_partial_hears_what_was_said_until_its_turn() -> None:
    _, worker = played("..####..######", {Kind.PARTIAL: 9}, early_transcription_on_silence=0)
    assert worker.ran[0] == (Kind.PARTIAL, "1-3")
    assert worker.ran[2] == (Kind.PARTIAL, "8-12.25")


def test_a_partial_is_told_when_it_is_ready() -> None:
    replay, _ = played("..####..", {Kind.PARTIAL: 1.5})
    told = next(told for told in replay.emitted if isinstance(told.event, Partial))
    assert told.at_s == pytest.approx((3 + 1.5) * SYMBOL_S)
    assert told.event == Partial(0, 1, "", "Слышно 1-3.", start_ms=2 * SYMBOL_MS, end_ms=3 * SYMBOL_MS)


def test_an_early_transcript_makes_the_final_come_at_the_endpoint() -> None:
    replay, worker = played("..####........", {Kind.SPECULATIVE: 0.75}, partials=False)
    [(told, final)] = finals(replay)
    assert told == pytest.approx(ENDPOINT)
    assert final.speculative
    assert kinds(worker) == [Kind.SPECULATIVE]


def test_an_early_transcript_that_is_late_makes_the_final_late() -> None:
    replay, _ = played("..####........", {Kind.SPECULATIVE: 3}, partials=False)
    assert [told for told, _ in finals(replay)] == pytest.approx([7 + 3])


def test_a_withdrawn_early_decode_never_runs() -> None:
    replay, worker = played("..####..####....", {Kind.PARTIAL: 6}, post_speech_silence_duration=4 * SYMBOL_S)
    assert [ran for ran in worker.ran if ran[0] is not Kind.PARTIAL] == [(Kind.SPECULATIVE, "1-13")]
    assert replay.discarded == 1


def test_an_early_decode_that_has_begun_is_void_when_speech_resumes() -> None:
    replay, worker = played("..####..####......", partials=False, post_speech_silence_duration=4 * SYMBOL_S)
    assert worker.ran == [(Kind.SPECULATIVE, "1-7"), (Kind.SPECULATIVE, "1-13")]
    assert replay.discarded == 1
    assert [final.text for _, final in finals(replay)] == ["Слышно 1-13."]


def test_an_early_decode_that_became_the_final_goes_before_a_later_final() -> None:
    _, worker = played("..####..####", {Kind.PARTIAL: 20})
    assert kinds(worker) == [Kind.PARTIAL, Kind.SPECULATIVE, Kind.FINAL]


def test_partials_go_on_after_an_early_decode_that_took_the_place_of_one() -> None:
    drawing = "..####....####..##########......"
    _, worker = played(drawing, {Kind.SPECULATIVE: 10}, post_speech_silence_duration=4 * SYMBOL_S)
    first = kinds(worker).index(Kind.SPECULATIVE)
    assert kinds(worker)[first + 1] is Kind.PARTIAL


@pytest.mark.parametrize(("workers", "places", "told"), [(1, 1, [17, 26]), (2, 2, [17, 23]), (2, 1, [17, 26])])
def test_workers_decode_side_by_side_as_many_by_a_model_as_it_has_places(
    workers: int, places: int, told: list[float]
) -> None:
    worker = Worker({Kind.FINAL: 9})
    crew = SimulatedWorkers(worker.models(), worker.clock, workers, places)
    replay = replayed("..####..####..", crew, partials=False, early_transcription_on_silence=0)
    assert [at for at, _ in finals(replay)] == pytest.approx(told)


def test_what_is_ready_first_is_told_first() -> None:
    worker = Worker({Kind.PARTIAL: 1, Kind.FINAL: 9})
    replay = replayed(
        "..####..####..", SimulatedWorkers(worker.models(), worker.clock, workers=2), early_transcription_on_silence=0
    )
    kinds = [type(told.event) for told in replay.emitted]
    assert kinds[-3:] == [Partial, Final, Final]
    assert [told.at_s for told in replay.emitted] == sorted(told.at_s for told in replay.emitted)
