"""A second SIGTERM stops the server immediately."""

from __future__ import annotations

import signal
from collections.abc import Mapping

import pytest

from benchmarks.recordings import Recording
from benchmarks.service import ServiceError
from tests.support.clients.wire_client import Call, config, connected
from tests.support.servers.server_process import COMMON, Server

pytestmark = pytest.mark.model
CHEAP = {**COMMON, "WHISPER_MODEL": "tiny.en", "REALTIME_MODEL": "tiny.en"}


async def terminated_twice(number: signal.Signals, pcm: bytes) -> None:
    """Send the server a signal, and a second one while it waits for the end of an utterance."""
    with Server(CHEAP) as server:
        server.wait_until_listening()
        async with connected(server.address) as stub:
            call = Call(stub)
            await call.send(config())
            await call.send_audio(pcm)
            await call.until("speech_started")
            server.signal(number)
            await call.until("notice")
            server.signal(number)
            await server.wait_for_exit()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
async def test_second_signal_stops_a_server_that_waits_for_an_utterance(
    number: signal.Signals, code: int, recordings: Mapping[str, Recording]
) -> None:
    with pytest.raises(ServiceError, match=f"ended with exit code {code}"):
        await terminated_twice(number, recordings["en/brooklyn-bridge"].pcm())
