"""`make deploy`, `remote-logs` and `remote-status`, over a real sshd on loopback, with a script in place of Docker."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from getpass import getuser
from pathlib import Path

import pytest

from tests.support.loopback_machine import LACKING, Machine, free_port, running

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.skipif(bool(LACKING), reason=f"not installed: {', '.join(LACKING)}")


@dataclass
class Checkout:
    """A small repository with the script in it, and the machine it is deployed to."""

    folder: Path
    machine: Machine

    @property
    def deployed(self) -> Path:
        return self.machine.folder / "it's there"

    def commit(self, **files: str | None) -> None:
        for name, text in files.items():
            path = self.folder / name
            if text is None:
                path.unlink()
            else:
                path.write_text(text)
        self.git("add", "--all")
        self.git("-c", "user.name=A", "-c", "user.email=a@example.org", "commit", "--quiet", "--message", "A change")

    def git(self, *arguments: str) -> None:
        subprocess.run(["git", *arguments], cwd=self.folder, check=True, capture_output=True)

    def run(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        told = {"SERVER_HOST": "127.0.0.1:8012", "SERVER_USER": getuser(), "SSH": self.machine.ssh}
        return subprocess.run(
            [self.folder / "docker" / "remote.sh", *arguments],
            env={"PATH": os.environ["PATH"], "DEPLOY_DIR": str(self.deployed), **told, **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=30,
        )


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    with running(tmp_path_factory.mktemp("machine")) as made:
        yield made


@pytest.fixture
def checkout(machine: Machine, tmp_path: Path) -> Checkout:
    for left in ("asked", "failing"):
        (machine.folder / "bin" / left).unlink(missing_ok=True)
    made = Checkout(tmp_path / "checkout", machine)
    shutil.rmtree(made.deployed, ignore_errors=True)
    (made.folder / "docker").mkdir(parents=True)
    shutil.copy(ROOT / "docker" / "remote.sh", made.folder / "docker")
    made.git("init", "--quiet")
    made.commit(code="first", obsolete="first")
    return made


def test_deploy_brings_what_is_committed_and_starts_it(checkout: Checkout) -> None:
    (checkout.folder / "code").write_text("not committed")
    done = checkout.run("deploy")
    assert done.returncode == 0, done.stderr
    assert (checkout.deployed / "code").read_text() == "first"
    assert "What is not committed is not deployed." in done.stderr
    assert checkout.machine.asked[-1] == f"{checkout.deployed}: compose up --detach --build"


def test_what_to_start_is_passed_on_as_it_is(checkout: Checkout) -> None:
    assert checkout.run("deploy", "stt-cpu", "a b").returncode == 0
    assert checkout.machine.asked[-1].endswith("compose up --detach --build stt-cpu a b")


def test_a_deployment_replaces_the_one_before_but_not_what_belongs_to_the_machine(checkout: Checkout) -> None:
    assert checkout.run("deploy").returncode == 0
    (checkout.deployed / ".env").write_text("LANGUAGE=en\n")
    (checkout.deployed / "secrets").mkdir()
    (checkout.deployed / "secrets" / "key.pem").write_text("a key")
    checkout.commit(code="second", obsolete=None)
    assert checkout.run("deploy").returncode == 0
    assert (checkout.deployed / "code").read_text() == "second"
    assert not (checkout.deployed / "obsolete").exists()
    assert (checkout.deployed / ".env").read_text() == "LANGUAGE=en\n"
    assert (checkout.deployed / "secrets" / "key.pem").read_text() == "a key"


def test_settings_are_copied_only_if_asked_and_for_their_owner_alone(checkout: Checkout) -> None:
    (checkout.folder / ".env").write_text("WHISPER_MODEL=small\n")
    assert checkout.run("deploy").returncode == 0
    assert not (checkout.deployed / ".env").exists()
    assert checkout.run("deploy", DEPLOY_ENV=".env").returncode == 0
    assert (checkout.deployed / ".env").read_text() == "WHISPER_MODEL=small\n"
    assert (checkout.deployed / ".env").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("failing", "sentence"),
    [
        ("compose version", "There is no Docker Compose 2 on "),
        ("info", "Docker on "),
        ("compose up --detach --build", "docker compose up on "),
    ],
)
def test_what_is_missing_there_is_told_in_a_sentence(failing: str, sentence: str, checkout: Checkout) -> None:
    checkout.machine.let_fail(failing)
    done = checkout.run("deploy")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith(sentence)


def test_a_machine_without_docker_is_left_as_it_is(checkout: Checkout) -> None:
    docker = checkout.machine.folder / "bin" / "docker"
    docker.rename(docker.with_name("no-docker"))
    try:
        done = checkout.run("deploy")
    finally:
        docker.with_name("no-docker").rename(docker)
    assert done.stderr.startswith("There is no docker on ")
    assert not checkout.deployed.exists()


@pytest.mark.parametrize(
    ("environment", "sentence"),
    [
        ({"SERVER_HOST": ""}, "SERVER_HOST is not set: it names the machine, as in SERVER_HOST=gpu-box."),
        ({"SERVER_HOST": "a,b"}, "SERVER_HOST=a,b names several machines: name one."),
        ({"SSH": "no-such-ssh"}, "no-such-ssh is not installed here (Debian: apt-get install openssh-client)."),
        ({"DEPLOY_ENV": "no-such-file"}, "DEPLOY_ENV=no-such-file cannot be read."),
        (
            {"DEPLOY_DIR": "/"},
            "Invalid DEPLOY_DIR=/: must be a folder of its own, as in DEPLOY_DIR=realtime-stt.",
        ),
    ],
)
def test_what_will_not_do_here_is_told_in_a_sentence(
    environment: dict[str, str], sentence: str, checkout: Checkout
) -> None:
    done = checkout.run("deploy", **environment)
    assert (done.returncode, done.stderr) == (1, f"{sentence}\n")
    assert checkout.machine.asked == []


def test_a_machine_that_cannot_be_reached_is_named(checkout: Checkout) -> None:
    done = checkout.run("status", SSH=f"ssh -F none -o BatchMode=yes -p {free_port()}")
    assert done.returncode == 1
    assert f"{getuser()}@127.0.0.1 cannot be reached over ssh" in done.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    ("command", "asked"),
    [
        (["logs", "stt"], "compose --profile * logs --follow --tail 100 stt"),
        (["status"], "compose --profile * ps"),
    ],
)
def test_logs_and_status_come_from_there(command: list[str], asked: str, checkout: Checkout) -> None:
    assert "Nothing is deployed in " in checkout.run(*command).stderr
    assert checkout.run("deploy").returncode == 0
    done = checkout.run(*command)
    assert done.stdout == f"docker was asked: {asked}\n"
    assert checkout.machine.asked[-1] == f"{checkout.deployed}: {asked}"


@pytest.mark.parametrize(
    ("target", "command"), [("deploy", "deploy"), ("remote-logs", "logs"), ("remote-status", "status")]
)
def test_make_calls_it(target: str, command: str) -> None:
    done = subprocess.run(
        ["make", "--dry-run", "--no-print-directory", target, "ARGS=stt"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert shlex.split(done.stdout) == ["docker/remote.sh", command, "stt"]
