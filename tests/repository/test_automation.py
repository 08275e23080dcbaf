"""Configuration of CI and of the pre-commit hooks."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))


def loaded(path: Path) -> dict[Any, Any]:
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert isinstance(content, dict)
    return content


def hooks() -> list[dict[str, Any]]:
    return [hook for repo in loaded(ROOT / ".pre-commit-config.yaml")["repos"] for hook in repo["hooks"]]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_workflow_has_triggers_limits_and_steps(path: Path) -> None:
    workflow = loaded(path)
    assert set(workflow) == {"name", True, "permissions", "jobs"}  # YAML 1.1 reads the key `on` as true
    assert set(workflow[True]) == {"push", "pull_request"}
    for job in workflow["jobs"].values():
        assert {"runs-on", "timeout-minutes", "steps"} <= set(job)
        assert all(("uses" in step) != ("run" in step) for step in job["steps"])


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_actions_of_workflow_are_pinned_to_a_version(path: Path) -> None:
    steps = [step for job in loaded(path)["jobs"].values() for step in job["steps"]]
    actions = [step["uses"] for step in steps if "uses" in step]
    assert actions
    assert all(re.fullmatch(r"[\w-]+/[\w-]+@v\d+", action) for action in actions)


def test_workflow_runs_the_script_of_ci() -> None:
    [workflow] = WORKFLOWS
    [job] = loaded(workflow)["jobs"].values()
    assert job["steps"][-1]["run"] == ".ci/run"


def test_hooks_are_local_and_use_the_tools_of_make_lint() -> None:
    lint = (ROOT / "Makefile").read_text(encoding="utf-8").replace("$(BIN)", ".venv/bin")
    assert hooks()
    for hook in hooks():
        assert hook["language"] == "system"
        program = re.sub(r" (--fix|--force-exclude)\b", "", hook["entry"])
        assert program in lint
