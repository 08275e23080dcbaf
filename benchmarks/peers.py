"""The systems that the comparison puts beside this one, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from benchmarks.peer_realtimestt import MultiUser, SttServer
from benchmarks.peer_whisperlive import WhisperLive
from benchmarks.peer_whisperlivekit import WhisperLiveKit
from benchmarks.systems import System

PEERS: Mapping[str, Callable[[str], System]] = {
    peer.name: peer for peer in (SttServer, MultiUser, WhisperLive, WhisperLiveKit)
}
