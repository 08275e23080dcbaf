"""A server that is told to go twice: the second time it means now."""

from __future__ import annotations

import signal
from collections.abc import Mapping

import pytest

from benchmarks.recordings import Recording
from benchmarks.service import ServiceError
from tests.support.servers import COMMON, Server
from tests.support.wire_client import Call, config, connected

pytestmark = pytest.mark.model
CHEAP = {**COMMON, "WHISPER_MODEL": "tiny.en", "REALTIME_MODEL": "tiny.en"}


async def told_twice(number: signal.Signals, pcm: bytes) -> None:
    """Have a server told to go, and once more while it waits for an utterance's end."""
    with Server(CHEAP) as server:
        server.wait_until_listening()
        async with connected(server.address) as stub:
            call = Call(stub)
            await call.send(config())
            await call.say(pcm)
            await call.until("speech_started")
            server.signal(number)
            await call.until("notice")
            server.signal(number)
            await server.ended()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
async def test_a_second_signal_ends_a_server_that_waits_for_an_utterance(
    number: signal.Signals, code: int, recordings: Mapping[str, Recording]
) -> None:
    with pytest.raises(ServiceError, match=f"ended with exit code {code}"):
        await told_twice(number, recordings["en/brooklyn-bridge"].pcm())
