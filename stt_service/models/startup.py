"""Everything that serving needs once the models are loaded and tested, and how many streams this machine can serve."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from stt_service.models.devices import Device
from stt_service.models.loader import TEST_S, ComputePlan, LoadedModels, SelfTest
from stt_service.models.registry import ModelLoader, ModelRegistry
from stt_service.scheduling.executor import BatchExecutor
from stt_service.settings.schema import ServerSettings
from stt_service.vad.silero import Silero, silero_path

# The load of an open stream. Our measurements, to be repeated when decodes change.
SPEAKING_SHARE = 0.7  # of the time contains speech
FINALS_PER_UTTERANCE = 1.3  # some speculative finals are discarded because speech continues
PARTIALS_PER_S = 1.5  # of speech: with fewer the text no longer appears live
EVENT_LOOP_RTF = 0.01  # seconds of event loop per second of audio: 0.011 for speech, 0.0015 for silence, and gRPC
# Streams speak independently: the closer to 1, the longer finals wait for one another.
UTILIZATION = 0.7


@dataclass(frozen=True, slots=True, eq=False)
class LoadedServer:
    """The loaded and tested models with everything that serves them. It exists once, and only when all of it does."""

    device: Device
    plan: ComputePlan
    test: SelfTest
    registry: ModelRegistry  # the models and their roles
    executor: BatchExecutor  # decodes for all streams, once its `run` is running
    silero: Silero

    @property
    def estimated_capacity(self) -> int:
        """How many streams can be open without delayed partials."""
        return estimate_capacity(self.test, self.plan)

    def max_streams(self, settings: ServerSettings) -> int:
        """Return how many streams are admitted at once under these settings."""
        return self.estimated_capacity if settings.max_streams == "auto" else settings.max_streams


def assemble(
    device: Device,
    models: LoadedModels,
    test: SelfTest,
    loader: ModelLoader,
    settings: Callable[[], ServerSettings],
) -> LoadedServer:
    """Return everything that serves the loaded models.

    Args:
        loader: loads further models at run time.
        settings: returns the current settings.
    """
    executor = BatchExecutor(settings().max_batch, models.plan.workers, separate_streams=models.plan.separate_streams)
    return LoadedServer(
        device=device,
        plan=models.plan,
        test=test,
        registry=ModelRegistry(models, executor, loader, lambda: settings().language),
        executor=executor,
        silero=Silero(silero_path()),
    )


def estimate_capacity(test: SelfTest, plan: ComputePlan) -> int:
    """Return how many streams can be open without delayed partials, at least 1."""
    finals_s = FINALS_PER_UTTERANCE * test.final_s / TEST_S
    decodes_s = SPEAKING_SHARE * (finals_s + PARTIALS_PER_S * test.partial_s) / test.batch_speedup
    return max(1, int(UTILIZATION * min(plan.workers / decodes_s, 1 / EVENT_LOOP_RTF)))
