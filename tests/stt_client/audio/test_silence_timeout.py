"""When a dictation is over because nobody speaks, drawn as a timeline."""

from __future__ import annotations

import pytest

from stt_client.audio.silence_timeout import SilenceTimeout
from stt_client.events import Connection, ConnectionState, Event, Final, Latency, Partial, SpeechStarted, Suppressed

EVENTS: dict[str, Event] = {
    "c": Connection(ConnectionState.CONNECTED),
    "x": Connection(ConnectionState.RECONNECTING),
    "r": Connection(ConnectionState.RESUMED),
    "s": SpeechStarted(1, 0),
    "p": Partial(1, 1, "", "", 0, 0),
    "n": Suppressed(1, 0, 0, "NO_SPEECH", ""),
}


def over_at(drawn: str) -> int | None:
    """Return the second at which five seconds of silence are over; a dot is a second heard, F a final of two ago."""
    watch, heard = SilenceTimeout(5), 0
    for sign in drawn:
        if sign == ".":
            heard += 1
            if watch.add_audio(1000):
                return heard
        elif sign == "F":
            end_ms = (heard - 2) * 1000
            watch.handle_event(Final(1, "раз", 0, end_ms, "ru", 1, 1, "silence", Latency(0, 0, 0, False, 1)))
        else:
            watch.handle_event(EVENTS[sign])
    return None


@pytest.mark.parametrize(
    ("drawn", "second"),
    [
        pytest.param("c.......", 5, id="nobody speaks at all"),
        pytest.param("c..s......F.....", 11, id="silence counts from the end of speech"),
        pytest.param("c..s............", None, id="an open utterance is no silence"),
        pytest.param("c..p............", None, id="nor is a partial"),
        pytest.param("c..s.n......", 5, id="what was no speech does not count"),
        pytest.param("......c......", 11, id="before a server answers nobody knows"),
        pytest.param("c..x......", None, id="nor while it is away"),
        pytest.param("c..x......r......", 13, id="once it is back the wait begins anew"),
    ],
)
def test_a_dictation_is_over_after_five_seconds_of_silence(drawn: str, second: int | None) -> None:
    assert over_at(drawn) == second
