"""The same with asyncio: any number of dictations at once, each fed from wherever sound comes.

python docs/examples/dictate_async.py talk.wav localhost:8012
"""

import asyncio
import sys
import wave
from collections.abc import AsyncIterator

from stt_client import AudioFormat, Final, Finalize, Input, Settings, StreamOptions, recognize


async def source(recording: wave.Wave_read) -> AsyncIterator[Input]:
    """Yield sound as it comes; between it settings may change, and an utterance be ended."""
    while chunk := recording.readframes(recording.getframerate() // 10):
        yield chunk
    yield Finalize()


async def main(path: str, server: str) -> None:
    with wave.open(path) as recording:
        sound = AudioFormat(recording.getframerate(), recording.getnchannels())
        options = StreamOptions(format=sound, settings=Settings(language="en"))
        async for event in recognize(server, source(recording), options):
            if isinstance(event, Final):
                print(event.text)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
