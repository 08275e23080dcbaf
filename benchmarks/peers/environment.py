"""Virtual environments of the peers of the comparison, one each."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from platformdirs import user_cache_path

PINS = Path(__file__).parent / "pins"
READY = ".ready"  # written last, with the pins that were installed


class NotInstalledError(Exception):
    """The peer is not installed; the message names the command that installs it."""


def peers_folder(setting: str) -> Path:
    """Return the folder of PEERS_DIR; if that is empty, the platform's cache folder."""
    return Path(setting).expanduser().absolute() if setting else user_cache_path("realtime-stt") / "peers"


@dataclass(frozen=True, slots=True)
class PeerEnvironment:
    """A peer's virtual environment, which may not exist."""

    name: str
    folder: Path

    @classmethod
    def of(cls, name: str) -> PeerEnvironment:
        """Return the environment of that name in the folder of the environment variable PEERS_DIR."""
        return cls(name, peers_folder(os.environ.get("PEERS_DIR", "")) / name)

    @property
    def pins_file(self) -> Path:
        return PINS / f"{self.name}.txt"

    @property
    def pins(self) -> str:
        return self.pins_file.read_text(encoding="utf-8")

    @property
    def python(self) -> Path:
        return self.folder / "bin" / "python"

    @property
    def torch_home(self) -> Path:
        return self.folder / "torch_home"

    @property
    def ready(self) -> bool:
        """Return whether the installation completed with the current pins."""
        marker = self.folder / READY
        return self.python.is_file() and marker.is_file() and marker.read_text(encoding="utf-8") == self.pins

    def program(self, name: str) -> Path:
        """Return the path of a program of the peer.

        Raises:
            NotInstalledError: the environment is not ready.
        """
        if not self.ready:
            raise NotInstalledError(f"{self.name} is not installed in {self.folder}: run `make bench-peers`.")
        return self.folder / "bin" / name

    def version(self, package: str) -> str:
        """Return the pinned version of a package."""
        lines = (line.partition("==") for line in self.pins.splitlines() if not line.startswith("#"))
        return {name: version for name, _, version in lines}[package]
