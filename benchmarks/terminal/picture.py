"""Draws the screens of a terminal session as an SVG in a loop; without animation, it shows one moment."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar
from xml.sax.saxutils import escape

from benchmarks.terminal.session import Run, ScreenState

CELL_WIDTH, CELL_HEIGHT, MARGIN, BASELINE = 8.4, 19, 14, 14
PAUSE_S = 3.0  # at the end, before it restarts
INK, PAPER = "#d7dae0", "#16181d"
COLOURS = {
    "default": INK,
    "black": "#3b4048",
    "red": "#f07178",
    "green": "#8bd49c",
    "brown": "#e6c07b",
    "yellow": "#e6c07b",
    "blue": "#70a5eb",
    "magenta": "#c678dd",
    "cyan": "#68b5c4",
    "white": INK,
}
HEAD = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}"
 xml:space="preserve">
<title>{title}</title>
<style>
text {{ font: 14px ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace; white-space: pre }}
@media (prefers-reduced-motion: reduce) {{ .f {{ animation: none !important }} }}
{frames}
</style>
<rect width="{width}" height="{height}" rx="9" fill="{paper}"/>
"""

Content = TypeVar("Content", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Part:
    """A shape, and the times between which it is visible."""

    svg: str
    from_s: float
    to_s: float


def picture(moments: Sequence[ScreenState], columns: int, title: str, still_at_s: float) -> str:
    """Return the SVG; `still_at_s` is the moment to show without animation."""
    rows = _last_used(moments)
    length_s = moments[-1].at_s + PAUSE_S
    parts = [part for row in range(rows) for part in _row_parts(moments, row, length_s)]
    parts += _cursor_parts(moments, length_s)
    width, height = columns * CELL_WIDTH + 2 * MARGIN, rows * CELL_HEIGHT + 2 * MARGIN
    frames = "\n".join(_frame(number, part, length_s, still_at_s) for number, part in enumerate(parts))
    head = HEAD.format(width=f"{width:.0f}", height=height, title=escape(title), frames=frames, paper=PAPER)
    return (
        head + "\n".join(f'<g class="f f{number}">{part.svg}</g>' for number, part in enumerate(parts)) + "\n</svg>\n"
    )


def _last_used(moments: Sequence[ScreenState]) -> int:
    return max(row + 1 for moment in moments for row, runs in enumerate(moment.rows) if runs)


def _row_parts(moments: Sequence[ScreenState], row: int, length_s: float) -> Iterator[Part]:
    for runs, from_s, to_s in _spans([(moment.at_s, moment.rows[row]) for moment in moments], length_s):
        if runs:
            yield Part("".join(_drawn(run, row) for run in runs), from_s, to_s)


def _cursor_parts(moments: Sequence[ScreenState], length_s: float) -> Iterator[Part]:
    for place, from_s, to_s in _spans([(moment.at_s, moment.cursor) for moment in moments], length_s):
        if place is not None:
            x, y = MARGIN + place[0] * CELL_WIDTH, MARGIN + place[1] * CELL_HEIGHT
            yield Part(_box(x, y, 1, INK, opacity=0.5), from_s, to_s)


def _spans(states: list[tuple[float, Content]], length_s: float) -> Iterator[tuple[Content, float, float]]:
    """Yield each state with its start and end time."""
    begun_s, content = states[0]
    for at_s, later in states[1:]:
        if later != content:
            yield content, begun_s, at_s
            begun_s, content = at_s, later
    yield content, begun_s, length_s


def _drawn(run: Run, row: int) -> str:
    x, y = MARGIN + run.column * CELL_WIDTH, MARGIN + row * CELL_HEIGHT
    style = run.style
    ink = _colour(style.colour, INK)
    paper = _colour(style.background, PAPER)
    if style.reverse:
        ink, paper = paper, ink
    box = _box(x, y, len(run.text), paper) if paper != PAPER else ""
    weight = ' font-weight="bold"' if style.bold else ""
    faint = ' opacity="0.55"' if style.dim else ""
    length = f'textLength="{len(run.text) * CELL_WIDTH:.1f}" lengthAdjust="spacingAndGlyphs"'
    return f'{box}<text x="{x:.1f}" y="{y + BASELINE}" fill="{ink}"{weight}{faint} {length}>{escape(run.text)}</text>'


def _box(x: float, y: float, cells: int, colour: str, opacity: float = 1) -> str:
    size = f'width="{cells * CELL_WIDTH:.1f}" height="{CELL_HEIGHT}"'
    return f'<rect x="{x:.1f}" y="{y}" {size} fill="{colour}" opacity="{opacity}"/>'


def _colour(name: str, default: str) -> str:
    if name == "default":
        return default
    return COLOURS.get(name.removeprefix("bright")) or f"#{name}"


def _frame(number: int, part: Part, length_s: float, still_at_s: float) -> str:
    """Return the style that shows the part during its time; without animation, at the still moment."""
    still = "visible" if part.from_s <= still_at_s < part.to_s else "hidden"
    begin, end = part.from_s / length_s * 100, part.to_s / length_s * 100
    steps = [(0.0, "visible" if not begin else "hidden"), (begin, "visible")]
    steps += [(end, "hidden")] if end < 100 else []
    keys = " ".join(f"{at:.3f}% {{ visibility: {state} }}" for at, state in steps)
    animation = f"animation: k{number} {length_s:.1f}s step-end infinite"
    return f".f{number} {{ visibility: {still}; {animation} }} @keyframes k{number} {{ {keys} }}"
