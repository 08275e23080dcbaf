"""A real Prometheus (Debian's package `prometheus`) that scrapes one server, and the results of its HTTP API."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlencode
from urllib.request import ProxyHandler, build_opener

from benchmarks.harness.ports import free_port

CONFIG = """
global: {{scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}}
rule_files: [{rules}]
scrape_configs:
  - job_name: stt
    static_configs: [{{targets: ["{target}"]}}]
"""
START_S, STOP_S, ANSWER_S = 30.0, 30.0, 10.0


class PrometheusError(Exception):
    """Prometheus is not installed, did not start, or rejected a query."""


@dataclass(frozen=True, slots=True)
class Series:
    """A result: its labels, and its values per second."""

    labels: Mapping[str, str]
    values: Sequence[tuple[float, float]]


class Prometheus:
    """A Prometheus for the length of a `with`, on a free loopback port."""

    def __init__(self, target: str, rules: Path, folder: Path) -> None:
        self._folder = folder
        self._config = CONFIG.format(target=target, rules=rules)
        self._address = f"127.0.0.1:{free_port()}"

    def __enter__(self) -> Self:
        program = shutil.which("prometheus")
        if program is None:
            raise PrometheusError("Prometheus is not installed: apt-get install prometheus")
        config = self._folder / "prometheus.yml"
        config.write_text(self._config, encoding="utf-8")
        self._log = (self._folder / "prometheus.log").open("w")
        self._process = subprocess.Popen(
            [
                program,
                f"--config.file={config}",
                f"--storage.tsdb.path={self._folder / 'data'}",
                f"--web.listen-address={self._address}",
            ],
            stdout=self._log,
            stderr=self._log,
        )
        self._wait()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        self._process.wait(STOP_S)
        self._log.close()

    def value(self, query: str) -> float:
        """Return the one current value of the query; 0 if there is none."""
        series = self.now(query)
        return series[0].values[0][1] if series else 0.0

    def now(self, query: str) -> list[Series]:
        """Return the current results of the query."""
        result = self._ask("query", query=query)["result"]
        return [Series(each["metric"], [(float(each["value"][0]), float(each["value"][1]))]) for each in result]

    def over(self, query: str, start: float, end: float) -> list[Series]:
        """Return the results of the query for each second between two wall-clock times."""
        result = self._ask("query_range", query=query, start=f"{start:.3f}", end=f"{end:.3f}", step="1")["result"]
        return [Series(each["metric"], [(float(t), float(v)) for t, v in each["values"]]) for each in result]

    def alerts(self) -> list[str]:
        """Return the alerts that are pending or fire."""
        return [alert["labels"]["alertname"] for alert in self._ask("alerts")["alerts"]]

    def _ask(self, path: str, **query: str) -> dict[str, Any]:
        url = f"http://{self._address}/api/v1/{path}?{urlencode(query)}"
        with build_opener(ProxyHandler({})).open(url, timeout=ANSWER_S) as answer:
            received = json.load(answer)
        if received["status"] != "success":
            raise PrometheusError(f"{query}: {received.get('error')}")
        return dict(received["data"])

    def _wait(self) -> None:
        deadline = monotonic() + START_S
        while monotonic() < deadline and self._process.poll() is None:
            try:
                self.now("vector(1)")
            except OSError:
                sleep(0.1)
            else:
                return
        raise PrometheusError(f"Prometheus did not start: see {self._log.name}")
