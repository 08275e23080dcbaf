"""Installation of peers: complete or not at all, and only once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.peers.environment import PINS, READY, NotInstalledError, PeerEnvironment, peers_folder
from benchmarks.peers.install import IMPORTS, TORCH, install, main, put_silero


def installed(folder: Path) -> PeerEnvironment:
    """Return an environment that looks installed."""
    environment = PeerEnvironment("whisperlive", folder / "whisperlive")
    environment.python.parent.mkdir(parents=True)
    environment.python.touch()
    (environment.folder / READY).write_text(environment.pins, encoding="utf-8")
    return environment


def test_installed_peer_is_not_installed_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    environment = installed(tmp_path)
    install(environment)  # would replace the environment, without the marker's content, and take minutes
    assert capsys.readouterr().out == f"whisperlive is installed: {environment.folder}\n"


def test_peer_with_an_incomplete_installation_is_not_installed(tmp_path: Path) -> None:
    environment = installed(tmp_path)
    assert environment.ready
    (environment.folder / READY).unlink()
    with pytest.raises(NotInstalledError, match="run `make bench-peers`"):
        environment.program("python")


def test_peer_with_other_versions_is_not_installed(tmp_path: Path) -> None:
    environment = installed(tmp_path)
    (environment.folder / READY).write_text("whisper_live==0.9.0\n", encoding="utf-8")
    assert not environment.ready


def test_peer_without_its_python_is_not_installed(tmp_path: Path) -> None:
    environment = installed(tmp_path)
    environment.python.unlink()
    assert not environment.ready


def test_unknown_peer_is_rejected_with_the_valid_names(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["whisper"]) == 1
    expected = "Unknown peer whisper: must be one of realtimestt, whisperlive, whisperlivekit.\n"
    assert capsys.readouterr().err == expected


def test_every_peer_pins_its_packages_and_installs_torch_first() -> None:
    assert {file.stem for file in PINS.iterdir()} == set(IMPORTS)
    for file in PINS.iterdir():
        pins = [line for line in file.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
        assert all(pin.count("==") == 1 for pin in pins)
        assert TORCH in pins


def test_folder_is_peers_dir_or_the_platform_cache() -> None:
    assert peers_folder("/data/peers") == Path("/data/peers")
    assert peers_folder("~/peers") == Path.home() / "peers"
    assert peers_folder("").parts[-2:] == ("realtime-stt", "peers")


def test_torch_hub_finds_the_package_of_silero(tmp_path: Path) -> None:
    environment = installed(tmp_path)
    put_silero(environment)
    repository = environment.torch_home / "hub" / "snakers4_silero-vad_master"
    package = "def load_silero_vad(onnx):\n    return 'the model', onnx\n"
    (tmp_path / "silero_vad.py").write_text(package, encoding="utf-8")
    asked = "import hubconf; print(hubconf.silero_vad(onnx=False))"
    environ = {"PYTHONPATH": f"{repository}:{tmp_path}"}
    done = subprocess.run([sys.executable, "-c", asked], env=environ, capture_output=True, text=True, check=True)
    assert done.stdout == "('the model', False)\n"
