"""Observes one source while it is recognized: shows its level, saves its audio, stops it after silence."""

from __future__ import annotations

from collections.abc import Callable

from stt_cli.output.screen import Screen
from stt_client.audio.journal import Journal, pruned_message
from stt_client.audio.silence_timeout import SilenceTimeout
from stt_client.errors import OutputError
from stt_client.events import AudioFormat, Event


class CaptureMonitor:
    """Passes audio and events of a source to the screen, the journal and the silence watch, where there are any."""

    def __init__(
        self, screen: Screen, stop: Callable[[], None], journal: Journal | None, silence_watch: SilenceTimeout | None
    ) -> None:
        """Args: `stop` ends the source."""
        self._screen = screen
        self._stop = stop
        self._journal = journal
        self._silence_watch = silence_watch
        self.has_signal = False  # False: all samples were zero, as from a muted microphone

    def warn(self, sentence: str) -> None:
        self._screen.warn(sentence)

    def on_audio(self, chunk: bytes, audio_format: AudioFormat) -> None:
        """Process captured audio."""
        self._screen.on_audio(chunk, audio_format)
        self.has_signal = self.has_signal or bool(chunk.strip(b"\0"))
        if self._journal is not None:
            self._save(self._journal, chunk, audio_format)
        if self._silence_watch is not None and self._silence_watch.add_audio(audio_format.duration_ms(len(chunk))):
            self._silence_watch = None
            self._stop()

    def on_event(self, event: Event) -> None:
        self._screen.on_event(event)
        if self._silence_watch is not None:
            self._silence_watch.handle_event(event)

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
