"""What the Dockerfiles promise: stages that cache, nothing unpinned, no root, and exactly what the server needs."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from stt_service.settings.environment import SETTING_NAMES
from stt_service.settings.schema import ServerSettings
from tests.support.declared import requirements

ROOT = Path(__file__).parents[2]
GPU, CPU = "Dockerfile.gpu", "Dockerfile"
BOTH = pytest.mark.parametrize("name", [GPU, CPU])
HADOLINT = Path(sys.executable).with_name("hadolint")
DEFAULTS = ServerSettings.model_validate({})
NO_SETTINGS = {"PATH", "PYTHONDONTWRITEBYTECODE", "HF_HOME"}


@dataclass
class Stage:
    base: str
    name: str
    lines: list[str] = field(default_factory=list)

    def said(self, instruction: str) -> list[str]:
        """Return what follows the instruction, for each time it is given."""
        return [line.partition(" ")[2].strip() for line in self.lines if line.startswith(f"{instruction} ")]


def stages(name: str) -> list[Stage]:
    text = re.sub(r"^#.*\n", "", (ROOT / name).read_text(), flags=re.MULTILINE)
    found: list[Stage] = []
    for line in text.replace("\\\n", " ").splitlines():
        if line.startswith("FROM "):
            _, base, _, stage = line.split()
            found.append(Stage(base, stage))
        elif line and found:
            found[-1].lines.append(line)
    return found


def default_base(name: str) -> str:
    [base] = re.findall(r"^ARG BASE=(.*)$", (ROOT / name).read_text(), re.MULTILINE)
    return str(base)


def environment(name: str) -> dict[str, str]:
    pairs = [pair for stage in stages(name) for said in stage.said("ENV") for pair in said.split()]
    return {key: value for key, _, value in (pair.partition("=") for pair in pairs)}


def listed(name: str) -> list[str]:
    lines = (ROOT / "docker" / name).read_text().splitlines()
    return [canonicalize_name(Requirement(line).name) for line in lines if not line.startswith("#")]


def test_the_image_for_gpus_has_its_six_stages_each_on_the_one_before() -> None:
    found = stages(GPU)
    assert [stage.name for stage in found] == [
        "pytorch-base",
        "system-libs",
        "heavy-deps",
        "light-deps",
        "runtime-config",
        "production",
    ]
    assert all(later.base == earlier.name for earlier, later in pairwise(found))


def test_the_base_has_cuda_12_8_and_cudnn_9() -> None:
    assert "-cuda12.8-cudnn9-runtime@" in default_base(GPU)


@BOTH
def test_a_base_is_pinned_by_tag_and_digest(name: str) -> None:
    assert re.fullmatch(r"[\w./-]+:[\w.-]+@sha256:[0-9a-f]{64}", default_base(name))


@BOTH
def test_a_change_of_code_builds_the_last_stage_only(name: str) -> None:
    *earlier, last = stages(name)
    copied = {source for stage in earlier for said in stage.said("COPY") for source in said.split()[:-1]}
    assert copied == {"constraints.txt", "docker/heavy.txt", "docker/light.txt"}
    assert not any("--mount" in line for stage in earlier for line in stage.lines)
    assert any("--mount=type=bind,target=/source" in said for said in last.said("RUN"))


@BOTH
def test_the_server_runs_as_nobody_of_the_machine(name: str) -> None:
    assert stages(name)[-1].lines[-1] == "USER 10001:10001"


@BOTH
def test_the_container_is_asked_told_and_stopped_as_the_server_expects(name: str) -> None:
    said = {word: text for stage in stages(name) for word, _, text in (line.partition(" ") for line in stage.lines)}
    assert said["HEALTHCHECK"].endswith('CMD ["python", "-m", "stt_service.healthcheck"]')
    assert said["ENTRYPOINT"] == '["tini", "--", "stt-server"]'
    assert said["STOPSIGNAL"] == "SIGTERM"
    assert said["VOLUME"] == environment(name)["MODELS_DIR"] == "/models"
    assert set(map(int, said["EXPOSE"].split())) == {
        DEFAULTS.control_port,
        DEFAULTS.data_port,
        DEFAULTS.metrics_port,
    }


@BOTH
def test_what_an_image_sets_are_settings_and_none_opens_it(name: str) -> None:
    assert set(environment(name)) - NO_SETTINGS <= SETTING_NAMES
    assert "ALLOW_INSECURE" not in environment(name)


def test_the_dependencies_are_those_of_the_server() -> None:
    heavy, light = listed("heavy.txt"), listed("light.txt")
    assert sorted(heavy) == heavy
    assert sorted(light) == light
    assert len({*heavy, *light}) == len(heavy) + len(light)
    assert {*heavy, *light} == requirements("server")


def test_what_is_beyond_the_tested_versions_is_pinned_and_brings_no_torch_of_its_own() -> None:
    [heavy] = [stage for stage in stages(GPU) if stage.name == "heavy-deps"]
    [unlisted] = [part for run in heavy.said("RUN") for part in run.split("&&") if "--no-deps" in part]
    extra = [Requirement(word) for word in unlisted.split() if "==" in word]
    assert {each.name for each in extra} == requirements("gpu") - requirements() - {"nvidia-cublas-cu12"}


def test_nothing_but_what_is_installed_goes_to_the_builder() -> None:
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    packages = {"protos", "stt_cli", "stt_media", "stt_service", "stt_tui"}
    texts = {"LICENSE", "README.md", "constraints.txt", "pyproject.toml", "setup.cfg"}
    assert allowed == packages | texts | {"docker/heavy.txt", "docker/light.txt"}


@BOTH
def test_hadolint_finds_nothing(name: str) -> None:
    if not HADOLINT.exists():
        pytest.skip("hadolint is not installed: pip install -e '.[images]'")
    done = subprocess.run([HADOLINT, ROOT / name], capture_output=True, text=True)
    assert done.stdout == ""
    assert done.returncode == 0
