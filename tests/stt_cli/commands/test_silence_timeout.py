"""The expiry of `--stop-after-silence`, as timelines."""

from __future__ import annotations

import pytest

from stt_cli.commands.capture import SilenceTimeout
from stt_client.events import Connection, ConnectionState, Event, Final, Latency, Partial, SpeechStarted, Suppressed

EVENTS: dict[str, Event] = {
    "c": Connection(ConnectionState.CONNECTED),
    "x": Connection(ConnectionState.RECONNECTING),
    "r": Connection(ConnectionState.RESUMED),
    "s": SpeechStarted(1, 0),
    "p": Partial(1, 1, "", "", 0, 0),
    "n": Suppressed(1, 0, 0, "NO_SPEECH", ""),
}


def expiry_s(timeline: str) -> int | None:
    """Return the second at which a timeout of 5 s expires.

    A dot is a second of received audio, F a final that ended 2 s earlier, other letters are keys of EVENTS.
    """
    timeout, received_s = SilenceTimeout(5), 0
    for sign in timeline:
        if sign == ".":
            received_s += 1
            if timeout.add_audio(1000):
                return received_s
        elif sign == "F":
            end_ms = (received_s - 2) * 1000
            timeout.handle_event(Final(1, "раз", 0, end_ms, "ru", 1, 1, "silence", Latency(0, 0, 0, False, 1)))
        else:
            timeout.handle_event(EVENTS[sign])
    return None


@pytest.mark.parametrize(
    ("timeline", "second"),
    [
        pytest.param("c.......", 5, id="no speech at all"),
        pytest.param("c..s......F.....", 11, id="silence counts from the end of speech"),
        pytest.param("c..s............", None, id="an open utterance is not silence"),
        pytest.param("c..p............", None, id="a partial is not silence"),
        pytest.param("c..s.n......", 5, id="a suppressed utterance does not restart the timeout"),
        pytest.param("......c......", 11, id="before the connection the timeout does not run"),
        pytest.param("c..x......", None, id="while disconnected the timeout does not run"),
        pytest.param("c..x......r......", 13, id="a resumed connection restarts the timeout"),
    ],
)
def test_silence_timeout_expires_after_five_seconds_without_speech(timeline: str, second: int | None) -> None:
    assert expiry_s(timeline) == second
