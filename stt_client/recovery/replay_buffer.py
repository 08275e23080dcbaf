"""What a dictation has to say again when its stream breaks off: the audio that is not settled, and the commands in it.

Pure but for the file that long audio spills to.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from stt_client.events import AudioFormat, Finalize, Input, Settings, merge_settings
from stt_client.recovery.disk_buffer import DiskBuffer, SpoolLimits

MEMORY_S = 60  # of audio; more than that waits on disk
MAX_CHUNK_MS = 1000  # the most in a message: 1/130 of what the server takes
# What is settled and said again all the same, for the server's resampler to be where it was: it begins at a whole
# number of samples at all usual rates (7056 at 44.1 kHz), and is longer than any filter.
LEFT_CONTEXT_STEP_MS = 160


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far a stream has said it."""

    position: int  # bytes
    command: int


class ReplayBuffer:
    """Audio and commands in the order in which they came, from a little before the last settled position on."""

    def __init__(self, audio_format: AudioFormat, settings: Settings, max_buffered_s: float) -> None:
        self._format = audio_format
        memory_bytes = audio_format.size_bytes(MEMORY_S * 1000)
        disk_bytes = max(0, audio_format.size_bytes(int(max_buffered_s * 1000)) - memory_bytes)
        self._chunk_bytes = audio_format.size_bytes(MAX_CHUNK_MS)
        self._audio = DiskBuffer(SpoolLimits(memory_bytes, disk_bytes, self._chunk_bytes))
        self._settings = settings
        self._commands: deque[tuple[int, Settings | Finalize]] = deque()  # with the position before which each came
        self._first_command = 0
        self._committed_ms = 0

    @property
    def settings(self) -> Settings:
        """What is in force where the kept audio begins."""
        return self._settings

    @property
    def duration_ms(self) -> int:
        return round(self._format.duration_ms(self._audio.end - self._committed_bytes))

    @property
    def left_context_ms(self) -> int:
        """How much of the audio is from before what is settled."""
        return self._committed_ms - _left_context_start_ms(self._committed_ms)

    @property
    def _committed_bytes(self) -> int:
        return min(self._format.size_bytes(self._committed_ms), self._audio.end)

    @property
    def is_full(self) -> bool:
        return self._audio.is_full

    @property
    def start(self) -> Cursor:
        return Cursor(self._audio.start, self._first_command)

    def append(self, item: Input) -> None:
        if isinstance(item, bytes):
            self._audio.append(item)
        else:
            self._commands.append((self._audio.end, item))

    def read(self, cursor: Cursor) -> tuple[Input, Cursor] | None:
        """Return what is to be said there, and the place after it; None at the end of what there is."""
        due = cursor.command - self._first_command
        until = self._audio.end
        if due < len(self._commands):
            until, command = self._commands[due]
            if until <= cursor.position:
                return command, Cursor(cursor.position, cursor.command + 1)
        audio = self._audio.read(cursor.position, min(until - cursor.position, self._chunk_bytes))
        return (audio, Cursor(cursor.position + len(audio), cursor.command)) if audio else None

    def commit(self, before_ms: int) -> None:
        """Forget what lies before it, but for the lead; settings that were changed there stay in force."""
        self._committed_ms = before_ms
        self._audio.discard_before(self._format.size_bytes(_left_context_start_ms(before_ms)))
        while self._commands and self._commands[0][0] < self._committed_bytes:
            _, command = self._commands.popleft()
            self._first_command += 1
            if isinstance(command, Settings):
                self._settings = merge_settings(self._settings, command)

    def close(self) -> None:
        self._audio.close()


def _left_context_start_ms(settled_ms: int) -> int:
    return max(0, settled_ms // LEFT_CONTEXT_STEP_MS - 1) * LEFT_CONTEXT_STEP_MS
