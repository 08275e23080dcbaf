"""The unit file for systemd."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from stt_service.recognition.stream import GRACE_S
from stt_service.settings import environment

UNIT = Path(__file__).parents[2] / "docker" / "systemd" / "stt-server.service"
NO_SETTINGS = {"HF_HOME"}


def values(name: str) -> list[str]:
    return re.findall(rf"^{name}=(.*)$", UNIT.read_text(), re.MULTILINE)


def analyze(unit: Path, *arguments: str) -> str:
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    done = subprocess.run(["systemd-analyze", *arguments, unit], capture_output=True, text=True)
    return done.stdout + done.stderr


def test_unit_is_valid_for_systemd(tmp_path: Path) -> None:
    """The program and the user are replaced by ones that exist on this machine."""
    text = re.sub(r"^ExecStart=.*$", f"ExecStart={sys.executable}", UNIT.read_text(), flags=re.MULTILINE)
    text = re.sub(r"^(User|Group)=stt$", r"\1=root", text, flags=re.MULTILINE)
    (tmp_path / UNIT.name).write_text(text)
    assert analyze(tmp_path / UNIT.name, "verify") == ""


def test_unit_has_a_low_security_exposure() -> None:
    """systemd rates from 0, confined, to 10, open."""
    exposure = re.search(r"exposure level for .*: ([\d.]+)", analyze(UNIT, "security", "--offline=yes"))
    assert exposure is not None
    assert float(exposure[1]) < 2.5


def test_stop_timeout_covers_the_drain() -> None:
    [seconds] = values("TimeoutStopSec")
    assert int(seconds) > GRACE_S


def test_environment_contains_only_settings() -> None:
    names = {pair.partition("=")[0] for value in values("Environment") for pair in value.split()}
    assert names - NO_SETTINGS <= environment.SETTING_NAMES
