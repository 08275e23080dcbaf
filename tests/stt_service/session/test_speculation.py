"""The start of speculative decodes, from the cost of earlier finals."""

from __future__ import annotations

import numpy as np
import pytest

from stt_service.session.events import Decode, DecodeTiming
from stt_service.session.speculation import DECAY, PADDING_S, SAFETY_FACTOR, SAFETY_MARGIN_S, SpeculationTimer
from stt_service.settings.schema import FRAME_S
from stt_service.whisper.types import DecodeOptions, Kind, Window

HANGOVER, ENDPOINT = 200, 1000
EMPTY_WINDOW = Window(np.zeros(0, np.float32), DecodeOptions())


def final(length: int) -> Decode:
    return Decode(0, Kind.FINAL, EMPTY_WINDOW, 500, 500 + length)


def timer_after(*costs_s: float, length: int = HANGOVER) -> SpeculationTimer:
    """Return a timer after finals of that length, in frames, with these costs."""
    timer = SpeculationTimer()
    for cost_s in costs_s:
        timer.record(final(length), DecodeTiming(queue_s=9.0, inference_s=cost_s, batch=3))
    return timer


def frames_left(timer: SpeculationTimer, length: int = HANGOVER, endpoint: int = ENDPOINT) -> int:
    return endpoint - timer.start_frame(HANGOVER, endpoint, HANGOVER - length)


def test_decode_begins_immediately_without_a_known_cost() -> None:
    assert SpeculationTimer().start_frame(HANGOVER, ENDPOINT, 0) == HANGOVER


@pytest.mark.parametrize("cost_s", [0.0, 0.3, 2.0])
def test_decode_begins_as_late_as_it_can_be_ready_by_the_endpoint(cost_s: float) -> None:
    assert frames_left(timer_after(cost_s)) == int((SAFETY_FACTOR * cost_s + SAFETY_MARGIN_S) / FRAME_S)


@pytest.mark.parametrize(("cost_s", "endpoint"), [(1000.0, ENDPOINT), (0.1, HANGOVER), (0.1, HANGOVER - 1)])
def test_decode_begins_no_earlier_than_the_configured_silence(cost_s: float, endpoint: int) -> None:
    assert timer_after(cost_s).start_frame(HANGOVER, endpoint, 0) == HANGOVER


def test_cost_is_proportional_to_the_window_and_its_padding() -> None:
    padding = int(PADDING_S / FRAME_S)
    timer = timer_after(1.0, length=100)
    needed_s = SAFETY_FACTOR * (150 + padding) / (100 + padding) + SAFETY_MARGIN_S
    assert frames_left(timer, length=150) == pytest.approx(needed_s / FRAME_S, abs=1)


def test_most_expensive_final_counts() -> None:
    assert frames_left(timer_after(0.3, 2.0)) == frames_left(timer_after(2.0))


def test_cost_of_an_expensive_final_decays() -> None:
    timer = timer_after(2.0, 0.1, 0.1)
    assert frames_left(timer) == int((SAFETY_FACTOR * 2.0 * DECAY**2 + SAFETY_MARGIN_S) / FRAME_S)
    assert frames_left(timer_after(2.0, *[0.1] * 100)) == frames_left(timer_after(0.1))


def test_short_utterance_in_the_full_window_costs_as_much_as_a_long_one() -> None:
    timer = timer_after(1.0, length=int(10 / FRAME_S))
    assert frames_left(timer, length=int(1.5 / FRAME_S)) == pytest.approx(frames_left(timer, int(10 / FRAME_S)), abs=1)
