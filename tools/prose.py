"""Check the prose of documents, docstrings and comments against the banned habits of CONTRIBUTING.md.

python -m tools.prose [PATH …]             print every finding and exit with 1 if there is one
python -m tools.prose --rates [PATH …]     print findings per 1,000 words for each habit
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
HABITS = {
    "speech verbs for data flow": r"\b(tell|tells|told|telling)\b",
    "headless relative clauses": (
        r"\b(what|who) (is|are|was|were|has|have|had|comes?|came|goes|went|would|will|can|may|must|does|did|do|"
        r"asks?|asked|needs?|watch(?:es)?|reads?|runs?|speaks?|takes?|gets?|got|it|they|he|she|we|you|one)\b"
    ),
    "archaic words": (
        r"\b(anew|beside|shall|mend|mends|mended|whoever|whosoever|whomever|nobody|somebody|anybody|everybody|reckoned|"
        r"reckons?|lest|thereof|therein|whereof|hence|thence|of late|all that|owed|owes|owing|dear|dearer|dearest|"
        r"sooner|begun|ere|oneself|alike|besides|withal|nought|forth|likewise|hitherto|in turn|people|strangers?)\b"
    ),
}
ALLOWED = re.compile(r"what is new\b|\bin turn,", re.IGNORECASE)
EXCLUDED = re.compile(r"^(protos/stt/v1/.*_pb2|tests/recordings/|docs/pictures/|LICENSE)")


def prose_of(path: Path) -> Iterator[tuple[int, str]]:
    """Yield line numbers and lines of prose: documents, and docstrings, comments and test names of code."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        yield from sorted(_prose_of_code(text))
    elif path.suffix == ".proto":
        for number, line in enumerate(text.splitlines(), 1):
            if "//" in line:
                yield number, line.split("//", 1)[1]
    else:
        in_code = False
        for number, line in enumerate(text.splitlines(), 1):
            if line.lstrip().startswith("```"):
                in_code = not in_code
            elif not in_code:
                yield number, re.sub(r"`[^`]*`|\]\([^)]*\)", " ", line)


def _prose_of_code(text: str) -> Iterator[tuple[int, str]]:
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string.lstrip("# ")
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
            yield node.lineno, node.name.replace("_", " ")
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and node.body:
            first = node.body[0]
            if (
                isinstance(first, ast.Expr)
                and isinstance(first.value, ast.Constant)
                and isinstance(first.value.value, str)
            ):
                for offset, line in enumerate(first.value.value.splitlines()):
                    yield first.lineno + offset, re.sub(r"`[^`]*`", " ", line)


def files(paths: list[str]) -> Iterator[Path]:
    """Yield the tracked documents, protos and Python files, or those below the given paths."""
    listed = subprocess.run(["git", "ls-files", *paths], cwd=ROOT, capture_output=True, text=True, check=True).stdout
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
        for number, line in prose_of(path):
            words += len(re.findall(r"\w+", line))
            for habit, pattern in HABITS.items():
                for match in re.finditer(pattern, ALLOWED.sub(" ", line), re.IGNORECASE):
                    found[habit] += 1
                    if not options.rates:
                        print(f"{path.relative_to(ROOT)}:{number}: {habit}: {match[0]!r}")
    if options.rates:
        for habit in HABITS:
            print(f"{habit}: {1000 * found[habit] / max(words, 1):.2f} per 1,000 words ({found[habit]} of {words})")
        return 0
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
