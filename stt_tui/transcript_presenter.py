"""Writes down what is recognised: into the document, onto the clipboard, and into the status line how it goes."""

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
from stt_tui.dictation import Dictation
from stt_tui.status import Recording, Status

PARTIAL_CHARACTERS = 10_000  # displayed: of an utterance of at most 28 s, far more than anyone says
LANGUAGE_CHARACTERS = 16  # displayed of a language code; Whisper's have at most three
NOTICES = {
    "PARTIALS_SHED": "the server is busy: partials come late",
    "PARTIALS_RESTORED": "partials come in time again",
}


class TranscriptPresenter:
    """A listener of dictations (`speech.py`)."""

    def __init__(
        self, dictation: Dictation, status: Status, copy: Callable[[str], None], changed: Callable[[], None]
    ) -> None:
        """Take what puts a sentence on the clipboard, and what is to be called after each event."""
        self._dictation = dictation
        self._status = status
        self._copy = copy
        self._changed = changed
        self._heard_ms = 0.0
        self._owed = 0  # dictations that are not settled

    def warn(self, sentence: str) -> None:
        self.tell(sentence[:1].upper() + sentence[1:])

    def tell(self, sentence: str, detail: str = "") -> None:
        """Show a sentence, and what is more to be said where there is room."""
        self._status.message, self._status.detail = sanitize_message(sentence), detail
        self._changed()

    def opening(self) -> None:
        self._owed += 1
        self._status.recording = Recording.OPENING
        self._changed()

    def recording(self) -> None:
        self._status.recording = Recording.ON
        self._heard_ms = self._status.lag_s = self._status.level = 0.0
        self._changed()

    def silent(self) -> None:
        self._status.recording = Recording.SETTLING
        self._changed()

    def on_audio(self, chunk: bytes, audio_format: AudioFormat) -> None:
        self._heard_ms += audio_format.duration_ms(len(chunk))
        self._status.level = level(chunk, audio_format.encoding)
        self._changed()

    def recognised(self, dictation: int, event: Event) -> None:
        match event:
            case Connection():
                self._connection(event)
            case Started():
                self._status.language = sanitize_message(event.settings.language or "", LANGUAGE_CHARACTERS)
            case SpeechStarted():
                self._dictation.begin((dictation, event.utterance))
            case Partial():
                self._dictation.hear(
                    (dictation, event.utterance), sanitize_message(event.stable + event.unstable, PARTIAL_CHARACTERS)
                )
                self._status.lag_s = max(0.0, self._heard_ms - event.end_ms) / 1000
            case Final():
                text = sanitize_text(event.text)
                self._dictation.settle((dictation, event.utterance), text)
                language = sanitize_message(event.language, LANGUAGE_CHARACTERS)
                self._status.language = language or self._status.language
                self._copy(text)
            case Suppressed():
                self._dictation.drop((dictation, event.utterance))
            case Notice():
                self.warn(NOTICES.get(event.reason, event.message))
        self._changed()

    def ended(self, dictation: int) -> None:
        if self._dictation.give_up(dictation):
            self.warn("the last words were not settled: they are in the text as they were heard")
        self._owed -= 1
        if not self._owed:
            self._status.recording = Recording.OFF
            self._status.connection, self._status.in_trouble = "", False
        self._changed()

    def _connection(self, event: Connection) -> None:
        kept = f", {event.buffered_ms // 1000} s kept" if event.buffered_ms >= 1000 else ""
        is_away = event.state in (ConnectionState.CONNECTING, ConnectionState.WAITING) and event.buffered_ms >= 1000
        self._status.in_trouble = is_away or event.state is ConnectionState.RECONNECTING
        match event.state:
            case ConnectionState.CONNECTED | ConnectionState.RESUMED:
                self._status.connection = "connected"
            case ConnectionState.DRAINING:
                self._status.connection = "changing servers"
            case state:
                self._status.connection = f"{state.value}{kept}"
        if event.state is ConnectionState.RECONNECTING and event.message:
            self.warn(event.message)
        if event.state is ConnectionState.RESUMED:
            self.warn("connected again, nothing lost")
