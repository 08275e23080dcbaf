"""Another machine that one reaches over ssh: a real sshd on loopback, and a script in place of Docker."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

SSHD = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")
LACKING = [
    name for name, path in {"sshd": SSHD, "ssh": shutil.which("ssh"), "git": shutil.which("git")}.items() if not path
]

# Notes what it is asked, and where; fails at what a file beside it names.
DOCKER = """#!/bin/sh
here=$(dirname "$0")
echo "$PWD: $*" >> "$here/asked"
if [ -e "$here/failing" ] && [ "$*" = "$(cat "$here/failing")" ]; then exit 1; fi
echo "docker was asked: $*"
"""
THERE = ("cat", "dirname", "mkdir", "mv", "rm", "sh", "tar")  # what else that machine has
SSHD_CONFIG = """
ListenAddress 127.0.0.1:{port}
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/key.pub
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
SetEnv PATH={folder}/bin HOME={folder}
"""


@dataclass
class Machine:
    """Another machine that one reaches over ssh: a folder of this one."""

    folder: Path
    port: int

    @property
    def ssh(self) -> str:
        known = f"-o StrictHostKeyChecking=accept-new -o UserKnownHostsFile={self.folder / 'known_hosts'}"
        return f"ssh -F none -o BatchMode=yes {known} -i {self.folder / 'key'} -p {self.port}"

    @property
    def asked(self) -> list[str]:
        """Return what Docker was asked there, each with the folder it was asked in."""
        notes = self.folder / "bin" / "asked"
        return notes.read_text().splitlines() if notes.exists() else []

    def let_fail(self, arguments: str) -> None:
        (self.folder / "bin" / "failing").write_text(arguments)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


@contextmanager
def running(folder: Path) -> Iterator[Machine]:
    """Start its sshd, and stop it at the end."""
    made = Machine(folder, free_port())
    for name in ("host_key", "key"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", made.folder / name], check=True)
    (made.folder / "sshd_config").write_text(SSHD_CONFIG.format(port=made.port, folder=made.folder))
    (made.folder / "bin").mkdir()
    for name in THERE:
        (made.folder / "bin" / name).symlink_to(str(shutil.which(name)))
    docker = made.folder / "bin" / "docker"
    docker.write_text(DOCKER)
    docker.chmod(0o755)
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # a root's sshd wants it, and what starts services makes it
    command = [str(SSHD), "-D", "-e", "-f", str(made.folder / "sshd_config")]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as sshd:
        assert sshd.stderr is not None
        assert "listening" in sshd.stderr.readline()
        yield made
        sshd.terminate()
