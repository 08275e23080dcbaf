"""Detects when there was no speech for a given time, from the server's events and the duration of the audio.

Pure. Without a connection it is unknown whether there is speech: the timeout restarts at each change of connection.
"""

from __future__ import annotations

from stt_client.events import Connection, ConnectionState, Event, Final, Partial, SpeechStarted, Suppressed

CONNECTED_STATES = frozenset({ConnectionState.CONNECTED, ConnectionState.RESUMED})


class SilenceTimeout:
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
