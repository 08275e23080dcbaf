"""Tells when nothing has been said for a while, by what the server says of the sound and by how much was heard.

Pure. While no server answers nobody knows whether somebody speaks: the wait begins anew once one does.
"""

from __future__ import annotations

from stt_client.events import Connection, ConnectionState, Event, Final, Partial, SpeechStarted, Suppressed

ANSWERING = frozenset({ConnectionState.CONNECTED, ConnectionState.RESUMED})


class SilenceWatch:
    def __init__(self, silence_s: float) -> None:
        self._silence_ms = silence_s * 1000
        self._heard_ms = 0.0
        self._quiet_since_ms = 0.0
        self._speaking = False
        self._answered = False

    def heard(self, duration_ms: float) -> bool:
        """Take how much more was heard; return whether nothing has been said for long enough."""
        self._heard_ms += duration_ms
        waited_ms = self._heard_ms - self._quiet_since_ms
        return self._answered and not self._speaking and waited_ms >= self._silence_ms

    def follow(self, event: Event) -> None:
        match event:
            case Connection(state=state):
                self._answered = state in ANSWERING
                self._quiet_since_ms = self._heard_ms
            case SpeechStarted() | Partial():
                self._speaking = True
            case Final(end_ms=end_ms):
                self._speaking = False
                self._quiet_since_ms = max(self._quiet_since_ms, end_ms)
            case Suppressed():  # it was no speech
                self._speaking = False
