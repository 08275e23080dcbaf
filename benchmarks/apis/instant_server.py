"""A server whose decodes take no time, so that only the path of a stream is left to measure.

    python -m benchmarks.apis.instant_server

It has the ports, sessions and VADs of a real server; its engine returns the same text for each window. Settings are
environment variables. It prints the addresses as a server does, and drains on SIGTERM.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys

from tests.support.servers.in_process_server import BlockingServerEngine, running_server

TEXT = "one two three"  # the engine returns the prompt of a window
SETTINGS = ("POST_SPEECH_SILENCE_DURATION", "RIVA", "WYOMING_PORT", "LOG_LEVEL")
STREAMS = 4


async def serve() -> None:
    """Serve until SIGTERM."""
    terminated = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, terminated.set)
    engine = BlockingServerEngine()
    engine.release()
    more = {name.lower(): os.environ[name] for name in SETTINGS if name in os.environ}
    async with running_server(engine, STREAMS, more={**more, "initial_prompt": TEXT}) as server:
        if server.wyoming is not None:
            print(f"Wyoming on {server.wyoming.address}", file=sys.stderr)
        print(f"HTTP on {server.http.address}", file=sys.stderr)
        print(f"Listening on {server.data.address}", file=sys.stderr)
        await terminated.wait()


if __name__ == "__main__":
    asyncio.run(serve())
