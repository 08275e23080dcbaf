"""The uncommitted audio and commands of a dictation, to be sent again when its stream fails.

`append` adds what the source yields; `read` returns the item at a cursor and the next cursor, so each stream reads at
its own position; `commit` discards what the server has committed. Audio from up to two steps of LEFT_CONTEXT_STEP_MS
before the committed position stays, as left context. Bounded by `max_buffered_s`: while `is_full`, the caller must not
append. Pure but for the file that holds long audio.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from stt_client.events import AudioFormat, Finalize, Input, Settings, merge_settings
from stt_client.recovery.disk_buffer import DiskBuffer, SpoolLimits

MEMORY_S = 60  # of audio in memory; the rest is on disk
MAX_CHUNK_MS = 1000  # audio per message: 1/130 of the server's limit
# Committed audio that is sent again, so that the server's resampler reaches the same state: a step is a whole number of
# samples at all usual rates (7056 at 44.1 kHz), and longer than any resampling filter.
LEFT_CONTEXT_STEP_MS = 160


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far a stream has sent the buffer."""

    position: int  # bytes
    command: int  # number of the next command


class ReplayBuffer:
    """Audio and commands in their order, from shortly before the committed position on."""

    def __init__(self, audio_format: AudioFormat, settings: Settings, max_buffered_s: float) -> None:
        self._format = audio_format
        memory_bytes = audio_format.size_bytes(MEMORY_S * 1000)
        disk_bytes = max(0, audio_format.size_bytes(int(max_buffered_s * 1000)) - memory_bytes)
        self._chunk_bytes = audio_format.size_bytes(MAX_CHUNK_MS)
        self._audio = DiskBuffer(SpoolLimits(memory_bytes, disk_bytes, self._chunk_bytes))
        self._settings = settings
        self._commands: deque[tuple[int, Settings | Finalize]] = (
            deque()
        )  # with the audio position before which each applies
        self._first_command = 0
        self._committed_ms = 0

    @property
    def settings(self) -> Settings:
        """The settings that apply where the buffered audio starts."""
        return self._settings

    @property
    def duration_ms(self) -> int:
        """Duration of the uncommitted audio."""
        return round(self._format.duration_ms(self._audio.end - self._committed_bytes))

    @property
    def left_context_ms(self) -> int:
        """Duration of the buffered audio before the committed position."""
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
        """Return the item at the cursor and the cursor after it; None at the end of the buffer."""
        index = cursor.command - self._first_command
        end = self._audio.end
        if index < len(self._commands):
            end, command = self._commands[index]
            if end <= cursor.position:
                return command, Cursor(cursor.position, cursor.command + 1)
        audio = self._audio.read(cursor.position, min(end - cursor.position, self._chunk_bytes))
        return (audio, Cursor(cursor.position + len(audio), cursor.command)) if audio else None

    def commit(self, before_ms: int) -> None:
        """Discard everything before the position but the left context; settings changed before it stay in effect."""
        self._committed_ms = before_ms
        self._audio.discard_before(self._format.size_bytes(_left_context_start_ms(before_ms)))
        while self._commands and self._commands[0][0] < self._committed_bytes:
            _, command = self._commands.popleft()
            self._first_command += 1
            if isinstance(command, Settings):
                self._settings = merge_settings(self._settings, command)

    def close(self) -> None:
        self._audio.close()


def _left_context_start_ms(committed_ms: int) -> int:
    return max(0, committed_ms // LEFT_CONTEXT_STEP_MS - 1) * LEFT_CONTEXT_STEP_MS
