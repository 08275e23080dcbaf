"""The status line: everything in a wide terminal, the most important parts in a narrow one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stt_tui.graphemes import text_columns
from stt_tui.status import Recording, Status, Tone, status_line

RECORDING = Status(Recording.ON, 0.5, "ru", 0.42, "connected", message="Copied 12 words", name="notes.txt*")
LOST = Status(Recording.ON, 0.5, "ru", 0.42, "reconnecting, 12 s kept", True, message="Copied 12 words")
ASKING = Status(Recording.ON, 0.5, "ru", 0.42, "connected", question="F5 restore, F8 discard: 312 words unsaved")
RISK = "Ctrl+Q again loses unsaved text, Ctrl+S saves it"
AT_RISK = Status(risk=RISK, name="notes.txt*")
NOT_SAVED = Status(risk="unsaved text is not kept: File exists", message="Not saved: notes.txt is read-only")


def line(status: Status, columns: int) -> str:
    return "".join(part.text for part in status_line(status, columns))


@pytest.mark.parametrize(
    ("status", "columns", "expected"),
    [
        (RECORDING, 20, "●  Copied 12 words"),
        (RECORDING, 30, "●  [==  ]  Copied 12 words"),
        (RECORDING, 40, "●  [==  ]  ru  0.4s  Copied 12 words"),
        (RECORDING, 80, "●  [==  ]  ru  0.4s  connected  Copied 12 words  notes.txt*  F1 stop"),
        (
            RECORDING,
            200,
            "●  [==  ]  ru  0.4s  connected  Copied 12 words  notes.txt*  "
            "F1 stop  F3 copy all  Ctrl+S save  Ctrl+Z undo  Ctrl+Q quit",
        ),
        (LOST, 30, "●  reconnecting, 12…  Copied…"),
        (LOST, 80, "●  [==  ]  ru  0.4s  reconnecting, 12 s kept  Copied 12 words  F1 stop"),
        (ASKING, 30, "●  F5 restore, F8 discard: 3…"),
        (ASKING, 80, "●  [==  ]  ru  0.4s  connected  F5 restore, F8 discard: 312 words unsaved"),
        (AT_RISK, 30, "○ off  Ctrl+Q again loses un…"),
        (AT_RISK, 60, f"○ off  {RISK}"),
        (AT_RISK, 80, f"○ off  {RISK}  notes.txt*"),
        (NOT_SAVED, 70, "○ off  unsaved text is not kept: File exists  Not saved: notes.txt i…"),
        (Status(), 30, "○ off  F1 record  F3 copy all"),
        (Status(Recording.OPENING), 30, "○ opening  F1 record"),
        (Status(Recording.FINALIZING), 30, "○ finalizing  F1 record"),
    ],
)
def test_status_line_shows_the_parts_that_fit(status: Status, columns: int, expected: str) -> None:
    assert line(status, columns) == expected


statuses = st.builds(
    Status,
    st.sampled_from(Recording),
    st.floats(0, 1),
    st.sampled_from(["", "ru"]),
    st.floats(0, 99),
    st.sampled_from(["", "connected", "reconnecting, 12 s kept"]),
    st.booleans(),
    st.sampled_from(["", "Сохранено", "Copied 12 words", "語音識別系統語音識別系統"]),
    st.sampled_from(["", "F5 restore, F8 discard: 312 words unsaved"]),
    st.sampled_from(["", "notes.txt"]),
)


@given(statuses, st.integers(10, 300))
def test_status_line_fits_and_always_shows_the_recording_state(status: Status, columns: int) -> None:
    shown = line(status, columns)
    assert text_columns(shown) < columns
    assert shown[0] in "●○"


def test_connection_problem_is_shown_as_a_warning() -> None:
    tones = {part.text.strip(): part.tone for part in status_line(LOST, 80)}
    assert tones["reconnecting, 12 s kept"] is Tone.WARNING
