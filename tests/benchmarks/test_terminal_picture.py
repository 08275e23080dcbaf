"""Pictures of the README: each shows the screens of a terminal at their times."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from xml.etree import ElementTree

from benchmarks.terminal.picture import PAUSE_S, picture
from benchmarks.terminal.session import Keys, Run, ScreenState, Session, Style, record

PLAIN = Style("default", "default", bold=False, dim=False, reverse=False)
SVG = "{http://www.w3.org/2000/svg}"


def moment(at_s: float, *lines: str) -> ScreenState:
    return ScreenState(at_s, tuple((Run(0, line, PLAIN),) if line else () for line in lines), None)


def session(program: str, *keys: Keys) -> Session:
    return Session([sys.executable, "-c", program], Path.cwd(), 40, 5, length_s=30, keys=keys, prompt=False)


def test_session_has_the_screen_with_bold_and_dim_text() -> None:
    moments = record(session(r"print('a \x1b[1mb\x1b[0m \x1b[2mc\x1b[0m \x1b[38;5;2md\x1b[0m')"), {})
    runs = {run.text.strip(): run.style for run in moments[-1].rows[0]}
    assert (runs["b"].bold, runs["c"].dim, runs["d"].dim) == (True, True, False)


def test_keys_are_typed_at_their_time() -> None:
    moments = record(session("print('key', input())", Keys(0.2, b"x\r")), {})
    assert any(run.text.startswith("key x") for run in moments[-1].rows[1])
    assert moments[-1].at_s >= 0.2


def test_unchanged_text_is_drawn_once() -> None:
    drawn = picture([moment(0, "a", ""), moment(1, "a", "b"), moment(2, "a", "c")], 40, "title", 1.5)
    texts = [element.text for element in ElementTree.fromstring(drawn).iter(f"{SVG}text")]  # noqa: S314  (own file)
    assert texts == ["a", "b", "c"]


def test_picture_without_animation_shows_one_moment() -> None:
    drawn = picture([moment(0, "a"), moment(1, "b"), moment(2, "c")], 40, "title", 1.5)
    states = re.findall(r"^\.f\d+ \{ visibility: (\w+)", drawn, re.MULTILINE)
    assert states == ["hidden", "visible", "hidden"]


def test_picture_repeats_after_a_pause() -> None:
    drawn = picture([moment(0, "a"), moment(2, "b")], 40, "title", 0)
    assert f"{2 + PAUSE_S:.1f}s step-end infinite" in drawn
    assert "0.000% { visibility: hidden } 40.000% { visibility: visible }" in drawn


def test_markup_in_text_is_escaped() -> None:
    root = ElementTree.fromstring(picture([moment(0, "a < b & c")], 40, "<title>", 0))  # noqa: S314
    assert [element.text for element in root.iter(f"{SVG}text")] == ["a < b & c"]
