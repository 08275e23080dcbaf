"""The sheet's model without its view: the cases that stt-tui passes, marks of utterances, subtitles, QR codes."""

from __future__ import annotations

from pathlib import Path

from playwright.async_api import Page

from tests.cases import PLACEMENT_CASES

RUN_CASE = Path(__file__).with_name("run_placement_case.js").read_text(encoding="utf-8")


async def test_dictated_text_goes_where_the_cases_say(blank_page: Page) -> None:
    results = {}
    for case in PLACEMENT_CASES:
        results[case.name] = await blank_page.evaluate(
            RUN_CASE, {"start": case.start, "steps": [list(step) for step in case.steps]}
        )
    texts = {case.name: case.text for case in PLACEMENT_CASES}
    assert {name: result["text"] for name, result in results.items()} == texts
    shown = {case.name: case.shown for case in PLACEMENT_CASES if case.shown is not None}
    assert {name: results[name]["shown"] for name in shown} == shown
