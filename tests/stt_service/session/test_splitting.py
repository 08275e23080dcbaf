"""Split points of utterances: the longer a segment gets, the shorter a pause may end it."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stt_service.session.splitting import UtteranceSplitter, UtteranceSplitterConfig
from stt_service.vad.types import Pause

PADDING = 6
CONFIG = UtteranceSplitterConfig(
    min_length=30, min_pause=9, shorter_pauses=((4 / 3, 6), (5 / 3, 3)), min_speech_after=10
)


def splits(timeline: str, config: UtteranceSplitterConfig = CONFIG) -> list[Pause]:
    """Return the pauses at which an utterance is split; `#` is a frame of speech, `.` one of silence."""
    splitter, found, speech_end, announced = UtteranceSplitter(0, config), list[Pause](), 0, False
    for frame, symbol in enumerate(timeline, 1):
        if symbol == "#":
            if announced:
                splitter.resume(Pause(speech_end, speech_end + PADDING), frame)
            speech_end, announced = frame, False
        announced = announced or frame - speech_end >= PADDING
        if (pause := splitter.advance(speech_end)) is not None:
            found.append(pause)
    return found


def after(speech: int, pause: int, then: int = CONFIG.min_speech_after + 1) -> list[Pause]:
    return splits("#" * speech + "." * pause + "#" * then)


@pytest.mark.parametrize(
    ("speech", "pause", "end"),
    [
        pytest.param(30, 9, 36, id="a long pause: after its padding"),
        pytest.param(24, 9, 30, id="the padding counts"),
        pytest.param(40, 6, 43, id="a shorter pause after a longer segment: in its middle"),
        pytest.param(40, 7, 43, id="hardly longer than the padding: in its middle"),
        pytest.param(40, 8, 46, id="longer than the padding: after its padding"),
        pytest.param(50, 3, 51, id="shorter than the padding"),
        pytest.param(47, 5, None, id="too short for this length"),
        pytest.param(33, 8, None, id="also too short for this length"),
        pytest.param(23, 9, None, id="the segment is too short"),
        pytest.param(200, 2, None, id="shorter than any valid pause"),
    ],
)
def test_pause_that_ends_a_segment_depends_on_the_length_of_the_segment(
    speech: int, pause: int, end: int | None
) -> None:
    assert after(speech, pause) == ([] if end is None else [Pause(speech, end)])


def test_utterance_is_not_split_before_enough_speech_follows() -> None:
    assert after(50, 3, then=CONFIG.min_speech_after) == []


def test_of_two_pauses_close_together_the_longer_one_splits() -> None:
    speech = "#" * 60
    assert splits(f"{speech}.....####...{speech}")[0] == Pause(60, 62)
    assert splits(f"{speech}...####.....{speech}")[0] == Pause(67, 69)


def test_of_two_long_pauses_close_together_the_later_one_splits() -> None:
    assert splits("#" * 40 + "." * 15 + "####" + "." * 9 + "#" * 20)[0] == Pause(59, 65)


def test_only_long_pauses_split_where_no_shorter_ones_are_configured() -> None:
    config = UtteranceSplitterConfig(min_length=30, min_pause=9, shorter_pauses=(), min_speech_after=10)
    assert splits("#" * 300 + "." * 8 + "#" * 50, config) == []


@settings(derandomize=True, deadline=None, max_examples=200)
@given(st.lists(st.tuples(st.integers(1, 60), st.integers(1, 20)), max_size=20))
def test_segments_are_long_enough_and_end_in_pauses(
    runs: list[tuple[int, int]],
) -> None:
    timeline = "".join("#" * speech + "." * pause for speech, pause in runs)
    ends = [0, *(pause.window_end for pause in splits(timeline))]
    for start, end in pairwise(ends):
        assert end - start >= CONFIG.min_length
        assert timeline[end - 1 : end + 1] in ("..", "#.", ".#")
