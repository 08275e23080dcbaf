"""Installs the peers of the comparison: `python -m benchmarks.peers.install`, or with the names of some of them.

Each gets a virtual environment in PEERS_DIR, or in the platform's cache folder. An incomplete installation does not
count and is replaced. A second run does nothing.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from filelock import FileLock

from benchmarks.peers.environment import READY, PeerEnvironment

TORCH = "torch==2.13.0"  # before all others: packages that depend on torch would install another version
IMPORTS = {  # imports that show that a peer can start
    "realtimestt": "pyaudio, silero_vad, RealtimeSTT, example_fastapi_server.server",
    "whisperlive": "whisper_live.server, whisper_live.backend.faster_whisper_backend",
    "whisperlivekit": "faster_whisper, librosa, whisperlivekit",
}
REALTIMESTT_PYTHON = (3, 13)  # its metadata excludes this version and later ones

# Entry point under which torch.hub finds the repository snakers4/silero-vad without a network; same model.
HUB_ENTRY = '''"""Silero's VAD, from the package silero-vad of this environment."""

dependencies = ["torch"]

from silero_vad import load_silero_vad


def silero_vad(onnx=False):
    return load_silero_vad(onnx=onnx)
'''


class InstallError(Exception):
    """A peer could not be installed; the message has the reason."""


def main(names: Sequence[str]) -> int:
    """Install the peers of these names, or all; return the exit code."""
    try:
        for name in names or IMPORTS:
            if name not in IMPORTS:
                raise InstallError(f"Unknown peer {name}: must be one of {', '.join(IMPORTS)}.")
            install(PeerEnvironment.of(name))
    except InstallError as failure:
        print(failure, file=sys.stderr)
        return 1
    return 0


def install(environment: PeerEnvironment) -> None:
    """Install the peer, unless it is installed.

    Raises:
        InstallError: with the reason; an incomplete installation does not count as installed.
    """
    environment.folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(environment.folder.with_name(f".{environment.name}.lock")):
        if environment.ready:
            print(f"{environment.name} is installed: {environment.folder}")
            return
        print(f"Installing {environment.name} in {environment.folder}. This takes minutes.", flush=True)
        BEFORE.get(environment.name, _nothing)(environment)
        _make(environment)
        AFTER.get(environment.name, _nothing)(environment)
        imports = f"import {IMPORTS[environment.name]}"
        _run([environment.python, "-c", imports], f"{environment.name} cannot be imported")
        (environment.folder / READY).write_text(environment.pins, encoding="utf-8")
        print(f"{environment.name} is installed.", flush=True)


def _make(environment: PeerEnvironment) -> None:
    """Create the environment from scratch and install the pinned packages without further dependencies."""
    _run([sys.executable, "-m", "venv", "--clear", environment.folder], "A virtual environment could not be made")
    pip: list[str | Path] = [environment.python, *"-m pip install -qq --no-input --disable-pip-version-check".split()]
    print(f"  {TORCH}", flush=True)
    _run([*pip, "--constraint", environment.pins_file, TORCH], f"{TORCH} could not be installed")
    print(f"  {environment.pins_file.name}", flush=True)
    _run([*pip, "--no-deps", "--requirement", environment.pins_file], f"{environment.name} could not be installed")


def _provide_portaudio(environment: PeerEnvironment) -> None:
    """Provide the libraries that PyAudio, which is built from source, needs; install them if that is permitted."""
    if sys.version_info >= REALTIMESTT_PYTHON:
        raise InstallError(f"{environment.name} needs Python 3.11 or 3.12, and this is {sys.version.split()[0]}.")
    if _has_portaudio():
        return
    if os.geteuid() == 0 and shutil.which("apt-get"):
        print("  portaudio19-dev, a system package", flush=True)
        _apt_get("install", "portaudio19-dev") or (_apt_get("update") and _apt_get("install", "portaudio19-dev"))
    if not _has_portaudio():
        raise InstallError(
            f"{environment.name} builds PyAudio, which needs a C compiler and PortAudio's headers: install them "
            "(Debian: apt-get install gcc portaudio19-dev)."
        )


def _has_portaudio() -> bool:
    compiler = os.environ.get("CC", "cc")
    if shutil.which(compiler) is None:
        return False
    command = [compiler, "-E", "-x", "c", "-include", "portaudio.h", os.devnull]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def _apt_get(*arguments: str) -> bool:
    """Run apt-get; return whether it succeeded."""
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(["apt-get", "-qq", *arguments], env=environment, capture_output=True, check=False)
    return done.returncode == 0


def put_silero(environment: PeerEnvironment) -> None:
    """Add a repository where torch.hub looks for Silero's."""
    hub = environment.torch_home / "hub"
    repository = hub / "snakers4_silero-vad_master"
    repository.mkdir(parents=True)
    (repository / "hubconf.py").write_text(HUB_ENTRY, encoding="utf-8")
    (hub / "trusted_list").write_text("snakers4_silero-vad\n", encoding="utf-8")  # otherwise it prompts on stdin


def _nothing(environment: PeerEnvironment) -> None:
    pass


def _run(command: Sequence[str | Path], failure: str) -> None:
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise InstallError(f"{failure}:\n{(done.stderr or done.stdout).strip()[-2000:]}")


Step = Callable[[PeerEnvironment], None]
BEFORE: Mapping[str, Step] = {"realtimestt": _provide_portaudio}
AFTER: Mapping[str, Step] = {"realtimestt": put_silero}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
