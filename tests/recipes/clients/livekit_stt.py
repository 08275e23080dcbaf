"""LiveKit's OpenAI STT: `recognize` over REST, and streams over Realtime. Usage: URL RECORDING TURNS SENTENCE."""

from __future__ import annotations

import asyncio
import json
import sys
import wave

from livekit import rtc
from livekit.agents import APIStatusError, stt, utils
from livekit.plugins import openai

RATE_HZ = 24_000
TIMEOUT_S = 120.0


def frames(pcm: bytes) -> list[rtc.AudioFrame]:
    size = RATE_HZ // 10 * 2
    return [
        rtc.AudioFrame(part, RATE_HZ, 1, len(part) // 2)
        for part in (pcm[at : at + size] for at in range(0, len(pcm) // 2 * 2, size))
    ]


async def recognized(base_url: str, pcm: bytes, model: str) -> dict[str, object]:
    recognizer = openai.STT(base_url=base_url, api_key="unused", model=model, language="en")
    event = await recognizer.recognize(frames(pcm))
    return {"text": event.alternatives[0].text, "language": str(event.alternatives[0].language)}


async def rejected(base_url: str, pcm: bytes) -> int:
    recognizer = openai.STT(base_url=base_url, api_key="unused", model="whisper-1", language="tlh")
    try:
        await recognizer.recognize(frames(pcm))
    except APIStatusError as error:
        return error.status_code
    return 200


async def streamed(recognizer: openai.STT, pcm: bytes, turns: int) -> dict[str, object]:
    """Return the texts of a stream, whose turns the server ends; or the client's VAD, if the model has none."""
    stream, texts = recognizer.stream(), {"interim": [], "finals": [], "kinds": []}
    for frame in frames(pcm + bytes(3 * 2 * RATE_HZ)):
        stream.push_frame(frame)
    async with asyncio.timeout(TIMEOUT_S):
        async for event in stream:
            texts["kinds"].append(event.type.value)
            if event.type is stt.SpeechEventType.INTERIM_TRANSCRIPT:
                texts["interim"].append(event.alternatives[0].text)
            if event.type is stt.SpeechEventType.FINAL_TRANSCRIPT:
                texts["finals"].append(event.alternatives[0].text)
                if len(texts["finals"]) == turns:
                    break
    await stream.aclose()
    return texts


async def main(base_url: str, pcm: bytes, turns: int, sentence: bytes) -> dict[str, object]:
    async with utils.http_context.open():
        realtime = openai.STT(
            base_url=base_url,
            api_key="unused",
            model="gpt-4o-transcribe",
            language="en",
            use_realtime=True,
            turn_detection={"type": "server_vad", "threshold": 0.5, "silence_duration_ms": 500},
        )
        results: dict[str, object] = {
            "whisper-1": await recognized(base_url, pcm, "whisper-1"),
            "gpt-4o-transcribe": await recognized(base_url, pcm, "gpt-4o-transcribe"),
            "unknown language": await rejected(base_url, pcm),
            "stream": await streamed(realtime, pcm, turns),
            "second stream": await streamed(realtime, pcm, turns),
        }
        await realtime.aclose()
        committing = openai.STT(base_url=base_url, api_key="unused", model="gpt-realtime-whisper", language="en")
        results["client turns"] = await streamed(committing, sentence, 1)
        await committing.aclose()
        return results


def samples(path: str) -> bytes:
    with wave.open(path, "rb") as recording:
        return recording.readframes(recording.getnframes())


print(json.dumps(asyncio.run(main(sys.argv[1], samples(sys.argv[2]), int(sys.argv[3]), samples(sys.argv[4])))))
