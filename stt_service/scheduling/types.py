"""Values of the executor: models, decodes and their results, statistics."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import TypeAlias

from stt_service.scheduling.scheduler import Job
from stt_service.session.events import Decode, DecodeTiming
from stt_service.whisper.types import Kind, Transcript, Window

Transcribe = Callable[[Sequence[Window]], list[Transcript]]
Clock = Callable[[], float]  # seconds
DecodeFactory = Callable[[], Decode | None]  # makes the decode when its batch starts; None: it is no longer needed


@dataclass(frozen=True, slots=True, eq=False)
class ExecutorModel:
    """A loaded model. As many of its batches can run at once as it has slots."""

    transcribe: Transcribe
    slots: int = 1
    multilingual: bool = True


DecodeJob: TypeAlias = Job[ExecutorModel]


@dataclass(frozen=True, slots=True)
class DecodeResult:
    """A decode, its transcript and its timing."""

    decode: Decode
    transcript: Transcript
    timing: DecodeTiming


class NotDecoded(Enum):
    """Why there is no transcript."""

    WITHDRAWN = auto()  # before its batch: it was withdrawn or superseded
    DECLINED = auto()  # when its batch started: its factory returned None


DecodeFuture: TypeAlias = "asyncio.Future[DecodeResult | NotDecoded]"


@dataclass(frozen=True, slots=True)
class QueueSnapshot:
    """The queue at one moment."""

    count: Mapping[Kind, int]
    longest_s: Mapping[Kind, float]  # longest wait of a real-time stream
    longest_by_stream_s: Mapping[Hashable, float]


@dataclass(frozen=True, slots=True)
class QueueWait:
    """How long a decode waited for its batch, and whether its stream is a real-time one."""

    waited_s: float
    realtime: bool


@dataclass(frozen=True, slots=True)
class BatchStats:
    """A batch that ran."""

    kind: Kind
    waits: Sequence[QueueWait]  # of its decodes
    took_s: float
    failed: bool


BatchObserver = Callable[[BatchStats], None]
