"""Hears a source with its screen: keeps the journal, and ends the source when nobody has spoken for a while."""

from __future__ import annotations

from collections.abc import Callable

from stt_cli.output.screen import Screen
from stt_client.audio.journal import Journal, pruned_message
from stt_client.audio.silence_timeout import SilenceTimeout
from stt_client.errors import OutputError
from stt_client.events import AudioFormat, Event


class CaptureMonitor:
    def __init__(
        self, screen: Screen, stop: Callable[[], None], journal: Journal | None, silence: SilenceTimeout | None
    ) -> None:
        """Take what ends the source, and what this source has of a journal and a watch."""
        self._screen = screen
        self._stop = stop
        self._journal = journal
        self._silence = silence
        self.has_signal = False  # anything but zeros, which a muted microphone delivers

    def warn(self, sentence: str) -> None:
        self._screen.warn(sentence)

    def on_audio(self, chunk: bytes, audio_format: AudioFormat) -> None:
        self._screen.heard(chunk, audio_format)
        self.has_signal = self.has_signal or bool(chunk.strip(b"\0"))
        if self._journal is not None:
            self._keep(self._journal, chunk, audio_format)
        if self._silence is not None and self._silence.add_audio(audio_format.duration_ms(len(chunk))):
            self._silence = None
            self._stop()

    def follow(self, event: Event) -> None:
        self._screen.follow(event)
        if self._silence is not None:
            self._silence.handle_event(event)

    def close(self) -> None:
        if self._journal is not None:
            self._journal.close()

    def _keep(self, journal: Journal, chunk: bytes, audio_format: AudioFormat) -> None:
        try:
            if gone := journal.write(chunk, audio_format):
                self._screen.warn(pruned_message(gone))
        except OutputError as error:  # the dictation matters more
            self._screen.warn(f"{error} No more is kept.")
            self._journal = None
