"""Pipecat's OpenAI STT services against our base URL: REST, Realtime with commits, Realtime with server VAD."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import pytest_asyncio

from tests.recipes.conftest import RecipeServer, Spoken
from tests.support.environment.client_environments import client_environment

pytestmark = [pytest.mark.model, pytest.mark.process, pytest.mark.slow, pytest.mark.timeout(1200)]


@pytest_asyncio.fixture(scope="module")
async def turns(server: RecipeServer, speech: Spoken) -> list[str]:
    return await server.server_turns(speech.pcm)


@pytest_asyncio.fixture(scope="module")
async def results(server: RecipeServer, speech: Spoken, turns: list[str]) -> dict[str, Any]:
    environment = client_environment("pipecat")
    return await asyncio.to_thread(environment.run, "pipecat_stt.py", server.base_url, speech.wav, len(turns))


def test_no_service_reports_an_error(results: dict[str, Any]) -> None:
    assert [each["errors"] for each in results.values()] == [[]] * 4


async def test_rest_service_has_the_text_of_grpc(results: dict[str, Any], server: RecipeServer, speech: Spoken) -> None:
    expected = [await server.text(speech.wav)]
    assert results["rest"]["finals"] == results["rest verbose"]["finals"] == expected


async def test_commits_have_the_text_of_grpc(results: dict[str, Any], server: RecipeServer, speech: Spoken) -> None:
    assert results["realtime"]["finals"] == [await server.client_turn(speech.pcm)]


def test_server_vad_has_the_finals_of_grpc_and_proposes_each_turn(results: dict[str, Any], turns: list[str]) -> None:
    assert results["server vad"]["finals"] == turns
    assert results["server vad"]["turns"] == len(turns) * [
        "ProposedUserStartedSpeakingFrame",
        "ProposedUserStoppedSpeakingFrame",
    ]
