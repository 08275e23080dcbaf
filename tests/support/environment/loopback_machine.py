"""A remote machine for tests: a real sshd on loopback, and a script in place of Docker."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.harness.ports import free_port

SSHD = shutil.which("sshd", path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")
MISSING_PROGRAMS = [
    name for name, path in {"sshd": SSHD, "ssh": shutil.which("ssh"), "git": shutil.which("git")}.items() if not path
]

# Logs its folder and arguments; fails if the arguments are those in the file `failing`.
DOCKER = """#!/bin/sh
here=$(dirname "$0")
echo "$PWD: $*" >> "$here/calls"
if [ -e "$here/failing" ] && [ "$*" = "$(cat "$here/failing")" ]; then exit 1; fi
echo "docker was called: $*"
"""
REMOTE_PROGRAMS = ("cat", "dirname", "mkdir", "mv", "rm", "sh", "tar")  # other programs of that machine
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
    """A machine that is reached over ssh: a folder of this one."""

    folder: Path
    port: int

    @property
    def ssh(self) -> str:
        known = f"-o StrictHostKeyChecking=accept-new -o UserKnownHostsFile={self.folder / 'known_hosts'}"
        return f"ssh -F none -o BatchMode=yes {known} -i {self.folder / 'key'} -p {self.port}"

    @property
    def docker_calls(self) -> list[str]:
        """Return the calls of Docker, each as `folder: arguments`."""
        log = self.folder / "bin" / "calls"
        return log.read_text().splitlines() if log.exists() else []

    def make_docker_fail(self, arguments: str) -> None:
        (self.folder / "bin" / "failing").write_text(arguments)


@contextmanager
def running(folder: Path) -> Iterator[Machine]:
    """Start the machine's sshd, and stop it at the end."""
    machine = Machine(folder, free_port())
    for name in ("host_key", "key"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", machine.folder / name], check=True)
    (machine.folder / "sshd_config").write_text(SSHD_CONFIG.format(port=machine.port, folder=machine.folder))
    (machine.folder / "bin").mkdir()
    for name in REMOTE_PROGRAMS:
        (machine.folder / "bin" / name).symlink_to(str(shutil.which(name)))
    docker = machine.folder / "bin" / "docker"
    docker.write_text(DOCKER)
    docker.chmod(0o755)
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # required by an sshd of root
    command = [str(SSHD), "-D", "-e", "-f", str(machine.folder / "sshd_config")]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as sshd:
        assert sshd.stderr is not None
        assert "listening" in sshd.stderr.readline()
        yield machine
        sshd.terminate()
