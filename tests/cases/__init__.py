"""Tables of cases that more than one test suite runs."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

Argument = str | int | list[int]


@dataclass(frozen=True, slots=True)
class PlacementCase:
    """An edited text, what happens, and the result; `placement.json` describes the notation."""

    name: str
    start: str
    steps: list[tuple[str, *tuple[Argument, ...]]]
    text: str
    shown: str | None = None


def _placement_cases() -> list[PlacementCase]:
    content = json.loads(Path(__file__).with_name("placement.json").read_text(encoding="utf-8"))
    return [PlacementCase(**case) for case in content["cases"]]


PLACEMENT_CASES = _placement_cases()
