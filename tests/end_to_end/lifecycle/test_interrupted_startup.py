"""SIGTERM and Ctrl-C during startup: an immediate exit with one message and no traceback."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from benchmarks.service import ANY_PORTS
from tests.support.models.fake_hub import COMMIT, Site
from tests.support.servers.server_process import COMMON, STT_SERVER

TIMEOUT_S = 60
SIGNALS = pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
WEIGHTS = {"model.bin": b"weights", "config.json": b"{}", "tokenizer.json": b"{}", "vocabulary.txt": b"a"}


@pytest.fixture
def site() -> Iterator[Site]:
    with Site() as site:
        site.publish("ann/whisper", WEIGHTS)
        site.pages[f"/ann/whisper/resolve/{COMMIT}/model.bin"].hold_after_bytes = 3
        yield site


def start(folder: Path, *arguments: str, program: str = "", **settings: str) -> subprocess.Popen[str]:
    """Start stt-server, or a program in its place, in a folder without `.env`."""
    return subprocess.Popen(
        [sys.executable, "-c", program] if program else [STT_SERVER, *arguments],
        cwd=folder,
        env={**os.environ, **ANY_PORTS, **COMMON, **settings},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for_exit(process: subprocess.Popen[str]) -> tuple[int, list[str]]:
    """Return the exit code and the lines on stderr."""
    with process:
        _, err = process.communicate(timeout=TIMEOUT_S)
    assert "Traceback" not in err
    return process.returncode, err.splitlines()


def hub(site: Site, folder: Path) -> Mapping[str, str]:
    return {"HF_ENDPOINT": site.url, "HF_HOME": str(folder / "hub"), "MODELS_DIR": str(folder / "models")}


@SIGNALS
def test_signal_during_imports_ends_the_process(tmp_path: Path, number: signal.Signals) -> None:
    """numpy stands in for any import: this one sends the signal and then never returns."""
    (tmp_path / "numpy.py").write_text(f"import os, time; os.kill(os.getpid(), {int(number)}); time.sleep({TIMEOUT_S})")
    program = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import stt_service.__main__"
    code, lines = wait_for_exit(start(tmp_path, program=program))
    assert (code, lines) == (128 + number, [f"Stopped by {number.name}."])


@SIGNALS
@pytest.mark.parametrize("command", [(), ("check",), ("download", "ann/whisper")])
def test_signal_during_a_download_ends_the_process_and_the_download(
    tmp_path: Path, site: Site, number: signal.Signals, command: tuple[str, ...]
) -> None:
    process = start(tmp_path, *command, **{**hub(site, tmp_path), "WHISPER_MODEL": "ann/whisper"})
    assert site.holding.wait(TIMEOUT_S)
    process.send_signal(number)
    code, lines = wait_for_exit(process)  # includes the child process, which shares stderr
    assert (code, lines[-1]) == (128 + number, f"Stopped by {number.name} before it was done.")


@SIGNALS
@pytest.mark.model
def test_signal_while_models_load_ends_the_process(tmp_path: Path, number: signal.Signals) -> None:
    process = start(tmp_path)
    assert process.stderr
    while not process.stderr.readline().startswith("Loading"):
        pass
    process.send_signal(number)
    code, lines = wait_for_exit(process)
    assert (code, lines[-1]) == (128 + number, f"Stopped by {number.name} before it was done.")


def test_missing_home_folder_error_names_the_setting(tmp_path: Path) -> None:
    if os.getuid() != 0:
        pytest.skip("only root can switch to an unknown user")
    program = (
        "import os; from stt_service.__main__ import main; os.environ.pop('HOME'); os.setuid(54321); main(['check'])"
    )
    code, lines = wait_for_exit(start(tmp_path, program=program, MODELS_DIR=""))
    assert code == 1
    assert lines[-1] == (
        "Error: The models folder is in a home folder, and this user (uid 54321) has none: "
        "set MODELS_DIR to a folder, or HOME."
    )
