"""Lint for prose: documents, docstrings, comments, test names and messages, against the rules of CONTRIBUTING.md.

python -m tools.prose [PATH …]             print every finding and exit with 1 if there is one
python -m tools.prose --rates [PATH …]     print findings per 1,000 words for each rule

A legitimate use is exempt by `prose: allow` in the same line, or by a phrase in ALLOWED.
"""

from __future__ import annotations

import argparse
import ast
import io
import re
import subprocess
import sys
import tokenize
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
RULES = {
    "speech verb for data flow": r"\b(?:tell|tells|told|telling)\b",
    "headless relative clause": (
        r"\b(?:what|who) (?:is|are|was|were|has|have|had|comes?|came|goes|went|would|will|can|may|must|does|did|do|"
        r"asks?|asked|needs?|watch(?:es)?|reads?|runs?|speaks?|takes?|gets?|got|it|they|he|she|we|you|one)\b"
    ),
    "archaic word": (
        r"\b(?:anew|beside|shall|mend|mends|mended|whoever|whosoever|whomever|nobody|somebody|anybody|everybody|reckoned|"
        r"reckons?|lest|thereof|therein|whereof|hence|thence|of late|all that|owed|owes|owing|dear|dearer|dearest|"
        r"sooner|begun|ere|oneself|alike|besides|withal|nought|forth|likewise|hitherto|in turn|people|strangers?)\b"
    ),
    "British spelling": (
        r"\b(?:un|re)?(?:authori|capitali|categori|customi|emphasi|finali|initiali|maximi|minimi|normali|optimi|organi|"
        r"prioriti|quanti|randomi|reali|recogni|seriali|stabili|summari|synchroni|tokeni|utili|visuali)s"
        r"(?:e|es|ed|er|ers|able|ing|ation|ations)\b"
        r"|\b(?:behaviour|centre|colour|favour|grey|honour|licence|neighbour)\w*\b"
    ),
}
# Phrases in which a word above is the right one, and direct questions.
ALLOWED = re.compile(
    r"what is new\b|\bin turn,|\bback and forth\b|(?:^|[.?!|:] *)(?:what|who) [^.?!|]*\?", re.IGNORECASE
)
INLINE = "prose: allow"
EXCLUDED = re.compile(
    r"^(?:protos/stt/(?:riva/)?v1/.*_pb2|tests/recordings/|docs/pictures/|LICENSE|tools/prose\.py|tests/tools/)"
)


def prose_of(path: Path) -> Iterator[tuple[int, str]]:
    """Yield line numbers and lines of prose: of documents and protos, and of the docstrings and comments of code."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        yield from sorted(
            _prose_of_code(
                text, messages=path.is_relative_to(ROOT) and path.relative_to(ROOT).parts[0].startswith("stt_")
            )
        )
    elif path.suffix == ".proto":
        yield from ((number, line.split("//", 1)[1]) for number, line in _numbered(text) if "//" in line)
    else:
        yield from _prose_of_markdown(text)


def _prose_of_markdown(text: str) -> Iterator[tuple[int, str]]:
    in_code = False
    for number, line in _numbered(text):
        if line.lstrip().startswith("```"):
            in_code = not in_code
        elif not in_code:
            yield number, re.sub(r"`[^`]*`|\]\([^)]*\)", " ", line)


def _prose_of_code(text: str, *, messages: bool) -> Iterator[tuple[int, str]]:
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string.lstrip("# ")
    docstrings = set()
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
            yield node.lineno, node.name.replace("_", " ")
        if (docstring := _docstring(node)) is not None:
            docstrings.add(docstring)
            for offset, line in enumerate(str(docstring.value).splitlines()):
                yield docstring.lineno + offset, re.sub(r"`[^`]*`", " ", line)
    if messages:
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in docstrings:
                yield node.lineno, re.sub(r"`[^`]*`", " ", node.value) if " " in node.value.strip() else ""


def _docstring(node: ast.AST) -> ast.Constant | None:
    if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and node.body:
        first = node.body[0]
        if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
            return first.value
    return None


def _numbered(text: str) -> Iterator[tuple[int, str]]:
    return enumerate(text.splitlines(), 1)


def findings(line: str) -> Iterator[tuple[str, str]]:
    """Yield the broken rules of a line of prose, each with the words that break it."""
    if INLINE in line:
        return
    rest = ALLOWED.sub(" ", line)
    for rule, pattern in RULES.items():
        yield from ((rule, match[0]) for match in re.finditer(pattern, rest, re.IGNORECASE))


def files(paths: list[str]) -> Iterator[Path]:
    """Yield the tracked documents, protos and Python files, or those below the given paths."""
    command = ["git", "ls-files", "--", *paths]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in listed.splitlines():
        if name.endswith((".py", ".md", ".proto")) and not EXCLUDED.match(name) and (ROOT / name).is_file():
            yield ROOT / name


def main() -> int:
    """Print findings or rates; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("paths", nargs="*")
    parser.add_argument("--rates", action="store_true")
    options = parser.parse_args()
    words, found = 0, Counter[str]()
    for path in files(options.paths):
        allowed = {number for number, line in _numbered(path.read_text(encoding="utf-8")) if INLINE in line}
        for number, line in prose_of(path):
            words += len(re.findall(r"\w+", line))
            for rule, match in findings(line) if number not in allowed else ():
                found[rule] += 1
                if not options.rates:
                    print(f"{path.relative_to(ROOT)}:{number}: {rule}: {match!r}")
    if options.rates:
        for rule in RULES:
            print(f"{rule}: {1000 * found[rule] / max(words, 1):.2f} per 1,000 words ({found[rule]} of {words})")
        return 0
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
