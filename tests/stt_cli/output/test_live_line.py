"""The live line as a terminal shows it, and the plain screen for pipes."""

from __future__ import annotations

import io
import re
from array import array

import pytest
from rich.cells import cell_len
from rich.console import Console

from stt_cli.output.live_line import LiveScreen, fit_tail
from stt_cli.output.screen import PlainScreen
from stt_client.audio.pcm import level
from stt_client.events import AudioFormat, Connection, ConnectionState, Encoding, Final, Latency, Notice, Partial

ERASE = "\r\x1b[2K"


class Terminal(io.StringIO):
    """A terminal that receives stdout and stderr; it fails if a line would wrap."""

    width = 30

    def lines(self) -> list[str]:
        """Return the lines on the screen; the last one holds the cursor."""
        expected = [""]
        for part in re.split(r"(\n|\r\x1b\[2K|\x1b\[[\d;]*m)", self.getvalue()):
            if part == ERASE:
                expected[-1] = ""
            elif part == "\n":
                expected.append("")
            elif not part.startswith("\x1b"):
                assert "\r" not in part
                expected[-1] += part
        return expected


def screen(width: int = 30) -> tuple[LiveScreen, Terminal, list[float]]:
    terminal, clock = Terminal(), [0.0]
    console = Console(file=terminal, force_terminal=True, width=width, color_system="standard", legacy_windows=False)
    return LiveScreen(console, terminal, lambda: clock[0]), terminal, clock


def partial(stable: str, unstable: str = "", end_ms: int = 0) -> Partial:
    return Partial(1, 1, stable, unstable, 0, end_ms)


FINAL = Final(1, "раз", 0, 900, "ru", 1, 1, "silence", Latency(0, 0, 0, False, 1))
SHED, RESTORED = Notice("PARTIALS_SHED", "busy", 0), Notice("PARTIALS_RESTORED", "as before", 0)
SECOND = array("h", [32_767, -32_767] * 8_000).tobytes()


def test_partial_follows_level_and_latency() -> None:
    live, terminal, _ = screen(width=60)
    live.on_audio(SECOND, AudioFormat())
    live.show_partial(partial("раз два", " три", end_ms=600))
    assert terminal.lines() == ["[====] 0.4s раз два три"]


def test_stable_text_is_bright_and_unstable_text_is_dim() -> None:
    live, terminal, _ = screen(width=60)
    live.show_partial(partial("раз", " два"))
    assert "\x1b[1mраз\x1b[0m\x1b[2m два\x1b[0m" in terminal.getvalue()


@pytest.mark.parametrize("word", ["слово ", "word ", "言葉 ", "e\u0301te\u0301 ", "👩‍👩‍👧 "])
@pytest.mark.parametrize("width", [8, 20, 30])
def test_long_partial_shows_its_end_on_one_line(word: str, width: int) -> None:
    live, terminal, _ = screen(width)
    live.show_partial(partial(word * 30, "end"))
    (line,) = terminal.lines()
    assert cell_len(line) < width
    assert width < 20 or line.endswith("end")


def test_long_partial_is_truncated_between_words() -> None:
    live, terminal, _ = screen(width=30)
    live.show_partial(partial("семнадцать восемнадцать", " девятнадцать"))
    assert terminal.lines() == ["[    ] 0.0s девятнадцать"]


def test_final_replaces_the_live_line() -> None:
    live, terminal, _ = screen()
    live.show_partial(partial("раз"))
    live.on_event(FINAL)
    live.write("Раз.\n")
    live.show_partial(partial("два"))
    assert terminal.lines() == ["Раз.", "[    ] 0.0s два"]
    live.close()
    assert terminal.lines() == ["Раз.", ""]


def test_message_replaces_the_live_line() -> None:
    live, terminal, _ = screen()
    live.show_partial(partial("раз"))
    live.warn("a sentence that is longer than the terminal is wide")
    live.info("\x1b[2J")
    assert terminal.lines() == ["a sentence that is longer than the terminal is wide", "[2J", ""]


def test_ended_utterance_is_removed_from_the_live_line() -> None:
    live, terminal, clock = screen()
    live.show_partial(partial("раз"))
    live.on_event(FINAL)
    clock[0] = 1.0
    live.on_audio(bytes(3200), AudioFormat())
    assert terminal.lines() == ["[    ] 0.0s "]


def test_recording_read_faster_than_real_time_shows_its_position() -> None:
    live, terminal, _ = screen()
    live.start_source(is_paced=False)
    live.on_event(Final(1, "", 0, 0, "", 0, 0, "", Latency(0, 0, 0, False, 1), received_ms=83_000))
    live.show_partial(partial("раз"))
    assert terminal.lines() == ["[    ] 1:23 раз"]


def test_live_line_shows_that_partials_are_degraded() -> None:
    live, terminal, _ = screen(width=70)
    live.show_notice(SHED)
    assert terminal.lines() == ["[    ] 0.0s fewer partials: the server is busy"]
    live.show_partial(partial("раз"))
    assert terminal.lines() == ["[    ] 0.0s (busy) раз"]
    live.show_notice(RESTORED)
    assert terminal.lines() == ["[    ] 0.0s раз"]


def test_notice_keeps_the_current_partial() -> None:
    live, terminal, _ = screen(width=70)
    live.show_partial(partial("раз"))
    live.on_event(SHED)
    live.show_notice(SHED)
    assert terminal.lines() == ["[    ] 0.0s (busy) раз"]


def test_degraded_state_is_reset_for_the_next_recording() -> None:
    live, terminal, _ = screen(width=70)
    live.show_notice(SHED)
    live.start_source(is_paced=True)
    live.show_partial(partial("раз"))
    assert terminal.lines() == ["[    ] 0.0s раз"]


LOST = Connection(ConnectionState.RECONNECTING, "the connection was lost.", buffered_ms=12_345)


@pytest.mark.parametrize(
    ("connection", "in_full", "with_text"),
    [
        (Connection(ConnectionState.CONNECTING), "connecting", "(connecting) раз"),
        (Connection(ConnectionState.CONNECTED), "", "раз"),
        (LOST, "offline, 12s buffered: the connection was lost.", "(offline 12s) раз"),
        (Connection(ConnectionState.RESUMED), "connection restored", "(resumed) раз"),
        (Connection(ConnectionState.DRAINING), "moving to another server", "(moving) раз"),
    ],
    ids=lambda value: value.state.value if isinstance(value, Connection) else None,
)
def test_live_line_shows_the_connection_state(connection: Connection, in_full: str, with_text: str) -> None:
    live, terminal, _ = screen(width=70)
    live.on_event(connection)
    assert terminal.lines() == [f"[    ] 0.0s {in_full}"]
    live.show_partial(partial("раз"))
    assert terminal.lines() == [f"[    ] 0.0s {with_text}"]


def test_reconnected_label_disappears_after_the_next_final() -> None:
    live, terminal, _ = screen(width=70)
    live.on_event(Connection(ConnectionState.RESUMED))
    live.on_event(FINAL)
    live.show_partial(partial("раз"))
    assert terminal.lines() == ["[    ] 0.0s раз"]


def test_narrow_terminal_shows_the_newest_word_next_to_a_lost_connection() -> None:
    live, terminal, _ = screen(width=30)
    live.show_partial(partial("раз два три"))
    live.on_event(LOST)
    assert terminal.lines() == ["[    ] 0.0s (offline 12s) три"]


def test_live_line_after_ctrl_c_announces_pending_finals() -> None:
    live, terminal, _ = screen(width=70)
    live.show_finishing()
    assert terminal.lines() == ["[    ] 0.0s finishing"]
    live.on_event(LOST)
    assert "offline" in terminal.lines()[0]


def test_wide_terminal_has_a_finer_level_meter() -> None:
    live, terminal, _ = screen(width=80)
    live.on_audio(array("h", [2_067]).tobytes(), AudioFormat())
    assert terminal.lines() == ["[=====     ] 0.0s "]


def test_plain_screen_reports_a_lost_and_a_restored_connection_once() -> None:
    stderr = io.StringIO()
    plain = PlainScreen(io.StringIO(), stderr)
    for event in (Connection(ConnectionState.CONNECTING), LOST, LOST, Connection(ConnectionState.RESUMED)):
        plain.on_event(event)
    assert stderr.getvalue() == (
        "the connection was lost. Audio is buffered until the connection is restored.\nThe connection is restored.\n"
    )


@pytest.mark.parametrize("reason", ["DRAIN", "SOMETHING_NEW"])
def test_other_notices_are_separate_lines(reason: str) -> None:
    live, terminal, _ = screen(width=70)
    live.show_notice(Notice(reason, "going away", 0))
    assert terminal.lines() == ["Notice: going away", ""]


def test_level_is_drawn_at_most_ten_times_a_second() -> None:
    live, terminal, clock = screen()
    for number in range(100):
        clock[0] = number / 100
        live.on_audio(SECOND, AudioFormat())
    assert terminal.getvalue().count("[====]") == 10


def test_control_characters_in_text_stay_on_the_live_line() -> None:
    assert fit_tail(partial("a\nb\x1bc", "\td"), 10).plain == "a bc d"


@pytest.mark.parametrize(
    ("samples", "expected"),
    [([0], 0), ([32_767], 1), ([-32_768], 1), ([130], 0), ([2_067], 0.5)],
)
def test_level_follows_the_peak_in_decibels(samples: list[int], expected: float) -> None:
    assert level(array("h", samples).tobytes(), Encoding.S16LE) == pytest.approx(expected, abs=0.01)


def test_level_reads_floats_and_ignores_other_formats() -> None:
    assert level(array("f", [1.0]).tobytes(), Encoding.F32LE) == 1
    assert level(array("f", [float("nan")]).tobytes(), Encoding.F32LE) == 0
    assert level(b"\x80", Encoding.MULAW) == 0
    assert level(b"", Encoding.S16LE) == 0


def test_plain_screen_separates_text_from_messages() -> None:
    stdout, stderr = io.StringIO(), io.StringIO()
    plain = PlainScreen(stdout, stderr)
    plain.write("Раз.\n")
    plain.show_partial(partial("раз", " два"))
    plain.warn("careful")
    plain.show_notice(SHED)
    assert (stdout.getvalue(), stderr.getvalue()) == ("Раз.\n", "раз два\ncareful\nNotice: busy\n")
