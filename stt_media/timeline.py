"""The position of decoded frames in time: silence fills gaps, so that captions are in step with the picture.

Frames carry time stamps. Where one begins later than the audio before it has ended, something is missing: audio that
begins after the picture, packets that were lost or not sent (DTX). The gap is filled with silence. Time stamps can be
wrong, so

- a jump counts only if the next frame agrees with it: one wrong time stamp moves nothing;
- no audio is dropped: small overlaps stay until a later gap absorbs them, a large one is where another recording
  begins (a clock that was restarted), and time goes on from there;
- a gap longer than MAX_GAP_S, or one that makes more than MAX_SILENCE_S in all, is not filled.

Pure; times are seconds since the recording's start.
"""

from __future__ import annotations

from dataclasses import dataclass

TOLERANCE_S = 0.1  # time stamps are rounded, and clocks drift; less than this cannot be seen in captions
MAX_OVERLAP_S = 1.0
MAX_GAP_S = 1800.0
MAX_SILENCE_S = 3600.0


@dataclass(frozen=True, slots=True)
class Stamp:
    start_s: float | None  # None: the frame has no time stamp
    length_s: float


class Timeline:
    """The timeline of one recording."""

    def __init__(self) -> None:
        self.position_s = 0.0  # of all frames so far, with the silence
        self.ignored_s: float | None = None  # the position of the first gap that was not filled
        self._shift_s = 0.0  # of the time stamps, since the last restart of the clock
        self._silence_s = 0.0

    def place(self, frame: Stamp, following: Stamp | None) -> float:
        """Take the next frame, and the one after it; return the seconds of silence before the frame."""
        gap_s = 0.0 if frame.start_s is None else self._gap_s(frame.start_s, _distance_s(frame, following))
        self.position_s += gap_s + frame.length_s
        return gap_s

    def _gap_s(self, start_s: float, next_s: float) -> float:
        offset_s = start_s + self._shift_s - self.position_s
        if offset_s < -MAX_OVERLAP_S and abs(next_s) <= MAX_OVERLAP_S:
            self._shift_s -= offset_s
        if offset_s <= TOLERANCE_S or next_s < -TOLERANCE_S:
            return 0.0
        if offset_s > MAX_GAP_S or self._silence_s + offset_s > MAX_SILENCE_S:
            self._shift_s -= offset_s
            self.ignored_s = self.position_s if self.ignored_s is None else self.ignored_s
            return 0.0
        self._silence_s += offset_s
        return offset_s


def _distance_s(frame: Stamp, following: Stamp | None) -> float:
    """Return the time from the frame's end to the next frame; 0 where that is unknown."""
    if frame.start_s is None or following is None or following.start_s is None:
        return 0.0
    return following.start_s - frame.start_s - frame.length_s
