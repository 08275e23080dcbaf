"""A client to be killed: it sends speech, prints its stream's id once an utterance is open, and waits."""

from __future__ import annotations

import asyncio
import sys

from benchmarks.recordings import RECORDINGS
from tests.support.clients.wire_client import Call, config, connected


async def main(address: str, name: str) -> None:
    (recording,) = (recording for recording in RECORDINGS if recording.name == name)
    async with connected(address) as stub:
        call = Call(stub)
        await call.send(config())
        await call.send_audio(recording.pcm())
        await call.until("speech_started")
        print(call.responses[0].started.stream_id, flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
