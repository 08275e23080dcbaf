"""Declarations of setup.cfg: packages, commands and requirements."""

from __future__ import annotations

import configparser
from functools import cache
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[3]


@cache
def setup_cfg() -> configparser.ConfigParser:
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg")
    return parser


def option_lines(section: str, option: str) -> list[str]:
    return [line for line in setup_cfg()[section][option].splitlines() if line]


def requirements(*extras: str) -> set[str]:
    """Return the distributions that the package with these extras requires directly."""
    lines = option_lines("options", "install_requires")
    lines += [line for extra in extras for line in option_lines("options.extras_require", extra)]
    return {canonicalize_name(Requirement(line).name) for line in lines}
