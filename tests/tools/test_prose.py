"""The prose lint: its rules, exemptions and the texts it reads."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.prose import ROOT, findings, prose_of


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        ("The server tells the client.", "speech verb for data flow"),
        ("It returns what is pending.", "headless relative clause"),
        ("The file is read anew.", "archaic word"),
        ("The word is recognised.", "British spelling"),
        ("Normalisation, in our favour.", "British spelling"),
    ],
)
def test_violation_is_found(line: str, rule: str) -> None:
    assert {found for found, _ in findings(line)} == {rule}


@pytest.mark.parametrize(
    "line",
    [
        "The server sends partials to the client.",
        "Precise noise raises otherwise promised advice; series of analyses.",
        "A, in turn, calls B.",
        "| Who may use the server? | `access` |",
        "It is told. prose: allow",
    ],
)
def test_plain_english_and_exemptions_pass(line: str) -> None:
    assert not list(findings(line))


def test_code_fences_and_code_spans_of_documents_are_skipped(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("A `told` word.\n```\nwho is\n```\nEnd.\n", encoding="utf-8")
    assert [line for _, line in prose_of(page)] == ["A   word.", "End."]


def test_docstrings_comments_and_test_names_of_code_are_read() -> None:
    lines = [line for _, line in prose_of(Path(__file__))]
    assert "The prose lint: its rules, exemptions and the texts it reads." in lines
    assert "test violation is found" in lines


def test_messages_of_the_product_are_read() -> None:
    text = "\n".join(line for _, line in prose_of(ROOT / "stt_client" / "errors.py"))
    assert " " in text.strip()
