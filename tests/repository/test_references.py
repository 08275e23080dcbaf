"""References in documents: links, anchors, files, modules and make targets exist."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("lab/*.md")])
LINK = re.compile(r"\]\((?!https?://|mailto:)([^)#\s]*)(?:#([^)\s]+))?\)")
URL = re.compile(r"https?://\S+")
MODULE = re.compile(r"python3? -m ([\w.]+)|`((?:lab|benchmarks|tools)\.[\w.]+)")
FILE = re.compile(r"(?<![\w./~$-])((?:[\w-]+/)*[\w-]+\.(?:py|proto|tsv))\b|(?<![\w./~$-])((?:[\w-]+/)+[\w.-]+\.\w+)\b")
TARGET = re.compile(r"^(?:\S+=\S+ )*make ([a-z][a-z-]*)", re.MULTILINE)
MAX_LINE_CHARACTERS = 120
OTHERS = {"pip", "venv", "benchmarks.NAME", "lab.GROUP.NAME"}  # modules of Python, and placeholders
GENERATED = {".git", "__pycache__", "build", "dist", "results"}
# Folders and files of installations and of other projects, which the repository does not contain.
ELSEWHERE = (
    "etc/",
    "secrets/",
    "path/",
    "realtime-stt/",
    "opt/",
    "src/models/whisper.cc",
    "transcribe_file",  # scripts of Riva's clients
    "lib/",
    "var/",
)


def text_of(document: Path) -> str:
    return URL.sub("", document.read_text(encoding="utf-8"))


def headings(document: Path) -> set[str]:
    """Return the anchors of the document, as GitHub derives them from its headings."""
    outside_blocks = re.sub(r"```.*?```", "", document.read_text(encoding="utf-8"), flags=re.DOTALL)
    titles = re.findall(r"^#+ (.*)$", outside_blocks, re.MULTILINE)
    plain = (re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", title) for title in titles)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in plain}


def prose(document: Path) -> Iterator[str]:
    """Yield the lines of the document, except code blocks, tables, links and single long words."""
    outside_blocks = re.sub(r"^ *```.*?```", "", document.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    return (line for line in outside_blocks.splitlines() if not re.match(r" *(\||\S+$|<|\[!|!\[)", line))


def code(document: Path) -> Iterator[str]:
    """Yield the code spans and code blocks of the document."""
    for block, span in re.findall(r"```\w*\n(.*?)```|`([^`]+)`", text_of(document), re.DOTALL):
        yield block or " ".join(span.split())


@pytest.fixture(scope="module")
def files() -> set[str]:
    """Return the names of all files of the repository, with every tail of each path."""
    found: set[str] = set()
    for folder, folders, names in os.walk(ROOT):
        folders[:] = [name for name in folders if name not in GENERATED and not name.startswith(".venv")]
        for name in (*folders, *names):
            parts = (Path(folder) / name).relative_to(ROOT).parts
            found |= {"/".join(parts[start:]) for start in range(len(parts))}
    return found


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
class TestDocument:
    def test_links_and_anchors_exist(self, document: Path) -> None:
        for target, anchor in LINK.findall(document.read_text(encoding="utf-8")):
            linked = document.parent / target if target else document
            assert linked.exists(), f"link to {target}"
            assert not anchor or linked.suffix != ".md" or anchor in headings(linked), f"link to {target}#{anchor}"

    def test_modules_exist(self, document: Path) -> None:
        named = {first or second for first, second in MODULE.findall(text_of(document))} - OTHERS
        paths = {name: ROOT / name.replace(".", "/") for name in named}
        missing = [n for n, p in paths.items() if not (p.with_suffix(".py").exists() or (p / "__main__.py").exists())]
        assert not missing

    def test_files_exist(self, document: Path, files: set[str]) -> None:
        named = {first or second for text in code(document) for first, second in FILE.findall(text)}
        missing = {name for name in named - files if not name.startswith(ELSEWHERE)}
        assert not missing

    def test_lines_of_prose_have_at_most_120_characters(self, document: Path) -> None:
        assert [line for line in prose(document) if len(line) > MAX_LINE_CHARACTERS] == []

    def test_make_targets_exist(self, document: Path) -> None:
        makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
        targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
        named = {target for text in code(document) for target in TARGET.findall(text)}
        assert named <= targets
