"""Dictation into the editor in a real terminal, with a real server and recordings as the microphone."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from benchmarks.harness.word_errors import count_errors, normalize
from benchmarks.recordings import Recording
from benchmarks.service import Service, ServiceError
from stt_client.audio.decode import open_file
from tests.support.servers.server_process import COMMON
from tests.support.terminal.tmux import Terminal, terminal

pytestmark = pytest.mark.model

QUESTION = "How old is the Brooklyn Bridge?"
TINY = {**COMMON, "WHISPER_MODEL": "tiny.en", "REALTIME_MODEL": "tiny.en"}


@pytest.fixture
def editor(tmp_path: Path) -> Iterator[Terminal]:
    with terminal(tmp_path) as opened:
        yield opened


def dictating(recording: Recording, server: str) -> list[str]:
    """Return arguments that make the editor record from the recording."""
    return ["--server", server, "--device", f"file:{recording.path}"]


@contextmanager
def server_to_kill() -> Iterator[Service]:
    """Run a server that the test may kill."""
    with suppress(ServiceError), Service(TINY) as server:
        server.wait_until_listening()
        yield server


def matches(text: str, recording: Recording, percent: float = 25) -> bool:
    """Return whether the word error rate against the recording is at most `percent`."""
    return count_errors(normalize(recording.text, "en"), normalize(text, "en")).percent <= percent


def test_speech_is_shown_as_preedit_then_inserted_and_copied_to_the_clipboard(
    editor: Terminal, service: Service, recordings: Mapping[str, Recording]
) -> None:
    editor.run(*dictating(recordings["en/brooklyn-bridge"], service.address))
    editor.wait_until(lambda each: "How" in "".join(each.preedits))
    editor.wait_until(lambda each: each.text == QUESTION and not each.has_preedit)
    editor.wait_until(lambda each: each.clipboard == QUESTION)
    editor.wait_until(lambda each: "Copied 6 words" in each.status)
    editor.keys("C-z")
    editor.wait_until(lambda each: not each.text)


def test_typing_while_dictating_keeps_every_key_and_every_word(
    editor: Terminal, service: Service, recordings: Mapping[str, Recording]
) -> None:
    recording = recordings["en/jfk"]
    editor.run(*dictating(recording, service.address))
    editor.wait_until(lambda each: each.has_preedit)
    typed = [f"x{number}" for number in range(60)]
    for word in typed:
        editor.type(f"{word} ")
    editor.wait_until(lambda each: "country" in each.text and each.status.startswith("○ off") and "F1" in each.status)
    text = " ".join(editor.text.split("\n"))
    assert re.findall(r"x\d+", text) == typed
    assert matches(re.sub(r"x\d+", "", text), recording)


def test_f1_stops_after_the_last_word_and_starts_again(
    editor: Terminal, service: Service, recordings: Mapping[str, Recording]
) -> None:
    """The recording starts from its beginning each time."""
    editor.run(*dictating(recordings["en/jfk"], service.address))
    for times in (1, 2):
        editor.wait_until(lambda each: "fellow" in "".join(each.preedits))
        editor.keys("F1")
        editor.wait_until(lambda each: each.status.startswith("○ off"))
        editor.wait_until(lambda each: not each.has_preedit)
        assert editor.text.count("fellow") == times
        editor.keys("F1")
    editor.wait_until(lambda each: each.status.startswith("●"))


def test_closed_terminal_loses_no_word(editor: Terminal, service: Service, recordings: Mapping[str, Recording]) -> None:
    """The editor runs on without a terminal until all pending finals have arrived."""
    editor.run(*dictating(recordings["en/jfk"], service.address))
    editor.wait_until(lambda each: each.status.startswith("●"))
    editor.type("Typed.")
    editor.wait_until(lambda each: "Americans" in "".join(each.preedits))
    pid = editor.pid
    editor.close()
    editor.run("--no-auto")
    editor.wait_until(lambda _: not Path(f"/proc/{pid}").exists())
    editor.run("--no-auto")
    editor.wait_until(lambda each: "F5 restore" in each.status)
    editor.keys("F5")
    editor.wait_until(lambda each: "Americans" in each.text and "Typed." in each.text)


def test_killed_editor_leaves_its_text_and_audio_to_recover(
    editor: Terminal, service: Service, recordings: Mapping[str, Recording], tmp_path: Path
) -> None:
    editor.run(*dictating(recordings["en/jfk"], service.address))
    editor.wait_until(lambda each: "fellow" in "".join(each.preedits))
    journals = tmp_path / "realtime-stt" / "journals"
    editor.wait_until(lambda _: any("fellow" in path.read_text() for path in journals.glob("*.journal")))
    editor.signal(signal.SIGKILL)
    editor.wait_until(lambda each: each.is_dead)
    editor.run("--no-auto")
    editor.wait_until(lambda each: "F5 restore" in each.status)
    editor.keys("F5")
    editor.wait_until(lambda each: "fellow" in each.text)
    editor.wait_until(lambda each: "Unrecognized audio found" in each.status)
    (speech,) = (tmp_path / "realtime-stt" / "speech").iterdir()
    editor.keys("C-q")
    editor.wait_until(lambda each: each.is_dead)
    assert f"stt-cli recover {speech}" in editor.scrollback
    recording = open_file(speech, lambda _: None)
    assert recording.format.duration_ms(len(b"".join(recording.chunks))) >= 1000


@pytest.mark.slow
def test_killed_server_is_shown_and_no_text_or_speech_is_lost(
    editor: Terminal, recordings: Mapping[str, Recording]
) -> None:
    recording = recordings["en/jfk"]
    with server_to_kill() as first:
        editor.run(*dictating(recording, first.address))
        editor.wait_until(lambda each: "fellow" in "".join(each.preedits))
        os.kill(first.pid, signal.SIGKILL)
        editor.wait_until(lambda each: "reconnecting" in each.status)
        editor.type("Typed meanwhile.")
        editor.wait_until(lambda each: "Typed meanwhile." in each.text)
    with Service({**TINY, "DATA_PORT": first.address.rpartition(":")[2]}) as second:
        second.wait_until_listening()
        editor.wait_until(
            lambda each: "Typed meanwhile." in each.text and len(each.text.split()) > 15 and not each.has_preedit
        )
        assert matches(editor.text.replace("Typed meanwhile.", "").replace("\n", " "), recording)
