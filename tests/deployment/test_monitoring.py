"""Prometheus's configuration, alerts and dashboard: valid, tested by promtool, and about metrics that there are."""

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
    """Have promtool check it."""
    if shutil.which("promtool") is None:
        pytest.skip("promtool is not installed: apt-get install prometheus")
    done = subprocess.run(["promtool", *map(str, arguments)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def alerts() -> list[dict[str, Any]]:
    groups = yaml.safe_load((MONITORING / "alerts.yml").read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def queries() -> Iterator[str]:
    """Yield all that the dashboard and the alerts ask."""
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        yield from (target["expr"] for target in panel["targets"])
    yield from (alert["expr"] for alert in alerts())


def samples() -> set[str]:
    """Return the names of all series that a server can tell."""
    return {sample.name for family in families() for sample in family.samples}


@pytest.mark.parametrize("name", ["prometheus.yml", "prometheus-here.yml"])
def test_prometheus_takes_the_configuration(name: str) -> None:
    promtool("check", "config", MONITORING / name)


def test_alerts_fire_when_they_should_and_not_else() -> None:
    promtool("test", "rules", Path(__file__).with_name("alerts_test.yml"))


def test_every_alert_has_a_test() -> None:
    tested = Path(__file__).with_name("alerts_test.yml").read_text()
    assert [alert["alert"] for alert in alerts() if f"alertname: {alert['alert']}" not in tested] == []


def test_the_document_says_what_to_do_for_every_alert() -> None:
    document = DOCUMENT.read_text()
    assert [alert["alert"] for alert in alerts() if f"| `{alert['alert']}` |" not in document] == []


def test_every_query_is_about_metrics_that_there_are() -> None:
    named = {name for query in queries() for name in METRIC.findall(query)}
    assert named - samples() == set()


def test_the_dashboard_finds_its_source_and_shows_each_panel_once() -> None:
    dashboard = json.loads(DASHBOARD.read_text())
    sources = yaml.safe_load((MONITORING / "grafana" / "datasources" / "prometheus.yml").read_text())["datasources"]
    asked = {target["datasource"]["uid"] for panel in dashboard["panels"] for target in panel["targets"]}
    assert asked == {source["uid"] for source in sources}
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(set(ids)) == len(ids)


def test_the_documents_table_is_that_of_the_code() -> None:
    document = DOCUMENT.read_text(encoding="utf-8")
    assert document == with_table(document), "run python -m stt_service.telemetry.reference --write"


def test_names_are_those_that_prometheus_recommends() -> None:
    for family in families():
        if family.type == "histogram":
            assert family.name.endswith(("_seconds", "_size"))
        assert not family.name.endswith(("_ms", "_percent", "_mb"))


def test_the_number_of_series_is_small() -> None:
    """Each is kept for weeks by whoever scrapes, for each server."""
    assert sum(len(family.samples) for family in families()) < 400
