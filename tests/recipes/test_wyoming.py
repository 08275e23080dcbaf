"""The official wyoming client, with the requests of Home Assistant."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import pytest_asyncio
from google.protobuf.duration_pb2 import Duration
from stt.v1 import stt_pb2 as pb

from stt_service.settings.schema import LANGUAGES
from tests.recipes.conftest import SILENCE, RecipeServer, Spoken
from tests.support.environment.client_environments import client_environment

pytestmark = [pytest.mark.model, pytest.mark.process, pytest.mark.slow, pytest.mark.timeout(1200)]

MAX_WORD_ERROR_PERCENT = 10.0
AGGRESSIVE = Duration(nanos=250_000_000)


@pytest_asyncio.fixture(scope="module")
async def results(server: RecipeServer, english: Spoken, speech: Spoken) -> dict[str, Any]:
    environment = await asyncio.to_thread(client_environment, "wyoming")
    return await asyncio.to_thread(environment.run, "wyoming_asr.py", server.wyoming_address, english.wav, speech.wav)


def test_description_is_that_of_a_streaming_program(results: dict[str, Any]) -> None:
    (program,) = results["info"]["asr"]
    assert program["supports_transcript_streaming"]
    assert [model["name"] for model in program["models"]] == ["base"]
    assert set(program["models"][0]["languages"]) == LANGUAGES
    assert results["pong"] == "one"


async def test_transcript_is_the_text_of_grpc(results: dict[str, Any], server: RecipeServer, english: Spoken) -> None:
    expected = await server.text(english.wav)
    assert english.word_error_percent(expected) <= MAX_WORD_ERROR_PERCENT
    assert results["transcript"] == [
        {"type": "transcript-start", "language": "en"},
        {"type": "transcript-chunk", "text": expected},
        {"type": "transcript", "text": expected, "language": "en"},
        {"type": "transcript-stop"},
    ]
    assert results["at once"] == 2 * [expected]


async def test_names_are_hotwords(results: dict[str, Any], server: RecipeServer, english: Spoken) -> None:
    settings = pb.Settings(language="en", hotwords=["Miss Taylor", "dimmer"])
    assert results["with names"][-2]["text"] == " ".join(await server.stream(english.pcm, settings))


async def test_chunks_are_the_finals_of_grpc_and_begin_before_the_audio_stops(
    results: dict[str, Any], server: RecipeServer, speech: Spoken
) -> None:
    settings = pb.Settings(language="en", post_speech_silence=AGGRESSIVE)
    finals = await server.stream(speech.pcm + SILENCE, settings)
    assert len(finals) > 1
    received = results["several utterances"]
    assert received["before stop"] == ["transcript-start", "transcript-chunk"]
    chunks = [received["chunk"], *(each["text"] for each in received["after"] if each["type"] == "transcript-chunk")]
    assert chunks == [finals[0], *(f" {final}" for final in finals[1:])]
    assert "".join(chunks) == received["after"][-2]["text"]


def test_unknown_language_is_an_error(results: dict[str, Any]) -> None:
    error = results["language"]
    assert (error["type"], error["code"], error["then"]) == ("error", "INVALID_ARGUMENT", None)
    assert "Invalid LANGUAGE='klingon'" in error["text"]
