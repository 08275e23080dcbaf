"""Metrics of GPUs, models and the certificate, read at each scrape, so that removed ones disappear."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from stt_service.models.devices import Gpu
from stt_service.models.registry import ModelEntry, ModelState


class GpuCollector(Collector):
    """A series for each GPU that the driver shows to this process, by index; none without nvidia-ml-py."""

    def __init__(self, list_gpus: Callable[[], Sequence[Gpu]]) -> None:
        self._list_gpus = list_gpus

    def describe(self) -> Iterable[Metric]:
        return _gpu_families()

    def collect(self) -> Iterator[Metric]:
        used, total, utilization = _gpu_families()
        for index, gpu in enumerate(self._list_gpus()):
            labels = [str(index), gpu.name]
            used.add_metric(labels, gpu.used_bytes)
            total.add_metric(labels, gpu.total_bytes)
            if gpu.utilization is not None:
                utilization.add_metric(labels, gpu.utilization)
        yield from (used, total, utilization)


class ModelCollector(Collector):
    """A series for each loaded model, with its use by new streams."""

    def __init__(self, registry: Iterable[ModelEntry]) -> None:
        self._registry = registry

    def describe(self) -> Iterable[Metric]:
        return [_model_family()]

    def collect(self) -> Iterator[Metric]:
        family = _model_family()
        for entry in self._registry:
            if entry.state is ModelState.LOADED:
                uses = sorted(role.name.lower() for role in entry.roles)
                family.add_metric([entry.name, "+".join(uses)], 1)
        yield family


class CertificateCollector(Collector):
    """The expiry time of the current certificate, also after it was replaced while the server runs."""

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
        GaugeMetricFamily("stt_gpu_memory_used_bytes", "GPU memory in use by all processes.", labels=labels),
        GaugeMetricFamily("stt_gpu_memory_total_bytes", "Total GPU memory.", labels=labels),
        GaugeMetricFamily(
            "stt_gpu_utilization_ratio", "Share of the last second with GPU activity, 0..1.", labels=labels
        ),
    )


def _certificate_family() -> GaugeMetricFamily:
    meaning = "Expiry time of TLS_CERT, in seconds since 1970; absent without TLS."
    return GaugeMetricFamily("stt_tls_certificate_expiry_timestamp_seconds", meaning)


def _model_family() -> GaugeMetricFamily:
    meaning = "1 for each loaded model; the use label is its role for new streams."
    return GaugeMetricFamily("stt_model_loaded", meaning, labels=["model", "use"])
