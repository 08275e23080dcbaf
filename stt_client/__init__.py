"""Realtime STT's client library: `recognize` for asyncio, `recognize_sync` for other programs; see docs/client.md.

The names in `__all__` are the public API; the rest of the package serves the command line and the editor. The import
is fast: gRPC is loaded when one of the two functions is first used.
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
    Stability,
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
    "Stability",
    "Started",
    "StreamOptions",
    "Suppressed",
    "Target",
    "Tls",
    "Word",
    "recognize",
    "recognize_sync",
]

# gRPC's own resolver (c-ares) queries DNS only: it does not find hosts known to mDNS, a VPN or other system sources.
# gRPC reads the variable at its import.
os.environ.setdefault("GRPC_DNS_RESOLVER", "native")

_LAZY = {"recognize": "stt_client.client", "recognize_sync": "stt_client.sync"}  # both import gRPC


def __getattr__(name: str) -> object:
    if name in _LAZY:
        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
