"""When a final is decoded ahead, by what finals have cost."""

from __future__ import annotations

import numpy as np
import pytest

from stt_service.session.events import Decode, DecodeTiming
from stt_service.session.speculation import DECAY, PADDING_S, SAFETY_FACTOR, SAFETY_MARGIN_S, SpeculationTimer
from stt_service.settings.schema import FRAME_S
from stt_service.whisper.types import DecodeOptions, Kind, Window

HANGOVER, ENDPOINT = 200, 1000
NOTHING = Window(np.zeros(0, np.float32), DecodeOptions())


def final(length: int) -> Decode:
    return Decode(0, Kind.FINAL, NOTHING, 500, 500 + length)


def timer_after(*costs_s: float, length: int = HANGOVER) -> SpeculationTimer:
    """Return what finals of that length have taught, in frames and seconds."""
    time = SpeculationTimer()
    for cost_s in costs_s:
        time.record(final(length), DecodeTiming(queue_s=9.0, inference_s=cost_s, batch=3))
    return time


def frames_left(time: SpeculationTimer, length: int = HANGOVER, endpoint: int = ENDPOINT) -> int:
    return endpoint - time.start_frame(HANGOVER, endpoint, HANGOVER - length)


def test_it_begins_at_once_while_no_cost_is_known() -> None:
    assert SpeculationTimer().start_frame(HANGOVER, ENDPOINT, 0) == HANGOVER


@pytest.mark.parametrize("cost_s", [0.0, 0.3, 2.0])
def test_it_begins_as_late_as_it_can_be_ready_by_the_endpoint(cost_s: float) -> None:
    assert frames_left(timer_after(cost_s)) == int((SAFETY_FACTOR * cost_s + SAFETY_MARGIN_S) / FRAME_S)


@pytest.mark.parametrize(("cost_s", "endpoint"), [(1000.0, ENDPOINT), (0.1, HANGOVER), (0.1, HANGOVER - 1)])
def test_it_begins_no_earlier_than_the_silence_that_it_waits_for(cost_s: float, endpoint: int) -> None:
    assert timer_after(cost_s).start_frame(HANGOVER, endpoint, 0) == HANGOVER


def test_a_longer_window_costs_more_by_its_sound_and_the_silence_after_it() -> None:
    padding = int(PADDING_S / FRAME_S)
    time = timer_after(1.0, length=100)
    needed_s = SAFETY_FACTOR * (150 + padding) / (100 + padding) + SAFETY_MARGIN_S
    assert frames_left(time, length=150) == pytest.approx(needed_s / FRAME_S, abs=1)


def test_the_dearest_final_counts() -> None:
    assert frames_left(timer_after(0.3, 2.0)) == frames_left(timer_after(2.0))


def test_a_dear_final_is_forgotten_by_and_by() -> None:
    time = timer_after(2.0, 0.1, 0.1)
    assert frames_left(time) == int((SAFETY_FACTOR * 2.0 * DECAY**2 + SAFETY_MARGIN_S) / FRAME_S)
    assert frames_left(timer_after(2.0, *[0.1] * 100)) == frames_left(timer_after(0.1))


def test_a_word_or_two_in_the_full_window_costs_as_much_as_a_long_utterance() -> None:
    time = timer_after(1.0, length=int(10 / FRAME_S))
    assert frames_left(time, length=int(1.5 / FRAME_S)) == pytest.approx(frames_left(time, int(10 / FRAME_S)), abs=1)
