"""Realtime STT's client: `recognize` for asyncio, `recognized` for everybody else; docs/client.md shows both.

The rest of the package serves the command line. Importing this loads neither gRPC nor anything that is slow.
"""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING

from stt_client.errors import ClientError, ConnectionFailedError, ServiceError, SourceError
from stt_client.events import (
    AudioFormat,
    Connection,
    ConnectionState,
    Encoding,
    Event,
    Final,
    Finalize,
    Input,
    Latency,
    Notice,
    Partial,
    Settings,
    SettingsUpdated,
    SpeechStarted,
    Started,
    StreamOptions,
    Suppressed,
    Word,
)
from stt_client.recovery.retry import RetryPolicy
from stt_client.target import Target, Tls

if TYPE_CHECKING:
    from stt_client.client import recognize
    from stt_client.sync import recognize_sync

__all__ = [
    "AudioFormat",
    "ClientError",
    "Connection",
    "ConnectionFailedError",
    "ConnectionState",
    "Encoding",
    "Event",
    "Final",
    "Finalize",
    "Input",
    "Latency",
    "Notice",
    "Partial",
    "RetryPolicy",
    "ServiceError",
    "Settings",
    "SettingsUpdated",
    "SourceError",
    "SpeechStarted",
    "Started",
    "StreamOptions",
    "Suppressed",
    "Target",
    "Tls",
    "Word",
    "recognize",
    "recognize_sync",
]

# gRPC's own resolver (c-ares) asks DNS only: it does not find hosts that mDNS, a VPN or other system sources know.
# gRPC reads the variable when it is imported.
os.environ.setdefault("GRPC_DNS_RESOLVER", "native")

_SLOW = {"recognize": "stt_client.client", "recognize_sync": "stt_client.sync"}  # they load gRPC


def __getattr__(name: str) -> object:
    if name in _SLOW:
        return getattr(import_module(_SLOW[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
