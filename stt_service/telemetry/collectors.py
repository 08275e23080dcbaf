"""Metrics of what comes and goes: GPUs, models, the certificate. Looked up when asked for: nothing gone is told."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from stt_service.models.devices import Gpu
from stt_service.models.registry import ModelEntry, ModelState


class GpuCollector(Collector):
    """A series for each GPU that the driver shows to this process, by its index; none without nvidia-ml-py."""

    def __init__(self, look: Callable[[], Sequence[Gpu]]) -> None:
        self._look = look

    def describe(self) -> Iterable[Metric]:
        return _gpu_families()

    def collect(self) -> Iterator[Metric]:
        used, total, busy = _gpu_families()
        for index, gpu in enumerate(self._look()):
            labels = [str(index), gpu.name]
            used.add_metric(labels, gpu.used_bytes)
            total.add_metric(labels, gpu.total_bytes)
            if gpu.utilization is not None:
                busy.add_metric(labels, gpu.utilization)
        yield from (used, total, busy)


class ModelCollector(Collector):
    """A series for each model that is loaded, and what new streams use it for."""

    def __init__(self, shelf: Iterable[ModelEntry]) -> None:
        self._shelf = shelf

    def describe(self) -> Iterable[Metric]:
        return [_model_family()]

    def collect(self) -> Iterator[Metric]:
        family = _model_family()
        for shelved in self._shelf:
            if shelved.state is ModelState.LOADED:
                uses = sorted(role.name.lower() for role in shelved.roles)
                family.add_metric([shelved.name, "+".join(uses)], 1)
        yield family


class CertificateCollector(Collector):
    """When the certificate that is in force expires; replaced while the server runs, it is the new one's time."""

    def __init__(self, expires: Callable[[], datetime]) -> None:
        self._expires = expires

    def describe(self) -> Iterable[Metric]:
        return [_certificate_family()]

    def collect(self) -> Iterator[Metric]:
        family = _certificate_family()
        family.add_metric([], self._expires().timestamp())
        yield family


def _gpu_families() -> tuple[GaugeMetricFamily, GaugeMetricFamily, GaugeMetricFamily]:
    labels = ["gpu", "name"]
    return (
        GaugeMetricFamily("stt_gpu_memory_used_bytes", "GPU memory in use, by whomever.", labels=labels),
        GaugeMetricFamily("stt_gpu_memory_total_bytes", "GPU memory there is.", labels=labels),
        GaugeMetricFamily(
            "stt_gpu_utilization_ratio", "Share of the last second with GPU activity, 0..1.", labels=labels
        ),
    )


def _certificate_family() -> GaugeMetricFamily:
    meaning = "When TLS_CERT expires, in seconds since 1970; not told without TLS."
    return GaugeMetricFamily("stt_tls_certificate_expiry_timestamp_seconds", meaning)


def _model_family() -> GaugeMetricFamily:
    meaning = "1 for each model that is loaded; the use is what new streams have it for."
    return GaugeMetricFamily("stt_model_loaded", meaning, labels=["model", "use"])
