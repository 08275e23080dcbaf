"""Recognized speech in the text, on the clipboard and in the status line."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from dataclasses import replace

import pytest

from stt_client.events import (
    AudioFormat,
    Connection,
    ConnectionState,
    Event,
    Final,
    Latency,
    Notice,
    Partial,
    Settings,
    SpeechStarted,
    Started,
    Suppressed,
)
from stt_tui.dictated_text import Dictation
from stt_tui.document import Document
from stt_tui.graphemes import text_columns
from stt_tui.status import Recording, Status, status_line
from stt_tui.transcript_presenter import TranscriptPresenter

FORMAT = AudioFormat()


def partial(text: str, utterance: int = 1, end_ms: int = 500) -> Partial:
    return Partial(utterance, 1, text, "", 0, end_ms)


def final(text: str, utterance: int = 1) -> Final:
    return Final(utterance, text, 0, 900, "ru", 1.0, 1.0, "silence", Latency(0, 0, 0, False, 1))


class PresenterHarness:
    def __init__(self) -> None:
        self.document = Document()
        self.dictation = Dictation(self.document)
        self.status = Status()
        self.copied = list[str]()
        self.changes = 0
        self.presenter = TranscriptPresenter(self.dictation, self.status, self.copied.append, self._changed)

    def _changed(self) -> None:
        self.changes += 1

    def handle(self, *events: Event) -> None:
        for event in events:
            self.presenter.on_event(1, event)


def test_final_is_inserted_and_copied_to_the_clipboard() -> None:
    harness = PresenterHarness()
    harness.handle(SpeechStarted(1, 0), partial("Один"), final("Один."), partial("Два", 2), final("Два.", 2))
    assert (harness.document.text(), harness.copied) == ("Один. Два.", ["Один.", "Два."])
    assert harness.changes >= 5


def test_suppressed_utterance_leaves_no_text() -> None:
    harness = PresenterHarness()
    harness.handle(SpeechStarted(1, 0), partial("you"), Suppressed(1, 0, 900, "NO_SPEECH", "you"))
    assert (harness.document.text(), harness.dictation.preedits(), harness.copied) == ("", [], [])


def test_latency_is_measured_from_recorded_audio_to_its_partial() -> None:
    harness = PresenterHarness()
    harness.presenter.on_recording()
    harness.presenter.on_audio(bytes(FORMAT.size_bytes(900)), FORMAT)
    harness.handle(partial("Один", end_ms=500))
    assert harness.status.lag_s == 0.4


def test_status_shows_the_level_and_the_language() -> None:
    harness = PresenterHarness()
    harness.presenter.on_recording()
    harness.handle(Started("s1", "base", "base", Settings(language="en")))
    harness.presenter.on_audio(b"\xff\x7f" * 100, FORMAT)
    assert (harness.status.recording, harness.status.language, round(harness.status.level, 2)) == (
        Recording.ON,
        "en",
        1.0,
    )
    harness.handle(final("Один."))
    assert harness.status.language == "ru"


def test_status_shows_each_connection_state() -> None:
    shown = []
    harness = PresenterHarness()
    for state, kept_ms in [
        (ConnectionState.CONNECTING, 0),
        (ConnectionState.CONNECTING, 1_200),
        (ConnectionState.CONNECTED, 0),
        (ConnectionState.RECONNECTING, 12_400),
        (ConnectionState.RESUMED, 0),
        (ConnectionState.DRAINING, 0),
    ]:
        harness.handle(Connection(state, "", kept_ms))
        shown.append((harness.status.connection, harness.status.has_connection_problem))
    assert shown == [
        ("connecting", False),
        ("connecting, 1 s kept", True),
        ("connected", False),
        ("reconnecting, 12 s kept", True),
        ("connected", False),
        ("changing servers", False),
    ]


def test_notice_of_a_busy_server_is_shown_as_a_message() -> None:
    harness = PresenterHarness()
    harness.handle(Notice("PARTIALS_SHED", "thinned", 0))
    assert harness.status.message == "The server is busy: partials are delayed"
    harness.handle(Notice("NEWS", "Something new.", 0))
    assert harness.status.message == "Something new."


def test_status_is_finalizing_between_the_end_of_recording_and_of_the_dictation() -> None:
    harness, states = PresenterHarness(), list[Recording]()
    steps: list[Callable[[], None]] = [
        harness.presenter.on_opening,
        harness.presenter.on_recording,
        harness.presenter.on_stopped,
        lambda: harness.presenter.on_ended(1),
    ]
    for step in steps:
        step()
        states.append(harness.status.recording)
    assert states == [Recording.OPENING, Recording.ON, Recording.FINALIZING, Recording.OFF]


def test_end_of_an_earlier_dictation_does_not_change_the_status_of_a_later_one() -> None:
    harness = PresenterHarness()
    for step in (
        harness.presenter.on_opening,
        harness.presenter.on_stopped,
        harness.presenter.on_opening,
        harness.presenter.on_recording,
    ):
        step()
    harness.presenter.on_ended(1)
    assert harness.status.recording is Recording.ON


def test_last_partial_is_inserted_if_no_final_arrives() -> None:
    harness = PresenterHarness()
    harness.presenter.on_opening()
    harness.handle(SpeechStarted(1, 0), partial("так и не"))
    harness.presenter.on_ended(1)
    assert harness.document.text() == "Так и не"
    assert harness.status.message.startswith("The last words did not become final")


def test_successful_dictation_shows_no_message() -> None:
    harness = PresenterHarness()
    harness.presenter.on_opening()
    harness.handle(SpeechStarted(1, 0), final("Один."))
    harness.presenter.on_ended(1)
    assert (harness.document.text(), harness.status.message) == ("Один.", "")


HOSTILE = "\x1b]52;c;cm0gLXJmIH4K\x07a\x9b2J\u202eb\r\nc\x00\x7f\u2028d"


def test_control_characters_from_a_server_are_removed_everywhere() -> None:
    harness = PresenterHarness()
    harness.handle(Started("s", "m", "p", Settings(language=HOSTILE)), SpeechStarted(1, 0), partial(HOSTILE))
    (preedit,) = harness.dictation.preedits()
    harness.handle(replace(final(HOSTILE), language=HOSTILE), Notice("NEWS", HOSTILE, 0))
    shown = [preedit.text, harness.document.text(), *harness.copied, harness.status.message, harness.status.language]
    assert shown[:3] == ["]52;c;cm0gLXJmIH4Ka2Jb c d"] * 3
    assert not any(unicodedata.category(each) in ("Cc", "Zl") or each in "\u202e" for each in "".join(shown))


def test_special_spaces_and_joiners_are_kept() -> None:
    text = "5\u00a0000\u202f₽ 山田\u3000太郎 می\u200cخواهم 👨\u200d👩\u200d👧 \U0001fae9 co\u00adop"
    harness = PresenterHarness()
    harness.handle(final(text))
    assert (harness.document.text(), harness.copied) == (text, [text])


def test_final_of_only_spaces_inserts_nothing() -> None:
    harness = PresenterHarness()
    harness.handle(final("\u00a0\u3000"))
    assert harness.document.text() == ""


def test_partial_of_megabytes_is_truncated() -> None:
    harness = PresenterHarness()
    harness.handle(SpeechStarted(1, 0), Partial(1, 1, "word " * 380_000, "w" * 1_900_000, 0, 500))
    (preedit,) = harness.dictation.preedits()
    assert len(preedit.text) <= 10_000


@pytest.mark.parametrize("character", ["N", "語", "\u0301", "\n"])
def test_message_of_megabytes_is_truncated(character: str) -> None:
    harness = PresenterHarness()
    harness.handle(Notice("NEWS", character * 3_900_000, 0))
    assert len(harness.status.message) <= 1000
    assert text_columns("".join(part.text for part in status_line(harness.status, 80))) < 80
