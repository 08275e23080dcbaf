"""docs/deployment.md names existing commands and quotes messages of the server verbatim."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from stt_service.errors import ConfigError, InferenceError
from stt_service.models.devices import CUBLAS, DRIVER, CudaStatus, Device, choose_device, detect_cuda
from stt_service.models.loader import startup_error
from stt_service.settings import environment
from stt_service.settings.schema import ServerSettings
from stt_service.telemetry.banner import fallback

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "deployment.md").read_text(encoding="utf-8")


def test_documented_make_targets_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"(?:^|`|\$ |box )make ([a-z][a-z-]+)", TEXT, re.MULTILINE))
    assert {"docker-run", "deploy", "remote-status"} <= named <= targets


def test_documented_compose_services_exist() -> None:
    services = set(yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"])
    lines = re.findall(r"docker compose up -d((?: [a-z-]+)+)`", TEXT)
    named = {word for line in lines for word in line.split() if not word.startswith("--")}
    assert {"stt-cpu", "envoy"} <= named <= services


def test_messages_about_a_device_fallback_are_quoted_verbatim() -> None:
    missing = f"{DRIVER} is missing: install the NVIDIA driver, and start a container with --gpus"
    for line in fallback(Device("cuda", "cpu", reason=missing)):
        assert line in TEXT
    assert detect_cuda().missing in ("", missing)
    assert f"`{CUBLAS} is missing`" in TEXT
    device, _ = choose_device(ServerSettings.model_validate({"gpu_device_index": "1"}), lambda: CudaStatus(1))
    assert f"`{device.reason}`" in TEXT


def test_message_about_too_little_memory_is_quoted_verbatim() -> None:
    error = InferenceError("the model in /models/medium does not load on cuda: CUDA failed with error out of memory")
    assert str(startup_error("The model medium cannot be used", error)) in TEXT


@pytest.mark.parametrize("setting", [("BEAM_SIZE", "50")], ids=str)
def test_message_about_an_invalid_value_is_quoted_verbatim(setting: tuple[str, str]) -> None:
    with pytest.raises(ConfigError) as raised:
        environment.load(dict([setting]))
    assert str(raised.value) in TEXT


def test_message_about_a_misspelled_setting_is_quoted_verbatim(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("MAX_STREAM=4\n")
    with pytest.raises(ConfigError) as raised:
        environment.load({}, tmp_path / ".env")
    assert str(raised.value) in TEXT
