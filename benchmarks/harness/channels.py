"""Opens gRPC channels to the measured servers; a proxy that the environment names is not used."""

from __future__ import annotations

import grpc.aio

from stt_client.transport.channel import NO_PROXY

OWN_CONNECTION = ("grpc.use_local_subchannel_pool", 1)  # not shared with another channel of the process


def channel_to(address: str, *options: tuple[str, int]) -> grpc.aio.Channel:
    return grpc.aio.insecure_channel(address, options=(*NO_PROXY, *options))
