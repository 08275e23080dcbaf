"""What is recognised, in the text, on the clipboard and in the status line."""

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
from stt_tui.dictation import Dictation
from stt_tui.document import Document
from stt_tui.graphemes import text_columns
from stt_tui.status import Recording, Status, status_line
from stt_tui.transcript_presenter import TranscriptPresenter

FORMAT = AudioFormat()


def partial(text: str, utterance: int = 1, end_ms: int = 500) -> Partial:
    return Partial(utterance, 1, text, "", 0, end_ms)


def final(text: str, utterance: int = 1) -> Final:
    return Final(utterance, text, 0, 900, "ru", 1.0, 1.0, "silence", Latency(0, 0, 0, False, 1))


class Desk:
    def __init__(self) -> None:
        self.document = Document()
        self.dictation = Dictation(self.document)
        self.status = Status()
        self.copied = list[str]()
        self.changes = 0
        self.scribe = TranscriptPresenter(self.dictation, self.status, self.copied.append, self._changed)

    def _changed(self) -> None:
        self.changes += 1

    def hear(self, *events: Event) -> None:
        for event in events:
            self.scribe.on_event(1, event)


def test_a_final_goes_into_the_text_and_onto_the_clipboard() -> None:
    harness = Desk()
    harness.hear(SpeechStarted(1, 0), partial("Один"), final("Один."), partial("Два", 2), final("Два.", 2))
    assert (harness.document.text(), harness.copied) == ("Один. Два.", ["Один.", "Два."])
    assert harness.changes >= 5


def test_what_is_suppressed_leaves_nothing() -> None:
    harness = Desk()
    harness.hear(SpeechStarted(1, 0), partial("you"), Suppressed(1, 0, 900, "NO_SPEECH", "you"))
    assert (harness.document.text(), harness.dictation.preedits(), harness.copied) == ("", [], [])


def test_the_lag_is_from_what_was_heard_to_what_is_told() -> None:
    harness = Desk()
    harness.scribe.on_recording()
    harness.scribe.on_audio(bytes(FORMAT.size_bytes(900)), FORMAT)
    harness.hear(partial("Один", end_ms=500))
    assert harness.status.lag_s == 0.4


def test_the_level_and_the_language_are_told() -> None:
    harness = Desk()
    harness.scribe.on_recording()
    harness.hear(Started("s1", "base", "base", Settings(language="en")))
    harness.scribe.on_audio(b"\xff\x7f" * 100, FORMAT)
    assert (harness.status.recording, harness.status.language, round(harness.status.level, 2)) == (
        Recording.ON,
        "en",
        1.0,
    )
    harness.hear(final("Один."))
    assert harness.status.language == "ru"


def test_each_state_of_the_connection_is_told() -> None:
    told = []
    harness = Desk()
    for state, kept_ms in [
        (ConnectionState.CONNECTING, 0),
        (ConnectionState.CONNECTING, 1_200),
        (ConnectionState.CONNECTED, 0),
        (ConnectionState.RECONNECTING, 12_400),
        (ConnectionState.RESUMED, 0),
        (ConnectionState.DRAINING, 0),
    ]:
        harness.hear(Connection(state, "", kept_ms))
        told.append((harness.status.connection, harness.status.has_connection_problem))
    assert told == [
        ("connecting", False),
        ("connecting, 1 s kept", True),
        ("connected", False),
        ("reconnecting, 12 s kept", True),
        ("connected", False),
        ("changing servers", False),
    ]


def test_a_busy_server_is_told_in_words() -> None:
    harness = Desk()
    harness.hear(Notice("PARTIALS_SHED", "thinned", 0))
    assert harness.status.message == "The server is busy: partials are delayed"
    harness.hear(Notice("NEWS", "Something new.", 0))
    assert harness.status.message == "Something new."


def test_what_was_said_settles_after_the_recording_has_stopped() -> None:
    harness, states = Desk(), list[Recording]()
    steps: list[Callable[[], None]] = [
        harness.scribe.on_opening,
        harness.scribe.on_recording,
        harness.scribe.on_stopped,
        lambda: harness.scribe.on_ended(1),
    ]
    for step in steps:
        step()
        states.append(harness.status.recording)
    assert states == [Recording.OPENING, Recording.ON, Recording.FINALIZING, Recording.OFF]


def test_an_earlier_dictation_that_is_settled_leaves_the_later_one_as_it_is() -> None:
    harness = Desk()
    for step in (
        harness.scribe.on_opening,
        harness.scribe.on_stopped,
        harness.scribe.on_opening,
        harness.scribe.on_recording,
    ):
        step()
    harness.scribe.on_ended(1)
    assert harness.status.recording is Recording.ON


def test_words_that_will_not_be_settled_are_kept_as_heard() -> None:
    harness = Desk()
    harness.scribe.on_opening()
    harness.hear(SpeechStarted(1, 0), partial("так и не"))
    harness.scribe.on_ended(1)
    assert harness.document.text() == "Так и не"
    assert harness.status.message.startswith("The last words did not become final")


def test_a_dictation_that_ends_well_says_nothing() -> None:
    harness = Desk()
    harness.scribe.on_opening()
    harness.hear(SpeechStarted(1, 0), final("Один."))
    harness.scribe.on_ended(1)
    assert (harness.document.text(), harness.status.message) == ("Один.", "")


HOSTILE = "\x1b]52;c;cm0gLXJmIH4K\x07a\x9b2J\u202eb\r\nc\x00\x7f\u2028d"


def test_control_characters_of_a_server_reach_neither_text_nor_clipboard_nor_status() -> None:
    harness = Desk()
    harness.hear(Started("s", "m", "p", Settings(language=HOSTILE)), SpeechStarted(1, 0), partial(HOSTILE))
    (ghost,) = harness.dictation.preedits()
    harness.hear(replace(final(HOSTILE), language=HOSTILE), Notice("NEWS", HOSTILE, 0))
    shown = [ghost.text, harness.document.text(), *harness.copied, harness.status.message, harness.status.language]
    assert shown[:3] == ["]52;c;cm0gLXJmIH4Ka2Jb c d"] * 3
    assert not any(unicodedata.category(each) in ("Cc", "Zl") or each in "\u202e" for each in "".join(shown))


def test_spaces_and_joiners_that_a_text_has_on_purpose_are_kept() -> None:
    text = "5\u00a0000\u202f₽ 山田\u3000太郎 می\u200cخواهم 👨\u200d👩\u200d👧 \U0001fae9 co\u00adop"
    harness = Desk()
    harness.hear(final(text))
    assert (harness.document.text(), harness.copied) == (text, [text])


def test_sentence_of_nothing_but_spaces_is_nothing() -> None:
    harness = Desk()
    harness.hear(final("\u00a0\u3000"))
    assert harness.document.text() == ""


def test_partial_of_megabytes_is_shown_shortened() -> None:
    harness = Desk()
    harness.hear(SpeechStarted(1, 0), Partial(1, 1, "word " * 380_000, "w" * 1_900_000, 0, 500))
    (ghost,) = harness.dictation.preedits()
    assert len(ghost.text) <= 10_000


@pytest.mark.parametrize("character", ["N", "語", "\u0301", "\n"])
def test_message_of_megabytes_is_shown_shortened(character: str) -> None:
    harness = Desk()
    harness.hear(Notice("NEWS", character * 3_900_000, 0))
    assert len(harness.status.message) <= 1000
    assert text_columns("".join(part.text for part in status_line(harness.status, 80))) < 80
