"""Observes one source while it is recognized: shows its level, saves its audio, stops it after silence."""

from __future__ import annotations

from collections.abc import Callable

from stt_cli.output.screen import Screen
from stt_client.audio.journal import Journal, pruned_message
from stt_client.errors import OutputError
from stt_client.events import (
    AudioFormat,
    Connection,
    ConnectionState,
    Event,
    Final,
    Partial,
    SpeechStarted,
    Suppressed,
)

CONNECTED_STATES = frozenset({ConnectionState.CONNECTED, ConnectionState.RESUMED})


class CaptureMonitor:
    """Passes audio and events of a source to the screen, the journal and the silence timeout, if present."""

    def __init__(
        self, screen: Screen, stop: Callable[[], None], journal: Journal | None, silence_timeout: SilenceTimeout | None
    ) -> None:
        """Args: `stop` ends the source."""
        self._screen = screen
        self._stop = stop
        self._journal = journal
        self._silence_timeout = silence_timeout
        self.has_signal = False  # False: all samples were zero, as from a muted microphone

    def warn(self, sentence: str) -> None:
        self._screen.warn(sentence)

    def on_audio(self, chunk: bytes, audio_format: AudioFormat) -> None:
        """Process captured audio."""
        self._screen.on_audio(chunk, audio_format)
        self.has_signal = self.has_signal or bool(chunk.strip(b"\0"))
        if self._journal is not None:
            self._save(self._journal, chunk, audio_format)
        if self._silence_timeout is not None and self._silence_timeout.add_audio(audio_format.duration_ms(len(chunk))):
            self._silence_timeout = None
            self._stop()

    def on_event(self, event: Event) -> None:
        self._screen.on_event(event)
        if self._silence_timeout is not None:
            self._silence_timeout.handle_event(event)

    def close(self) -> None:
        if self._journal is not None:
            self._journal.close()

    def _save(self, journal: Journal, chunk: bytes, audio_format: AudioFormat) -> None:
        try:
            if deleted := journal.write(chunk, audio_format):
                self._screen.warn(pruned_message(deleted))
        except OutputError as error:  # The dictation continues without the journal.
            self._screen.warn(f"{error} Audio is no longer saved.")
            self._journal = None


class SilenceTimeout:
    """Detects when there was no speech for a given time, from the server's events and the duration of the audio.

    Pure. Without a connection it is unknown whether there is speech: the timeout restarts at each change of connection.
    """

    def __init__(self, silence_s: float) -> None:
        self._silence_ms = silence_s * 1000
        self._audio_ms = 0.0
        self._silent_since_ms = 0.0
        self._in_utterance = False
        self._is_connected = False

    def add_audio(self, duration_ms: float) -> bool:
        """Add the duration of received audio; return whether the timeout has expired."""
        self._audio_ms += duration_ms
        waited_ms = self._audio_ms - self._silent_since_ms
        return self._is_connected and not self._in_utterance and waited_ms >= self._silence_ms

    def handle_event(self, event: Event) -> None:
        match event:
            case Connection(state=state):
                self._is_connected = state in CONNECTED_STATES
                self._silent_since_ms = self._audio_ms
            case SpeechStarted() | Partial():
                self._in_utterance = True
            case Final(end_ms=end_ms):
                self._in_utterance = False
                self._silent_since_ms = max(self._silent_since_ms, end_ms)
            case Suppressed():  # noise, so the timeout does not restart
                self._in_utterance = False
