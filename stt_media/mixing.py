"""Mixes channels to one so that speech on any of them is preserved.

The plain mean fails in two ways: channels of opposite phase cancel each other, and a single channel with speech is
divided by the number of channels. So the mix is amplified to the level of the loudest channel. Where the mix is weaker
than the share of that channel alone, channels cancel each other, and the loudest one replaces the mix.

Pure. Decisions use levels over about five seconds, in blocks of fixed length, so they depend only on the audio.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

Channels = NDArray[np.float32]  # shape (channels, n), range [-1, 1]
Mono = NDArray[np.float32]  # shape (n,), range [-1, 1]

BLOCK_S = 0.1
DECAY = 0.98  # of the levels per block: a time constant of 5 s
SILENCE_POWER = 1e-9  # mean square, -90 dB: too weak for a decision
CANCELLATION_RATIO = 0.25  # of the power of the loudest channel's share in the mix: 6 dB below that channel alone
SWITCH_RATIO = 4.0  # a channel with this many times the power replaces the selected one
# Dialogue is in the center channel if there is one. LFE is not 0: recorders label six microphones as 5.1 too.
FRONT_WEIGHTS = {"FC": 1.0, "FL": 0.5, "FR": 0.5, "LFE": 0.1}
SURROUND_WEIGHT = 0.35


def weights_of(names: Sequence[str]) -> NDArray[np.float64]:
    """Return each channel's share in the mix, from the channels' names in FFmpeg."""
    if "FC" not in names:
        return np.full(len(names), 1 / len(names))
    shares = [FRONT_WEIGHTS.get(name, SURROUND_WEIGHT) for name in names]
    return np.array(shares, np.float64) / sum(shares)


class Mixer:
    """Mixes one stream, independent of the chunk boundaries."""

    def __init__(self, names: Sequence[str], rate_hz: int) -> None:
        self.rate_hz, self.channels = rate_hz, len(names)
        self.fallback_channel: int | None = None  # the first channel, from 0, that replaced the mix
        self._weights = weights_of(names)
        self._block = max(1, round(BLOCK_S * rate_hz))
        self._pending: Channels = np.empty((len(names), 0), np.float32)
        self._power = np.zeros(len(names))
        self._mix_power = 0.0
        self._channel: int | None = None  # the channel that replaces the mix
        self._gains: NDArray[np.float64] | None = None  # at the end of the last block

    def push(self, samples: Channels) -> Iterator[Mono]:
        """Add samples; yield the mix of the blocks that they complete."""
        if self.channels == 1:
            yield samples[0]
            return
        self._pending = np.concatenate((self._pending, samples), axis=1)
        while self._pending.shape[1] >= self._block:
            block, self._pending = self._pending[:, : self._block], self._pending[:, self._block :]
            yield self._mix(block)

    def flush(self) -> Iterator[Mono]:
        """Yield the mix of the incomplete block; more samples may follow."""
        block, self._pending = self._pending, self._pending[:, :0]
        if block.shape[1]:
            yield self._mix(block)

    def _mix(self, block: Channels) -> Mono:
        gains = self._next_gains(block)
        before = gains if self._gains is None else self._gains
        self._gains = gains
        if np.array_equal(before, gains):
            return _clipped(gains @ block)
        ramp = np.linspace(0, 1, block.shape[1])
        return _clipped((before @ block) * (1 - ramp) + (gains @ block) * ramp)

    def _next_gains(self, block: Channels) -> NDArray[np.float64]:
        self._power = DECAY * self._power + np.mean(np.square(block, dtype=np.float64), axis=1)
        mix = self._weights @ block
        self._mix_power = DECAY * self._mix_power + float(np.mean(np.square(mix)))
        loudest = int(np.argmax(self._power))
        if self._power[loudest] < SILENCE_POWER:
            return self._weights if self._gains is None else self._gains
        self._choose(loudest)
        if self._channel is not None:
            return _only(self._channel, len(self._weights))
        gain = math.sqrt(self._power[loudest] / max(self._mix_power, SILENCE_POWER**2))
        return np.multiply(self._weights, min(max(1.0, gain), 1 / self._weights[loudest]))

    def _choose(self, loudest: int) -> None:
        """Decide whether one channel replaces the mix."""
        alone = self._weights[loudest] ** 2 * self._power[loudest]  # power of the mix if all other channels were silent
        if self._channel is None and self._mix_power < CANCELLATION_RATIO * alone:
            self._channel = self._first_loud_channel(loudest)
            self.fallback_channel = self._channel if self.fallback_channel is None else self.fallback_channel
        elif self._channel is not None and self._mix_power > alone:
            self._channel = None
        elif self._channel is not None and self._power[loudest] > SWITCH_RATIO * self._power[self._channel]:
            self._channel = loudest

    def _first_loud_channel(self, loudest: int) -> int:
        return int(np.argmax(self._power * SWITCH_RATIO >= self._power[loudest]))


def _only(channel: int, count: int) -> NDArray[np.float64]:
    gains = np.zeros(count)
    gains[channel] = 1
    return gains


def _clipped(mix: NDArray[np.float64]) -> Mono:
    return np.clip(mix, -1, 1).astype(np.float32)
