"""The position of decoded frames in time: silence fills gaps, so that captions are aligned with the picture.

Frames have time stamps. If a frame begins later than the previous audio ended, audio is missing: it begins after the
picture, or packets were lost or not sent (DTX). Silence fills the gap. Time stamps can be wrong, so

- a jump counts only if the next frame agrees with it: a single wrong time stamp has no effect;
- no audio is dropped: a later gap absorbs small overlaps, and a large overlap means that another recording begins
  (the clock restarted), so time continues from there;
- a gap longer than MAX_GAP_S, or one that raises the sum over MAX_SILENCE_S, is not filled.

Pure; times are seconds since the recording's start.
"""

from __future__ import annotations

from dataclasses import dataclass

TOLERANCE_S = 0.1  # time stamps are rounded, and clocks drift; shorter gaps are invisible in captions
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
        self.position_s = 0.0  # end of all frames so far, including silence
        self.ignored_s: float | None = None  # the position of the first gap that was not filled
        self._shift_s = 0.0  # of the time stamps, since the last restart of the clock
        self._silence_s = 0.0

    def place(self, frame: Stamp, following: Stamp | None) -> float:
        """Return the seconds of silence before a frame; `following` is the frame after it, None at the end."""
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
    """Return the time from the end of a frame to the next frame; 0 if unknown."""
    if frame.start_s is None or following is None or following.start_s is None:
        return 0.0
    return following.start_s - frame.start_s - frame.length_s
