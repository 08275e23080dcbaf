"""Python environments of clients, with pinned packages, outside of the repository."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from platformdirs import user_cache_path

RECIPES = Path(__file__).parents[2] / "recipes"
INSTALL_TIMEOUT_S = 900.0
CLIENT_TIMEOUT_S = 280.0  # less than the timeout of a test
LARGE = frozenset({"livekit", "pipecat"})  # minutes to install
NOT_IN_INDEX = "No matching distribution found"


@dataclass(frozen=True, slots=True)
class ClientEnvironment:
    """A Python with the packages of a client."""

    python: Path

    def run(self, script: str, *arguments: object) -> dict[str, Any]:
        """Run a script of tests/recipes/clients; return the JSON that it prints last."""
        finished = subprocess.run(
            [self.python, "-P", RECIPES / "clients" / script, *map(str, arguments)],
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=CLIENT_TIMEOUT_S,
            env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        )
        assert finished.returncode == 0, finished.stderr[-6000:]
        results: dict[str, Any] = json.loads(finished.stdout.splitlines()[-1])
        return results


def client_environment(name: str) -> ClientEnvironment:
    """Return the environment with the packages of tests/recipes/pins/NAME.txt; made once, then cached.

    The folder depends on the pins and on the Python, so it never changes once it is complete: it is renamed into place.
    The test is skipped if a package index lacks one of the packages, and for the large ones without ALL_RECIPES.
    """
    if name in LARGE and not os.environ.get("ALL_RECIPES"):
        pytest.skip(f"{name} installs 60 packages: `make recipes` runs it")
    pins = RECIPES / "pins" / f"{name}.txt"
    key = hashlib.sha256(f"{sys.version_info[:2]} {pins.read_text(encoding='utf-8')}".encode()).hexdigest()[:16]
    cache = user_cache_path("realtime-stt") / "recipes"
    folder = cache / f"{name}-{key}"
    if not folder.exists():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache, prefix=f"{name}-making-") as making:
            _install(Path(making, "environment"), pins)
            _put_in_place(Path(making, "environment"), folder)
    return ClientEnvironment(_python(folder))


def _install(folder: Path, pins: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", folder], check=True, timeout=INSTALL_TIMEOUT_S)
    installed = subprocess.run(
        [_python(folder), "-m", "pip", "install", "--quiet", "--requirement", pins],
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=INSTALL_TIMEOUT_S,
    )
    if NOT_IN_INDEX in installed.stderr:
        pytest.skip(installed.stderr[installed.stderr.index(NOT_IN_INDEX) :].splitlines()[0])
    assert installed.returncode == 0, installed.stderr[-6000:]


def _put_in_place(made: Path, folder: Path) -> None:
    try:
        made.rename(folder)
    except OSError:
        if not folder.exists():  # else another run was faster
            raise


def _python(folder: Path) -> Path:
    return folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
