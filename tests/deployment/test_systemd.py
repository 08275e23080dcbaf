"""What the unit file for systemd promises."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from stt_service.rpc.stream import GRACE_S
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


def test_systemd_takes_it(tmp_path: Path) -> None:
    """With a program and a user that this machine has."""
    text = re.sub(r"^ExecStart=.*$", f"ExecStart={sys.executable}", UNIT.read_text(), flags=re.MULTILINE)
    text = re.sub(r"^(User|Group)=stt$", r"\1=root", text, flags=re.MULTILINE)
    (tmp_path / UNIT.name).write_text(text)
    assert analyze(tmp_path / UNIT.name, "verify") == ""


def test_it_leaves_little_for_an_intruder() -> None:
    """systemd rates from 0, confined, to 10, open."""
    exposure = re.search(r"exposure level for .*: ([\d.]+)", analyze(UNIT, "security", "--offline=yes"))
    assert exposure is not None
    assert float(exposure[1]) < 2.5


def test_the_server_has_the_time_to_drain() -> None:
    [seconds] = values("TimeoutStopSec")
    assert int(seconds) > GRACE_S


def test_what_it_sets_are_settings() -> None:
    names = {pair.partition("=")[0] for value in values("Environment") for pair in value.split()}
    assert names - NO_SETTINGS <= environment.SETTING_NAMES
