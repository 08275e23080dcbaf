"""Presentation of recognition events: text in the document and on the clipboard, progress in the status line."""

from __future__ import annotations

from collections.abc import Callable

from stt_client.audio.pcm import level
from stt_client.events import (
    AudioFormat,
    Connection,
    ConnectionState,
    Event,
    Final,
    Notice,
    Partial,
    SpeechStarted,
    Started,
    Suppressed,
)
from stt_client.sanitize import sanitize_message, sanitize_text
from stt_tui.dictated_text import Dictation
from stt_tui.status import Recording, Status

PARTIAL_CHARACTERS = 10_000  # displayed at most; far more than the words of the longest utterance, 28 s
LANGUAGE_CHARACTERS = 16  # displayed at most; Whisper's language codes have at most three
NOTICES = {
    "PARTIALS_SHED": "the server is busy: partials are delayed",
    "PARTIALS_RESTORED": "partials are on time again",
}


class TranscriptPresenter:
    """The `DictationListener` that updates dictation and status line."""

    def __init__(
        self, dictation: Dictation, status: Status, copy: Callable[[str], None], on_change: Callable[[], None]
    ) -> None:
        """Take the function that copies a sentence, and the function to call after each event."""
        self._dictation = dictation
        self._status = status
        self._copy = copy
        self._on_change = on_change
        self._received_ms = 0.0
        self._pending = 0  # dictations that are not ended

    def warn(self, sentence: str) -> None:
        self.show(sentence[:1].upper() + sentence[1:])

    def show(self, sentence: str, detail: str = "") -> None:
        """Show a sentence, and the detail if there is room."""
        self._status.message, self._status.detail = sanitize_message(sentence), detail
        self._on_change()

    def on_opening(self) -> None:
        self._pending += 1
        self._status.recording = Recording.OPENING
        self._on_change()

    def on_recording(self) -> None:
        self._status.recording = Recording.ON
        self._received_ms = self._status.lag_s = self._status.level = 0.0
        self._on_change()

    def on_stopped(self) -> None:
        self._status.recording = Recording.FINALIZING
        self._on_change()

    def on_audio(self, chunk: bytes, audio_format: AudioFormat) -> None:
        self._received_ms += audio_format.duration_ms(len(chunk))
        self._status.level = level(chunk, audio_format.encoding)
        self._on_change()

    def on_event(self, dictation: int, event: Event) -> None:
        match event:
            case Connection():
                self._show_connection(event)
            case Started():
                self._status.language = sanitize_message(event.settings.language or "", LANGUAGE_CHARACTERS)
            case SpeechStarted():
                self._dictation.begin((dictation, event.utterance))
            case Partial():
                self._dictation.set_partial(
                    (dictation, event.utterance), sanitize_message(event.stable + event.unstable, PARTIAL_CHARACTERS)
                )
                self._status.lag_s = max(0.0, self._received_ms - event.end_ms) / 1000
            case Final():
                text = sanitize_text(event.text)
                self._dictation.insert_final((dictation, event.utterance), text)
                language = sanitize_message(event.language, LANGUAGE_CHARACTERS)
                self._status.language = language or self._status.language
                self._copy(text)
            case Suppressed():
                self._dictation.discard((dictation, event.utterance))
            case Notice():
                self.warn(NOTICES.get(event.reason, event.message))
        self._on_change()

    def on_ended(self, dictation: int) -> None:
        if self._dictation.insert_partials(dictation):
            self.warn("the last words did not become final: the text has the last partial")
        self._pending -= 1
        if not self._pending:
            self._status.recording = Recording.OFF
            self._status.connection, self._status.has_connection_problem = "", False
        self._on_change()

    def _show_connection(self, event: Connection) -> None:
        buffered = f", {event.buffered_ms // 1000} s kept" if event.buffered_ms >= 1000 else ""
        is_unreachable = (
            event.state in (ConnectionState.CONNECTING, ConnectionState.WAITING) and event.buffered_ms >= 1000
        )
        self._status.has_connection_problem = is_unreachable or event.state is ConnectionState.RECONNECTING
        match event.state:
            case ConnectionState.CONNECTED | ConnectionState.RESUMED:
                self._status.connection = "connected"
            case ConnectionState.DRAINING:
                self._status.connection = "changing servers"
            case state:
                self._status.connection = f"{state.value}{buffered}"
        if event.state is ConnectionState.RECONNECTING and event.message:
            self.warn(event.message)
        if event.state is ConnectionState.RESUMED:
            self.warn("connected again, nothing lost")
