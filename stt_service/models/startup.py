"""What a start comes to: the device, the models on it, and how many streams they carry."""

from __future__ import annotations

from dataclasses import dataclass

from stt_service.models.capacity import capacity
from stt_service.models.devices import Device
from stt_service.models.loader import LoadedModels, SelfTest
from stt_service.models.registry import Loader
from stt_service.settings.schema import ServerSettings


@dataclass(frozen=True, slots=True, eq=False)
class LoadedServer:
    """What there is once the models are loaded and tried; `loader` loads others beside them."""

    device: Device
    models: LoadedModels
    test: SelfTest
    loader: Loader

    @property
    def estimated_capacity(self) -> int:
        """Return how many streams can be open, none of which lags."""
        return capacity(self.test, self.models.plan)

    def max_streams(self, parameters: ServerSettings) -> int:
        """Return how many streams are let in at once under these settings."""
        return self.estimated_capacity if parameters.max_streams == "auto" else parameters.max_streams
