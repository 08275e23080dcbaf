"""Configuration, alerts and dashboard of Prometheus: valid, tested by promtool, and based on existing metrics."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from stt_service.telemetry.reference import DOCUMENT, families, with_table

ROOT = Path(__file__).parents[2]
MONITORING = ROOT / "docker" / "monitoring"
DASHBOARD = MONITORING / "grafana" / "dashboards" / "dashboard.json"
METRIC = re.compile(r"\b(?:stt|process)_\w+")


def promtool(*arguments: str | Path) -> None:
    """Run promtool; fail unless it succeeds."""
    if shutil.which("promtool") is None:
        pytest.skip("promtool is not installed: apt-get install prometheus")
    done = subprocess.run(["promtool", *map(str, arguments)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def alerts() -> list[dict[str, Any]]:
    groups = yaml.safe_load((MONITORING / "alerts.yml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def queries() -> Iterator[str]:
    """Yield the queries of the dashboard and of the alerts."""
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        yield from (target["expr"] for target in panel["targets"])
    yield from (alert["expr"] for alert in alerts())


def samples() -> set[str]:
    """Return the names of all series that a server exports."""
    return {sample.name for family in families() for sample in family.samples}


@pytest.mark.parametrize("name", ["prometheus.yml", "prometheus-here.yml"])
def test_configuration_is_valid_for_prometheus(name: str) -> None:
    promtool("check", "config", MONITORING / name)


def test_alerts_fire_exactly_as_specified() -> None:
    promtool("test", "rules", Path(__file__).with_name("alerts_test.yml"))


def test_every_alert_is_tested() -> None:
    tested = Path(__file__).with_name("alerts_test.yml").read_text()
    assert [alert["alert"] for alert in alerts() if f"alertname: {alert['alert']}" not in tested] == []


def test_document_has_an_action_for_every_alert() -> None:
    document = DOCUMENT.read_text()
    assert [alert["alert"] for alert in alerts() if f"| `{alert['alert']}` |" not in document] == []


def test_queries_use_existing_metrics() -> None:
    named = {name for query in queries() for name in METRIC.findall(query)}
    assert named - samples() == set()


def test_dashboard_uses_the_provisioned_source_and_has_unique_panel_ids() -> None:
    dashboard = json.loads(DASHBOARD.read_text())
    sources = yaml.safe_load((MONITORING / "grafana" / "datasources" / "prometheus.yml").read_text())["datasources"]
    used = {target["datasource"]["uid"] for panel in dashboard["panels"] for target in panel["targets"]}
    assert used == {source["uid"] for source in sources}
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(set(ids)) == len(ids)


def test_documented_metrics_table_is_up_to_date() -> None:
    document = DOCUMENT.read_text(encoding="utf-8")
    assert document == with_table(document), "run python -m stt_service.telemetry.reference --write"


def test_metric_names_follow_the_conventions_of_prometheus() -> None:
    for family in families():
        if family.type == "histogram":
            assert family.name.endswith(("_seconds", "_size"))
        assert not family.name.endswith(("_ms", "_percent", "_mb"))


def test_number_of_series_is_below_400() -> None:
    """Prometheus retains each series for weeks, for each server."""
    assert sum(len(family.samples) for family in families()) < 400
