"""The Dockerfiles: cached stages, pinned images, no root, and exactly the dependencies of the server."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from zipfile import ZipFile

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from stt_service.settings.environment import SETTING_NAMES
from stt_service.settings.schema import ServerSettings
from tests.support.environment.package_metadata import option_lines, requirements

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

    def arguments(self, instruction: str) -> list[str]:
        """Return the arguments of each occurrence of the instruction."""
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


def build_context() -> set[str]:
    """Return the paths that .dockerignore allows."""
    return {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}


def environment(name: str) -> dict[str, str]:
    pairs = [pair for stage in stages(name) for arguments in stage.arguments("ENV") for pair in arguments.split()]
    return {key: value for key, _, value in (pair.partition("=") for pair in pairs)}


def requirement_names(name: str) -> list[str]:
    lines = (ROOT / "docker" / name).read_text().splitlines()
    return [canonicalize_name(Requirement(line).name) for line in lines if not line.startswith("#")]


def test_gpu_image_has_six_stages_each_based_on_the_previous_one() -> None:
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


def test_gpu_base_image_has_cuda_12_8_and_cudnn_9() -> None:
    assert "-cuda12.8-cudnn9-runtime@" in default_base(GPU)


@BOTH
def test_base_image_is_pinned_by_tag_and_digest(name: str) -> None:
    assert re.fullmatch(r"[\w./-]+:[\w.-]+@sha256:[0-9a-f]{64}", default_base(name))


@BOTH
def test_code_change_rebuilds_only_the_last_stage(name: str) -> None:
    *earlier, last = stages(name)
    copied = {source for stage in earlier for arguments in stage.arguments("COPY") for source in arguments.split()[:-1]}
    assert copied == {"constraints.txt", "docker/heavy.txt", "docker/light.txt"}
    assert not any("--mount" in line for stage in earlier for line in stage.lines)
    assert any("--mount=type=bind,target=/source" in arguments for arguments in last.arguments("RUN"))


@BOTH
def test_server_runs_as_an_unprivileged_user(name: str) -> None:
    assert stages(name)[-1].lines[-1] == "USER 10001:10001"


@BOTH
def test_image_declares_health_check_entrypoint_stop_signal_volume_and_ports(name: str) -> None:
    arguments = {
        word: text for stage in stages(name) for word, _, text in (line.partition(" ") for line in stage.lines)
    }
    assert arguments["HEALTHCHECK"].endswith('CMD ["python", "-m", "stt_service.healthcheck"]')
    assert arguments["ENTRYPOINT"] == '["tini", "--", "stt-server"]'
    assert arguments["STOPSIGNAL"] == "SIGTERM"
    assert arguments["VOLUME"] == environment(name)["MODELS_DIR"] == "/models"
    assert set(map(int, arguments["EXPOSE"].split())) == {
        DEFAULTS.control_port,
        DEFAULTS.data_port,
        DEFAULTS.http_port,
    }


@BOTH
def test_image_environment_contains_only_settings_and_keeps_tls_required(name: str) -> None:
    assert set(environment(name)) - NO_SETTINGS <= SETTING_NAMES
    assert "ALLOW_INSECURE" not in environment(name)


def test_dependency_lists_match_the_server_extra() -> None:
    heavy, light = requirement_names("heavy.txt"), requirement_names("light.txt")
    assert sorted(heavy) == heavy
    assert sorted(light) == light
    assert len({*heavy, *light}) == len(heavy) + len(light)
    assert {*heavy, *light} == requirements("server")


def test_gpu_packages_outside_the_constraints_are_pinned_and_installed_without_torch() -> None:
    [heavy] = [stage for stage in stages(GPU) if stage.name == "heavy-deps"]
    [unlisted] = [part for run in heavy.arguments("RUN") for part in run.split("&&") if "--no-deps" in part]
    extra = [Requirement(word) for word in unlisted.split() if "==" in word]
    assert {each.name for each in extra} == requirements("gpu") - requirements() - {"nvidia-cublas-cu12"}


def test_build_context_contains_only_installed_files() -> None:
    packages = {
        "protos" if name.split(".")[0] == "stt" else name.split(".")[0] for name in option_lines("options", "packages")
    }
    texts = {"LICENSE", "README.md", "constraints.txt", "pyproject.toml", "setup.cfg"}
    assert build_context() == packages | texts | {"docker/heavy.txt", "docker/light.txt"}


def test_package_built_from_the_build_context_contains_all_files_of_its_packages(tmp_path: Path) -> None:
    source = tmp_path / "source"
    tracked = subprocess.run(["git", "ls-files", "-z", *build_context()], cwd=ROOT, capture_output=True, check=True)
    names = tracked.stdout.decode().split("\0")[:-1]
    for name in names:
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, source / name)
    command = [
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "--wheel-dir",
        str(tmp_path),
        str(source),
    ]
    built = subprocess.run([sys.executable, "-m", *command], capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    [wheel] = tmp_path.glob("*.whl")
    installed = {name for name in ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert installed == {
        name.removeprefix("protos/") for name in names if "/" in name and not name.startswith("docker/")
    }


@BOTH
def test_hadolint_finds_nothing(name: str) -> None:
    if not HADOLINT.exists():
        pytest.skip("hadolint is not installed: pip install -e '.[images]'")
    done = subprocess.run([HADOLINT, ROOT / name], capture_output=True, text=True)
    assert done.stdout == ""
    assert done.returncode == 0
