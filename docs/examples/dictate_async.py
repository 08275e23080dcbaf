"""Prints the text of a WAV file with asyncio, which allows any number of concurrent dictations from any source.

python docs/examples/dictate_async.py talk.wav localhost:8012
"""

import asyncio
import sys
import wave
from collections.abc import AsyncIterator

from stt_client import AudioFormat, Final, Finalize, Input, Settings, StreamOptions, recognize


async def source(recording: wave.Wave_read) -> AsyncIterator[Input]:
    """Yield audio as it arrives; between chunks, `Settings` changes settings and `Finalize` ends an utterance."""
    while chunk := recording.readframes(recording.getframerate() // 10):
        yield chunk
    yield Finalize()


async def main(path: str, server: str) -> None:
    with wave.open(path) as recording:
        audio_format = AudioFormat(recording.getframerate(), recording.getnchannels())
        options = StreamOptions(format=audio_format, settings=Settings(language="en"))
        async for event in recognize(server, source(recording), options):
            if isinstance(event, Final):
                print(event.text)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
