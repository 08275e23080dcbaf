"""openai: every response format of a recording, translation, models and errors. Usage: URL RECORDING RUSSIAN."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from pathlib import Path

from openai import APIStatusError, AsyncOpenAI, OpenAI

MODEL = "whisper-1"


def main(base_url: str, recording: Path, russian: Path) -> None:
    client = OpenAI(base_url=base_url, api_key="unused", max_retries=0)
    results = {
        **formats(client, recording),
        "async_json": asyncio.run(recognize_async(base_url, recording)),
        "stream": streamed(client, recording),
        "translation": client.audio.translations.create(model=MODEL, file=russian).text,
        "verbose_translation": client.audio.translations.create(
            model=MODEL, file=russian, response_format="verbose_json"
        ).to_dict(),
        "russian": client.audio.transcriptions.create(model=MODEL, file=russian, language="ru").text,
        **models(client),
        "errors": errors(client, recording),
    }
    print(json.dumps(results))


def formats(client: OpenAI, recording: Path) -> dict[str, object]:
    create = client.audio.transcriptions.create
    plain = {"model": MODEL, "file": recording, "language": "en"}
    return {
        "json": create(**plain).to_dict(),
        "logprobs": create(**{**plain, "model": "gpt-4o-transcribe"}, include=["logprobs"]).to_dict(),
        "hints": create(**plain, prompt="A novel.", keywords=["Dashwood"], temperature=0).text,
        "verbose": create(
            **plain, response_format="verbose_json", timestamp_granularities=["word", "segment"]
        ).to_dict(),
        "verbose_default": create(**plain, response_format="verbose_json").to_dict(),
        **{name: create(**plain, response_format=name) for name in ("text", "srt", "vtt")},
    }


def streamed(client: OpenAI, recording: Path) -> list[object]:
    with client.audio.transcriptions.create(model=MODEL, file=recording, language="en", stream=True) as events:
        return [event.to_dict() for event in events]


async def recognize_async(base_url: str, recording: Path) -> str:
    async with AsyncOpenAI(base_url=base_url, api_key="unused", max_retries=0) as client:
        return (await client.audio.transcriptions.create(model=MODEL, file=recording, language="en")).text


def models(client: OpenAI) -> dict[str, object]:
    names = [model.id for model in client.models.list()]
    return {"models": names, "model": client.models.retrieve(names[0]).to_dict()}


def errors(client: OpenAI, recording: Path) -> dict[str, object]:
    create = client.audio.transcriptions.create
    attempts: dict[str, Callable[[], object]] = {
        "language": lambda: create(model=MODEL, file=recording, language="klingon"),
        "no file": lambda: client.post(
            "/audio/transcriptions",
            cast_to=object,
            body={"model": MODEL},
            files=[],
            options={"headers": {"Content-Type": "multipart/form-data"}},
        ),
        "empty file": lambda: create(model=MODEL, file=("empty.wav", b"")),
        "not audio": lambda: create(model=MODEL, file=("text.wav", b"These are words, not samples. " * 99)),
        "speakers": lambda: create(model=MODEL, file=recording, response_format="diarized_json"),
        "granularity": lambda: create(model=MODEL, file=recording, timestamp_granularities=["word"]),
        "model": lambda: client.models.retrieve("no-such-model"),
        "path": lambda: client.audio.speech.create(model="tts-1", voice="alloy", input="Hello."),
    }
    return {name: failure(attempt) for name, attempt in attempts.items()}


def failure(attempt: Callable[[], object]) -> dict[str, object]:
    try:
        attempt()
    except APIStatusError as error:
        return {
            "status": error.status_code,
            "code": error.code,
            "message": error.message,
            "class": type(error).__name__,
        }
    return {"status": 200}


main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
