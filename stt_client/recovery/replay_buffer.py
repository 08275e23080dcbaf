"""What a dictation has to say again when its stream breaks off: the audio that is not settled, and the commands in it.

Pure but for the file that long audio spills to.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from stt_client.events import AudioFormat, Finalize, Input, Settings, merged
from stt_client.recovery.disk_buffer import DiskBuffer, SpoolLimits

MEMORY_S = 60  # of audio; more than that waits on disk
MAX_CHUNK_MS = 1000  # the most in a message: 1/130 of what the server takes
# What is settled and said again all the same, for the server's resampler to be where it was: it begins at a whole
# number of samples at all usual rates (7056 at 44.1 kHz), and is longer than any filter.
LEAD_STEP_MS = 160


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far a stream has said it."""

    position: int  # bytes
    command: int


class ReplayBuffer:
    """Audio and commands in the order in which they came, from a little before the last settled position on."""

    def __init__(self, audio_format: AudioFormat, settings: Settings, kept_s: float) -> None:
        self._format = audio_format
        memory_bytes = audio_format.size_bytes(MEMORY_S * 1000)
        disk_bytes = max(0, audio_format.size_bytes(int(kept_s * 1000)) - memory_bytes)
        self._piece_bytes = audio_format.size_bytes(MAX_CHUNK_MS)
        self._spool = DiskBuffer(SpoolLimits(memory_bytes, disk_bytes, self._piece_bytes))
        self._settings = settings
        self._commands: deque[tuple[int, Settings | Finalize]] = deque()  # with the position before which each came
        self._first_command = 0
        self._settled_ms = 0

    @property
    def settings(self) -> Settings:
        """What is in force where the kept audio begins."""
        return self._settings

    @property
    def duration_ms(self) -> int:
        return round(self._format.duration_ms(self._spool.end - self._settled))

    @property
    def left_context_ms(self) -> int:
        """How much of the audio is from before what is settled."""
        return self._settled_ms - _lead_begins(self._settled_ms)

    @property
    def _settled(self) -> int:
        return min(self._format.size_bytes(self._settled_ms), self._spool.end)

    @property
    def is_full(self) -> bool:
        return self._spool.is_full

    @property
    def beginning(self) -> Cursor:
        return Cursor(self._spool.start, self._first_command)

    def append(self, item: Input) -> None:
        if isinstance(item, bytes):
            self._spool.append(item)
        else:
            self._commands.append((self._spool.end, item))

    def next(self, place: Cursor) -> tuple[Input, Cursor] | None:
        """Return what is to be said there, and the place after it; None at the end of what there is."""
        due = place.command - self._first_command
        until = self._spool.end
        if due < len(self._commands):
            until, command = self._commands[due]
            if until <= place.position:
                return command, Cursor(place.position, place.command + 1)
        audio = self._spool.read(place.position, min(until - place.position, self._piece_bytes))
        return (audio, Cursor(place.position + len(audio), place.command)) if audio else None

    def settle(self, before_ms: int) -> None:
        """Forget what lies before it, but for the lead; settings that were changed there stay in force."""
        self._settled_ms = before_ms
        self._spool.forget(self._format.size_bytes(_lead_begins(before_ms)))
        while self._commands and self._commands[0][0] < self._settled:
            _, command = self._commands.popleft()
            self._first_command += 1
            if isinstance(command, Settings):
                self._settings = merged(self._settings, command)

    def close(self) -> None:
        self._spool.close()


def _lead_begins(settled_ms: int) -> int:
    return max(0, settled_ms // LEAD_STEP_MS - 1) * LEAD_STEP_MS
