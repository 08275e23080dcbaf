"""Writes the reference of the settings from their declarations: CONFIGURATION.md and `.env.example`.

python -m stt_service.settings.reference            print the table
python -m stt_service.settings.reference --write    update both files
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from functools import cache
from pathlib import Path
from typing import Any

from stt_service.settings.schema import AUTO, LANGUAGES, Scope, ServerSettings, scope

ROOT = Path(__file__).parents[2]
BEGIN, END = "<!-- settings -->", "<!-- end of settings -->"
HEADING = """\
# The server's settings with their defaults. Save this file as .env and remove the # before a setting to change it.
# An empty value counts as unset. The environment has priority over this file. See CONFIGURATION.md.
# This file is generated: python -m stt_service.settings.reference --write
"""


class SettingType(Enum):
    """The type of a setting's values."""

    TEXT = auto()
    BOOLEAN = auto()
    INTEGER = auto()
    NUMBER = auto()
    CHOICE = auto()


@dataclass(frozen=True, slots=True)
class Setting:
    """A row of the reference, as text; `minimum` and `maximum` for a number, `max_length` for a text.

    `choices` are the values of a choice, or words that are valid in place of a number.
    """

    name: str
    default: str
    allowed_values: str
    unit: str
    description: str
    scope: Scope
    type: SettingType = SettingType.TEXT
    choices: tuple[str, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    max_length: int = 0


TYPES = {
    "string": SettingType.TEXT,
    "boolean": SettingType.BOOLEAN,
    "integer": SettingType.INTEGER,
    "number": SettingType.NUMBER,
}


@cache
def settings() -> tuple[Setting, ...]:
    """Return the settings in the order of their declarations."""
    return tuple(
        _setting(name, declared) for name, declared in ServerSettings.model_json_schema()["properties"].items()
    )


def _setting(name: str, declared: Mapping[str, Any]) -> Setting:
    members: list[Mapping[str, Any]] = declared.get("anyOf", [declared])
    number = next((member for member in members if "minimum" in member), {})
    choices = (AUTO, *sorted(LANGUAGES)) if name == "language" else _choices(members)
    return Setting(
        name.upper(),
        to_env_value(declared["default"]),
        "a Whisper code, auto" if name == "language" else _allowed_values(declared),
        declared.get("unit", ""),
        declared["description"],
        scope(name),
        SettingType.CHOICE if choices and not number else TYPES[members[-1]["type"]],
        choices,
        number.get("minimum"),
        number.get("maximum"),
        declared.get("maxLength", 0),
    )


def _choices(members: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """Return the words that are valid."""
    return tuple(
        word for member in members for word in member.get("enum", [member["const"]] if "const" in member else [])
    )


def settings_table() -> str:
    """Return a Markdown table with a row for each setting."""
    rows = [
        "| setting | default | valid values | unit | meaning | takes effect |",
        "|---|---|---|---|---|---|",
    ]
    for setting in settings():
        cells = [f"`{setting.name}`", setting.default or "empty", setting.allowed_values, setting.unit]
        cells += [setting.description, setting.scope.value]
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(rows) + "\n"


def env_example() -> str:
    """Return an `.env` in which every setting is commented out."""
    sections = [HEADING]
    for setting in settings():
        values = f"{setting.allowed_values} {setting.unit}".rstrip()
        sections.append(f"# {setting.description} ({values})\n# {setting.name}={setting.default}\n")
    return "\n".join(sections)


def with_table(document: str) -> str:
    """Return the document with the current table between its markers."""
    before, _, rest = document.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{settings_table()}{END}{after}"


def _allowed_values(declared: Mapping[str, Any]) -> str:
    match declared:
        case {"anyOf": members}:
            return " or ".join(_allowed_values(member) for member in members)
        case {"enum": choices}:
            return ", ".join(choices)
        case {"const": choice}:
            return str(choice)
        case {"type": "boolean"}:
            return "true, false"
        case {"type": "integer" | "number", "minimum": least, "maximum": most}:
            return f"{least} to {most}"
        case {"maxLength": most}:
            return f"text, up to {most} characters"
        case {"pattern": _}:
            return "indices separated by commas"
    return "text"


def to_env_value(value: object) -> str:
    """Return the value as it is written in the environment."""
    match value:
        case bool():
            return str(value).lower()
        case float():
            return f"{value:g}"
    return str(value)


def write(root: Path = ROOT) -> None:
    """Update CONFIGURATION.md and `.env.example`."""
    configuration = root / "CONFIGURATION.md"
    configuration.write_text(with_table(configuration.read_text(encoding="utf-8")), encoding="utf-8")
    (root / ".env.example").write_text(env_example(), encoding="utf-8")


if __name__ == "__main__":
    if sys.argv[1:] == ["--write"]:
        write()
    else:
        sys.stdout.write(settings_table())
