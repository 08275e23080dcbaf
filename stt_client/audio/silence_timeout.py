"""Tells when nothing has been said for a while, by what the server says of the sound and by how much was heard.

Pure. While no server answers nobody knows whether somebody speaks: the wait begins anew once one does.
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
        """Take how much more was heard; return whether nothing has been said for long enough."""
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
            case Suppressed():  # it was no speech
                self._in_utterance = False
