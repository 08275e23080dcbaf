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

from benchmarks.harness.ports import free_port
from tests.support.environment.loopback_machine import MISSING_PROGRAMS, Machine, running

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.skipif(bool(MISSING_PROGRAMS), reason=f"not installed: {', '.join(MISSING_PROGRAMS)}")


@dataclass
class Checkout:
    """A small repository that contains the script, and the machine to deploy to."""

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
        ssh_settings = {"SERVER_HOST": "127.0.0.1:8012", "SERVER_USER": getuser(), "SSH": self.machine.ssh}
        return subprocess.run(
            [self.folder / "docker" / "remote.sh", *arguments],
            env={"PATH": os.environ["PATH"], "DEPLOY_DIR": str(self.deployed), **ssh_settings, **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=30,
        )


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    with running(tmp_path_factory.mktemp("machine")) as started:
        yield started


@pytest.fixture
def checkout(machine: Machine, tmp_path: Path) -> Checkout:
    for file in ("calls", "failing"):
        (machine.folder / "bin" / file).unlink(missing_ok=True)
    created = Checkout(tmp_path / "checkout", machine)
    shutil.rmtree(created.deployed, ignore_errors=True)
    (created.folder / "docker").mkdir(parents=True)
    shutil.copy(ROOT / "docker" / "remote.sh", created.folder / "docker")
    created.git("init", "--quiet")
    created.commit(code="first", obsolete="first")
    return created


def test_deploy_copies_the_committed_files_and_starts_the_server(checkout: Checkout) -> None:
    (checkout.folder / "code").write_text("not committed")
    done = checkout.run("deploy")
    assert done.returncode == 0, done.stderr
    assert (checkout.deployed / "code").read_text() == "first"
    assert "Uncommitted changes are not deployed." in done.stderr
    assert checkout.machine.docker_calls[-1] == f"{checkout.deployed}: compose up --detach --build"


def test_deploy_passes_service_names_to_compose_unchanged(checkout: Checkout) -> None:
    assert checkout.run("deploy", "stt-cpu", "a b").returncode == 0
    assert checkout.machine.docker_calls[-1].endswith("compose up --detach --build stt-cpu a b")


def test_deploy_replaces_the_previous_version_but_keeps_env_and_secrets(checkout: Checkout) -> None:
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


def test_env_file_is_copied_only_on_request_and_is_readable_by_its_owner_only(checkout: Checkout) -> None:
    (checkout.folder / ".env").write_text("WHISPER_MODEL=small\n")
    assert checkout.run("deploy").returncode == 0
    assert not (checkout.deployed / ".env").exists()
    assert checkout.run("deploy", DEPLOY_ENV=".env").returncode == 0
    assert (checkout.deployed / ".env").read_text() == "WHISPER_MODEL=small\n"
    assert (checkout.deployed / ".env").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("failing", "sentence"),
    [
        ("compose version", "Docker Compose 2 is not installed on "),
        ("info", "Docker on "),
        ("compose up --detach --build", "docker compose up on "),
    ],
)
def test_remote_failure_is_reported_in_one_sentence(failing: str, sentence: str, checkout: Checkout) -> None:
    checkout.machine.make_docker_fail(failing)
    done = checkout.run("deploy")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith(sentence)


def test_deploy_to_a_machine_without_docker_changes_nothing(checkout: Checkout) -> None:
    docker = checkout.machine.folder / "bin" / "docker"
    docker.rename(docker.with_name("no-docker"))
    try:
        done = checkout.run("deploy")
    finally:
        docker.with_name("no-docker").rename(docker)
    assert done.stderr.startswith("Docker is not installed on ")
    assert not checkout.deployed.exists()


@pytest.mark.parametrize(
    ("environment", "sentence"),
    [
        ({"SERVER_HOST": ""}, "SERVER_HOST is not set: it names the machine, as in SERVER_HOST=gpu-box."),
        ({"SERVER_HOST": "a,b"}, "SERVER_HOST=a,b names several machines: give one."),
        ({"SSH": "no-such-ssh"}, "no-such-ssh is not installed here (Debian: apt-get install openssh-client)."),
        ({"DEPLOY_ENV": "no-such-file"}, "DEPLOY_ENV=no-such-file cannot be read."),
        (
            {"DEPLOY_DIR": "/"},
            "Invalid DEPLOY_DIR=/: must be a folder of its own, as in DEPLOY_DIR=realtime-stt.",
        ),
    ],
)
def test_invalid_local_configuration_is_reported_in_one_sentence(
    environment: dict[str, str], sentence: str, checkout: Checkout
) -> None:
    done = checkout.run("deploy", **environment)
    assert (done.returncode, done.stderr) == (1, f"{sentence}\n")
    assert checkout.machine.docker_calls == []


def test_unreachable_machine_is_named_in_the_error(checkout: Checkout) -> None:
    done = checkout.run("status", SSH=f"ssh -F none -o BatchMode=yes -p {free_port()}")
    assert done.returncode == 1
    assert f"{getuser()}@127.0.0.1 cannot be reached over ssh" in done.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    ("command", "call"),
    [
        (["logs", "stt"], "compose --profile * logs --follow --tail 100 stt"),
        (["status"], "compose --profile * ps"),
    ],
)
def test_logs_and_status_are_read_from_the_remote_machine(command: list[str], call: str, checkout: Checkout) -> None:
    assert "Nothing is deployed in " in checkout.run(*command).stderr
    assert checkout.run("deploy").returncode == 0
    done = checkout.run(*command)
    assert done.stdout == f"docker was called: {call}\n"
    assert checkout.machine.docker_calls[-1] == f"{checkout.deployed}: {call}"


@pytest.mark.parametrize(
    ("target", "command"), [("deploy", "deploy"), ("remote-logs", "logs"), ("remote-status", "status")]
)
def test_make_target_calls_the_script(target: str, command: str) -> None:
    done = subprocess.run(
        ["make", "--dry-run", "--no-print-directory", target, "ARGS=stt"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert shlex.split(done.stdout) == ["docker/remote.sh", command, "stt"]
