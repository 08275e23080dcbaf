"""wyoming: description, transcriptions as Home Assistant requests them, and errors. Usage: ADDRESS RECORDING SPEECH."""

from __future__ import annotations

import asyncio
import json
import sys
import wave
from contextlib import suppress
from pathlib import Path

from wyoming.asr import Transcribe, Transcript, TranscriptChunk
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.client import AsyncTcpClient
from wyoming.error import Error
from wyoming.event import Event
from wyoming.info import Describe, Info
from wyoming.ping import Ping, Pong

CHUNK_SAMPLES = 1024
SILENCE_S = 3


async def main(host: str, port: int, recording: Path, speech: Path) -> None:
    async with AsyncTcpClient(host, port) as client:
        await client.write_event(Describe().event())
        info = Info.from_event(await client.read_event())
        await client.write_event(Ping("one").event())
        pong = Pong.from_event(await client.read_event())
        await send(client, recording, Transcribe(language="en"))
        first = await receive(client)
        names = Transcribe(language="en-US", transcript_names=["Miss Taylor"], transcript_terms=["dimmer"])
        await send(client, recording, names)
        second = await receive(client)
    results = {
        "info": info.event().data,
        "pong": pong.text,
        "transcript": first,
        "with names": second,
        "several utterances": await several_utterances(host, port, speech),
        "at once": await asyncio.gather(*(as_home_assistant(host, port, recording) for _ in range(2))),
        "language": await rejection(host, port, recording, Transcribe(language="klingon")),
    }
    print(json.dumps(results))


def chunks(audio: wave.Wave_read) -> list[AudioChunk]:
    rate, width, channels = audio.getframerate(), audio.getsampwidth(), audio.getnchannels()
    samples = iter(lambda: audio.readframes(CHUNK_SAMPLES), b"")
    return [AudioChunk(rate, width, channels, each) for each in samples]


async def send(client: AsyncTcpClient, recording: Path, request: Transcribe) -> None:
    await client.write_event(request.event())
    with wave.open(str(recording), "rb") as audio:
        rate, width, channels = audio.getframerate(), audio.getsampwidth(), audio.getnchannels()
        await client.write_event(AudioStart(rate, width, channels).event())
        for chunk in chunks(audio):
            await client.write_event(chunk.event())
    await client.write_event(AudioStop().event())


async def receive(client: AsyncTcpClient) -> list[object]:
    """Return the events of a transcription."""
    events = []
    while (event := await client.read_event()) is not None:
        events.append({"type": event.type, **event.data})
        if event.type == "transcript-stop":
            break
    return events


async def several_utterances(host: str, port: int, speech: Path) -> dict[str, object]:
    """Stop the audio only once the first utterance is recognized."""
    async with AsyncTcpClient(host, port) as client:
        request = Transcribe(language="en", vad_sensitivity="aggressive")
        await client.write_event(request.event())
        with wave.open(str(speech), "rb") as audio:
            rate, width, channels = audio.getframerate(), audio.getsampwidth(), audio.getnchannels()
            await client.write_event(AudioStart(rate, width, channels).event())
            silence = AudioChunk(rate, width, channels, bytes(SILENCE_S * rate * width * channels))
            for chunk in (*chunks(audio), silence):
                await client.write_event(chunk.event())
        early = [await client.read_event(), await client.read_event()]
        await client.write_event(AudioStop().event())
        return {
            "before stop": [each.type for each in early],
            "chunk": text_of(early[1]),
            "after": await receive(client),
        }


def text_of(event: Event) -> str:
    return TranscriptChunk.from_event(event).text


async def as_home_assistant(host: str, port: int, recording: Path) -> str:
    """Send and receive at the same time, on a connection for one command."""
    async with AsyncTcpClient(host, port) as client:
        sending = asyncio.create_task(send(client, recording, Transcribe(language="en")))
        while (event := await client.read_event()) is not None:
            if Transcript.is_type(event.type):
                await sending
                return Transcript.from_event(event).text
    raise ConnectionError("The server closed the connection.")


async def rejection(host: str, port: int, recording: Path, request: Transcribe) -> dict[str, object]:
    async with AsyncTcpClient(host, port) as client:
        with suppress(ConnectionError):
            await send(client, recording, request)
        event = await client.read_event()
        error = Error.from_event(event)
        return {"type": event.type, "text": error.text, "code": error.code, "then": await client.read_event()}


if __name__ == "__main__":
    host, _, port = sys.argv[1].rpartition(":")
    asyncio.run(main(host, int(port), Path(sys.argv[2]), Path(sys.argv[3])))
