"""The systems that the comparison measures in addition to this one, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from benchmarks.comparison.systems import System
from benchmarks.peers.realtimestt import MultiUser, SttServer
from benchmarks.peers.whisperlive import WhisperLive
from benchmarks.peers.whisperlivekit import WhisperLiveKit

PEERS: Mapping[str, Callable[[str], System]] = {
    peer.name: peer for peer in (SttServer, MultiUser, WhisperLive, WhisperLiveKit)
}
