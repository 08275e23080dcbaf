"""The set: utterances of real speakers, each with its reference text and other correct ways to write it.

The recordings are telephone prompts of Debian's packages asterisk-core-sounds-en-wav (spoken by Allison Smith,
CC BY-SA 3.0) and asterisk-core-sounds-ru-wav (spoken for ivrvoice.ru, CC BY 3.0). They are not in this repository:
`recordings` downloads them. utterances.tsv has a line for each: language, file, text, and accepted texts separated
by `|`. Accepted are digits for numbers, the letters' other names, homophones and other spellings; not wrong endings.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

MANIFEST = Path(__file__).parent / "utterances.tsv"
HEADER = ("language", "file", "text", "accepted")
LANGUAGES = ("en", "ru")


@dataclass(frozen=True, slots=True)
class ShortUtterance:
    """One recording of one to three words."""

    language: str
    file: str  # inside the package's folder of sounds, such as digits/8.wav
    text: str
    alternatives: tuple[str, ...] = ()  # other correct texts

    @property
    def name(self) -> str:
        """Return its name in results, such as en-digits-8."""
        return "-".join([self.language, *self.file.removesuffix(".wav").replace("_", "-").split("/")])

    @property
    def accepted(self) -> tuple[str, ...]:
        """Return all correct texts, the reference first."""
        return (self.text, *self.alternatives)


def load(manifest: Path = MANIFEST) -> list[ShortUtterance]:
    """Return all utterances of the manifest, in its order.

    Raises:
        ValueError: the manifest's header, or a line's number of columns, is wrong.
    """
    header, *lines = manifest.read_text(encoding="utf-8").splitlines()
    if tuple(header.split("\t")) != HEADER:
        raise ValueError(f"{manifest}: the header is {header!r}: must be {HEADER}, separated by tabs.")
    return [_utterance(line) for line in lines]


def _utterance(line: str) -> ShortUtterance:
    match line.split("\t"):
        case [language, file, text]:
            return ShortUtterance(language, file, text)
        case [language, file, text, accepted]:
            return ShortUtterance(language, file, text, tuple(accepted.split("|")))
        case _:
            raise ValueError(f"Invalid line {line!r}: must have three or four columns, separated by tabs.")


def spread(utterances: list[ShortUtterance], limit: int | None) -> list[ShortUtterance]:
    """Return at most `limit` utterances, evenly spread over the list; all if None."""
    if limit is None or limit >= len(utterances):
        return utterances
    return [utterances[i * len(utterances) // limit] for i in range(limit)]
