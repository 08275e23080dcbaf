"""Generates the metrics table of docs/monitoring.md from the collectors, as settings/reference.py does for settings.

python -m stt_service.telemetry.reference            prints the table
python -m stt_service.telemetry.reference --write    updates the document
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path

from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric

from stt_service.models.devices import Gpu
from stt_service.models.registry import ModelEntry, ModelState, Role
from stt_service.telemetry.collectors import CertificateCollector, GpuCollector, ModelCollector
from stt_service.telemetry.metrics import Metrics

DOCUMENT = Path(__file__).parents[2] / "docs" / "monitoring.md"
BEGIN, END = "<!-- metrics -->", "<!-- end of metrics -->"
OPEN = frozenset({"gpu", "model", "name", "use", "version"})  # labels without a fixed set of values


def families() -> list[Metric]:
    """Return every metric family of a server with a GPU and TLS."""
    registry = CollectorRegistry()
    Metrics(registry)
    registry.register(GpuCollector(lambda: [Gpu("A", 0, 0, 0.0)]))
    registry.register(ModelCollector([ModelEntry("base", ModelState.LOADED, frozenset(Role))]))
    registry.register(CertificateCollector(lambda: datetime.now(UTC)))
    return list(registry.collect())


def table() -> str:
    """Return a Markdown table with a row for each metric."""
    rows = ["| metric | type | labels | meaning |", "|---|---|---|---|"]
    for family in families():
        name = family.name + ("_total" if family.type == "counter" else "")
        rows.append(f"| `{name}` | {family.type} | {_labels(family)} | {family.documentation} |")
    return "\n".join(rows) + "\n"


def with_table(document: str) -> str:
    """Return the document with the current table between its markers."""
    before, _, rest = document.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{table()}{END}{after}"


def _labels(family: Metric) -> str:
    values: dict[str, dict[str, None]] = {}
    for sample in family.samples:
        for label, value in sample.labels.items():
            values.setdefault(label, {})[value] = None
    return "; ".join(
        f"`{label}`" if label in OPEN else f"`{label}`: {', '.join(known)}"
        for label, known in values.items()
        if label != "le"
    )


if __name__ == "__main__":
    if sys.argv[1:] == ["--write"]:
        DOCUMENT.write_text(with_table(DOCUMENT.read_text(encoding="utf-8")), encoding="utf-8")
    else:
        sys.stdout.write(table())
