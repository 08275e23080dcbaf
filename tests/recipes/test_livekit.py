"""LiveKit's OpenAI STT plugin against our base URL: `recognize` (REST) and streams (Realtime)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import pytest_asyncio

from tests.recipes.conftest import SILENCE, RecipeServer, Spoken
from tests.support.environment.client_environments import client_environment

pytestmark = [pytest.mark.model, pytest.mark.process, pytest.mark.slow, pytest.mark.timeout(1200)]


@pytest_asyncio.fixture(scope="module")
async def turns(server: RecipeServer, speech: Spoken) -> list[str]:
    return await server.server_turns(speech.pcm)


@pytest_asyncio.fixture(scope="module")
async def results(server: RecipeServer, speech: Spoken, short: Spoken, turns: list[str]) -> dict[str, Any]:
    environment = client_environment("livekit")
    arguments = (server.base_url, speech.wav, len(turns), short.wav)
    return await asyncio.to_thread(environment.run, "livekit_stt.py", *arguments)


async def test_recognize_has_the_text_of_grpc(results: dict[str, Any], server: RecipeServer, speech: Spoken) -> None:
    expected = await server.text(speech.wav)
    assert results["whisper-1"]["text"] == results["gpt-4o-transcribe"]["text"] == expected
    assert results["gpt-4o-transcribe"]["language"] == "en"
    assert results["unknown language"] == 400


@pytest.mark.parametrize("stream", ["stream", "second stream"])
def test_streams_have_the_finals_of_grpc(results: dict[str, Any], turns: list[str], stream: str) -> None:
    assert results[stream]["finals"] == turns
    kinds = [kind for kind in results[stream]["kinds"] if kind.endswith("_of_speech")]
    assert kinds == len(turns) * ["start_of_speech", "end_of_speech"]


async def test_turns_of_the_clients_vad_have_the_text_of_grpc(
    results: dict[str, Any], server: RecipeServer, short: Spoken
) -> None:
    assert results["client turns"]["finals"] == [await server.client_turn(short.pcm + SILENCE)]
