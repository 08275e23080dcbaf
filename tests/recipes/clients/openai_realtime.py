"""openai: Realtime transcription sessions. Usage: URL RECORDING TURNS; the recording is WAV, 24 kHz, mono, 16 bit."""

from __future__ import annotations

import asyncio
import base64
import json
import random
import sys
import wave

from openai import AsyncOpenAI, OpenAI

CHUNK_BYTES = 4_800  # 100 ms
SILENCE = bytes(3 * 48_000)
TRANSCRIPTION = {"model": "gpt-4o-transcribe", "language": "en"}
COMPLETED = "conversation.item.input_audio_transcription.completed"
TIMEOUT_S = 120.0


def session(turn_detection: object, **transcription: object) -> dict[str, object]:
    return {
        "type": "transcription",
        "audio": {
            "input": {
                "format": {"type": "audio/pcm", "rate": 24_000},
                "transcription": {**TRANSCRIPTION, **transcription},
                "turn_detection": turn_detection,
            }
        },
    }


def pieces(pcm: bytes) -> list[bytes]:
    """Return the audio between commits, at a third and at two thirds."""
    third = len(pcm) // 6 * 2
    return [pcm[:third], pcm[third : 2 * third], pcm[2 * third :]]


def chunks(pcm: bytes) -> list[str]:
    return [base64.b64encode(pcm[at : at + CHUNK_BYTES]).decode() for at in range(0, len(pcm), CHUNK_BYTES)]


async def until(connection, wanted: str, count: int = 1) -> list[dict[str, object]]:
    """Return the events up to the wanted one, or an error."""
    events: list[dict[str, object]] = []
    while count:
        async with asyncio.timeout(TIMEOUT_S):
            events.append((await connection.recv()).to_dict())
        count -= events[-1]["type"] in (wanted, "error")
    return events


def ragged(pcm: bytes) -> list[str]:
    """Return the audio in chunks of any size, which may end inside a sample."""
    sizes, at, encoded = random.Random(7), 0, []
    while at < len(pcm):
        end = at + sizes.randint(1, 3 * CHUNK_BYTES)
        encoded.append(base64.b64encode(pcm[at:end]).decode())
        at = end
    return encoded


async def append_ragged(connection, pcm: bytes) -> None:
    for chunk in ragged(pcm):
        await connection.input_audio_buffer.append(audio=chunk)


async def append(connection, pcm: bytes) -> None:
    for chunk in chunks(pcm):
        await connection.input_audio_buffer.append(audio=chunk)


async def main(base_url: str, pcm: bytes, turns: int) -> dict[str, object]:
    results: dict[str, object] = {}
    async with (
        AsyncOpenAI(base_url=base_url, api_key="unused", max_retries=0) as client,
        client.realtime.connect(extra_query={"intent": "transcription"}) as connection,
    ):
        results["created"] = await until(connection, "session.created")
        await connection.session.update(
            session=session({"type": "server_vad", "threshold": 0.5, "silence_duration_ms": 500})
        )
        results["updated"] = await until(connection, "session.updated")
        await append(connection, pcm + SILENCE)
        results["server_vad"] = await until(connection, COMPLETED, turns)

        await connection.session.update(
            session={**session(None, delay="minimal"), "include": ["item.input_audio_transcription.logprobs"]}
        )
        results["minimal update"] = await until(connection, "session.updated")
        await append(connection, pcm)
        await connection.input_audio_buffer.commit()
        results["minimal delay"] = await until(connection, COMPLETED)

        await connection.session.update(session={**session(None, delay=None), "include": None})
        results["second update"] = await until(connection, "session.updated")
        await append(connection, pcm)
        await connection.input_audio_buffer.commit()
        results["commit"] = await until(connection, COMPLETED)

        await append(connection, pcm)
        await connection.input_audio_buffer.clear()
        results["clear"] = await until(connection, "input_audio_buffer.cleared")
        await append(connection, pcm)
        await connection.input_audio_buffer.commit()
        results["commit after clear"] = await until(connection, COMPLETED)

        await connection.input_audio_buffer.commit()
        results["empty commit"] = await until(connection, COMPLETED)

        await connection.session.update(session=session(None, delay="minimal"))
        results["ragged update"] = await until(connection, "session.updated")
        for piece in pieces(pcm):
            await append_ragged(connection, piece)
            await connection.input_audio_buffer.commit()
        results["ragged"] = await until(connection, COMPLETED, len(pieces(pcm)))

        await connection.session.update(session=session(None, language="klingon"), event_id="event_klingon")
        results["bad language"] = await until(connection, "session.updated")
        await append(connection, pcm)
        await connection.input_audio_buffer.commit()
        results["commit after error"] = await until(connection, COMPLETED)
    return results


def sync_commit(base_url: str, pcm: bytes) -> list[object]:
    """Return the events of one commit; the former flat session type is not used by this client."""
    client, events = OpenAI(base_url=base_url, api_key="unused", max_retries=0), []
    with client.realtime.connect(extra_query={"intent": "transcription"}) as connection:
        connection.session.update(session=session(None))
        for chunk in chunks(pcm):
            connection.input_audio_buffer.append(audio=chunk)
        connection.input_audio_buffer.commit()
        for event in connection:
            events.append(event.to_dict())
            if event.type in (COMPLETED, "error"):
                return events
    return events


with wave.open(sys.argv[2], "rb") as recording:
    samples = recording.readframes(recording.getnframes())
print(
    json.dumps(
        {**asyncio.run(main(sys.argv[1], samples, int(sys.argv[3]))), "sync commit": sync_commit(sys.argv[1], samples)}
    )
)
