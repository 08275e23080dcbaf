"""The manifests in docker/kubernetes, as built by kubectl without a cluster."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import CollectorRegistry

from stt_service.recognition.stream import GRACE_S
from stt_service.settings import environment
from stt_service.settings.schema import ServerSettings
from stt_service.telemetry.metrics import Metrics

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docker" / "kubernetes"
BIN = Path(sys.executable).parent
DEFAULTS = ServerSettings.model_validate({})
Manifest = dict[str, Any]


def tool(name: str) -> Path:
    path = BIN / name
    if not path.exists():
        pytest.skip(f"{name} is not installed: pip install -e '.[images]'")
    return path


@pytest.fixture(scope="session")
def built() -> str:
    done = subprocess.run([tool("kubectl"), "kustomize", FOLDER], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="session")
def manifests(built: str) -> list[Manifest]:
    return list(yaml.safe_load_all(built))


def named(manifests: list[Manifest], kind: str, name: str) -> Manifest:
    [found] = [each for each in manifests if each["kind"] == kind and each["metadata"]["name"].startswith(name)]
    return found


def pods(manifests: list[Manifest]) -> Iterator[Manifest]:
    for each in manifests:
        if each["kind"] == "Deployment":
            yield each["spec"]["template"]


def server(manifests: list[Manifest]) -> Manifest:
    [container] = named(manifests, "Deployment", "stt")["spec"]["template"]["spec"]["containers"]
    return dict(container)


def test_manifests_are_valid_for_kubernetes(built: str, tmp_path: Path) -> None:
    (tmp_path / "built.yaml").write_text(built)
    command = [str(tool("kubernetes-validate")), "--strict", str(tmp_path / "built.yaml")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr + done.stdout


def test_manifests_contain_all_resources(manifests: list[Manifest]) -> None:
    assert {(each["kind"], each["metadata"]["name"].partition("-")[0]) for each in manifests} == {
        ("Namespace", "realtime"),
        ("PersistentVolumeClaim", "models"),
        ("ConfigMap", "stt"),
        ("ConfigMap", "envoy"),
        ("HorizontalPodAutoscaler", "stt"),
        *(
            (kind, name)
            for kind in ("Deployment", "Service", "PodDisruptionBudget", "NetworkPolicy")
            for name in ("stt", "envoy")
        ),
    }


def test_settings_are_accepted_by_the_server(manifests: list[Manifest]) -> None:
    settings = named(manifests, "ConfigMap", "stt-settings")["data"]
    assert set(settings) <= environment.SETTING_NAMES
    assert environment.load({**settings, "SERVER_BIND": "0.0.0.0"}).warnings == ()  # noqa: S104


def test_ports_are_the_defaults_of_the_settings(manifests: list[Manifest]) -> None:
    ports = {port["name"]: port["containerPort"] for port in server(manifests)["ports"]}
    assert ports == {
        "control": DEFAULTS.control_port,
        "data": DEFAULTS.data_port,
        "metrics": DEFAULTS.http_port,
    }
    probes = [server(manifests)[f"{name}Probe"]["httpGet"] for name in ("startup", "readiness", "liveness")]
    assert [(probe["path"], probe["port"]) for probe in probes] == [
        ("/readyz", "metrics"),
        ("/readyz", "metrics"),
        ("/healthz", "metrics"),
    ]


def test_termination_grace_period_covers_the_drain(manifests: list[Manifest]) -> None:
    pod = named(manifests, "Deployment", "stt")["spec"]["template"]["spec"]
    waits_s = server(manifests)["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert pod["terminationGracePeriodSeconds"] > waits_s + GRACE_S


def test_containers_have_least_privileges(manifests: list[Manifest]) -> None:
    for template in pods(manifests):
        pod = template["spec"]
        assert pod["securityContext"]["runAsNonRoot"]
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert pod["automountServiceAccountToken"] is False
        for container in [*pod.get("initContainers", ()), *pod["containers"]]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert "memory" in container["resources"]["limits"]


def test_server_has_its_own_gpu_and_downloads_weights_before_it_starts(manifests: list[Manifest]) -> None:
    assert server(manifests)["resources"]["limits"]["nvidia.com/gpu"] == 1
    pod = named(manifests, "Deployment", "stt")["spec"]["template"]["spec"]
    assert [each["args"] for each in pod["initContainers"]] == [
        ["download", "$(WHISPER_MODEL)"],
        ["download", "$(REALTIME_MODEL)"],
    ]


def test_selectors_match_existing_pods(manifests: list[Manifest]) -> None:
    labels = [template["metadata"]["labels"] for template in pods(manifests)]
    for each in manifests:
        spec = each.get("spec", {})
        match each["kind"]:
            case "Service":
                assert spec["selector"] in labels
            case "PodDisruptionBudget":
                assert spec["selector"]["matchLabels"] in labels
            case "NetworkPolicy":
                assert spec["podSelector"]["matchLabels"] in labels
            case "HorizontalPodAutoscaler":
                assert spec["scaleTargetRef"]["name"] == "stt"


def test_network_policy_allows_plaintext_only_from_envoy(manifests: list[Manifest]) -> None:
    [from_envoy, from_prometheus] = named(manifests, "NetworkPolicy", "stt")["spec"]["ingress"]
    assert from_envoy["from"] == [{"podSelector": {"matchLabels": {"app.kubernetes.io/name": "envoy"}}}]
    assert [port["port"] for port in from_envoy["ports"]] == ["data"]
    assert [port["port"] for port in from_prometheus["ports"]] == ["metrics"]


def test_envoy_resolves_each_server_by_the_configured_name(manifests: list[Manifest]) -> None:
    service = named(manifests, "Service", "stt")
    assert service["spec"]["clusterIP"] == "None"
    configuration = named(manifests, "ConfigMap", "envoy")["data"]["envoy.yaml"]
    assert "{address: stt, port_value: 8012}" in configuration
    assert "{address: 0.0.0.0, port_value: 8012}" in configuration


def test_envoy_image_is_that_of_compose(manifests: list[Manifest]) -> None:
    [container] = named(manifests, "Deployment", "envoy")["spec"]["template"]["spec"]["containers"]
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    assert container["image"] == compose["services"]["envoy"]["image"]


def test_autoscaler_and_adapter_use_an_existing_metric(manifests: list[Manifest]) -> None:
    [metric] = named(manifests, "HorizontalPodAutoscaler", "stt")["spec"]["metrics"]
    registry = CollectorRegistry()
    Metrics(registry)
    assert metric["pods"]["metric"]["name"] in {family.name for family in registry.collect()}
    [rule] = yaml.safe_load((FOLDER / "adapter-rule.yaml").read_text())["rules"]["custom"]
    assert rule["seriesQuery"].startswith(metric["pods"]["metric"]["name"] + "{")
