"""The official openai package, synchronous and asynchronous, REST and Realtime."""

from __future__ import annotations

import asyncio
import re
from itertools import groupby
from typing import Any

import pytest
import pytest_asyncio
from stt.v1 import stt_pb2 as pb

from tests.recipes.conftest import RecipeServer, Spoken, joined
from tests.support.environment.client_environments import ClientEnvironment, client_environment

pytestmark = [pytest.mark.model, pytest.mark.process, pytest.mark.slow, pytest.mark.timeout(1200)]

MAX_WORD_ERROR_PERCENT = 10.0
ITEM = "conversation.item.input_audio_transcription"


@pytest.fixture(scope="module")
def environment() -> ClientEnvironment:
    return client_environment("openai")


@pytest_asyncio.fixture(scope="module")
async def rest(
    environment: ClientEnvironment, server: RecipeServer, english: Spoken, russian: Spoken
) -> dict[str, Any]:
    return await asyncio.to_thread(environment.run, "openai_rest.py", server.base_url, english.wav, russian.wav)


@pytest_asyncio.fixture(scope="module")
async def turns(server: RecipeServer, speech: Spoken) -> list[str]:
    return await server.server_turns(speech.pcm)


@pytest_asyncio.fixture(scope="module")
async def realtime(
    environment: ClientEnvironment, server: RecipeServer, speech: Spoken, turns: list[str]
) -> dict[str, Any]:
    return await asyncio.to_thread(environment.run, "openai_realtime.py", server.base_url, speech.wav, len(turns))


async def test_transcriptions_have_the_text_of_recognize(
    rest: dict[str, Any], server: RecipeServer, english: Spoken, russian: Spoken
) -> None:
    expected = await server.text(english.wav)
    assert english.word_error_percent(expected) <= MAX_WORD_ERROR_PERCENT
    assert rest["json"] == {
        "text": expected,
        "languages": [{"code": "en"}],
        "usage": {"type": "duration", "seconds": 8},
    }
    assert rest["async_json"] == rest["text"].strip() == rest["verbose"]["text"] == expected
    assert english.word_error_percent(rest["hints"]) <= MAX_WORD_ERROR_PERCENT
    assert rest["russian"] == await server.text(russian.wav, "ru")


async def test_verbose_json_has_the_times_of_recognize(
    rest: dict[str, Any], server: RecipeServer, english: Spoken
) -> None:
    finals = (await server.recognize(english.wav, pb.Settings(language="en"))).utterances
    segments = rest["verbose"]["segments"]
    assert [(each["start"], each["end"], each["text"].strip()) for each in segments] == [
        (final.start_ms / 1000, final.end_ms / 1000, final.text.strip()) for final in finals
    ]
    assert " ".join(word["word"] for word in rest["verbose"]["words"]) == joined(finals)
    assert rest["verbose_default"]["segments"] == segments
    assert "words" not in rest["verbose_default"]
    assert (rest["verbose"]["language"], rest["verbose"]["task"]) == ("english", "transcribe")


def test_subtitles_and_logprobs_have_the_whole_text(rest: dict[str, Any]) -> None:
    text = rest["json"]["text"]
    for name, decimal in (("srt", ","), ("vtt", r"\.")):
        time = rf"\d\d:\d\d:\d\d{decimal}\d\d\d"
        cues = re.findall(rf"^{time} --> {time}\n(.+)$", rest[name], re.MULTILINE)
        assert " ".join(cues) == text
    assert rest["vtt"].startswith("WEBVTT\n\n")
    assert "".join(entry["token"] for entry in rest["logprobs"]["logprobs"]) == text


def test_streamed_deltas_together_are_the_text_of_the_last_event(rest: dict[str, Any]) -> None:
    *deltas, done = rest["stream"]
    assert {event["type"] for event in deltas} == {"transcript.text.delta"}
    assert done["type"] == "transcript.text.done"
    assert "".join(event["delta"] for event in deltas) == done["text"] == rest["json"]["text"]


def test_translation_is_english_and_names_the_spoken_language(rest: dict[str, Any]) -> None:
    assert "password" in rest["translation"].lower()
    assert rest["verbose_translation"]["text"] == rest["translation"]
    assert (rest["verbose_translation"]["language"], rest["verbose_translation"]["task"]) == ("russian", "translate")


def test_models_are_listed_and_retrieved(rest: dict[str, Any]) -> None:
    assert rest["models"] == ["base"]
    assert (rest["model"]["id"], rest["model"]["object"]) == ("base", "model")


@pytest.mark.parametrize(
    ("attempt", "status", "part"),
    [
        ("language", 400, "Invalid language='klingon'"),
        ("no file", 400, "Missing file"),
        ("empty file", 400, "0 bytes"),
        ("not audio", 400, "cannot be decoded"),
        ("speakers", 400, "diarized_json"),
        ("granularity", 400, "verbose_json"),
        ("model", 404, "this server has 'base'"),
        ("path", 404, "Invalid URL (POST /v1/audio/speech)"),
    ],
)
def test_errors_have_a_status_and_a_message(rest: dict[str, Any], attempt: str, status: int, part: str) -> None:
    error = rest["errors"][attempt]
    assert error["status"] == status
    assert error["code"]
    assert part in error["message"]


def of_type(events: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [event for event in events if event["type"] == kind]


def transcripts(events: list[dict[str, Any]]) -> list[str]:
    assert not of_type(events, "error")
    return [event["transcript"] for event in of_type(events, f"{ITEM}.completed")]


def test_server_vad_completes_the_finals_of_grpc(realtime: dict[str, Any], turns: list[str]) -> None:
    events = realtime["server_vad"]
    assert len(turns) > 1
    assert transcripts(events) == turns
    kinds = [kind for kind in (event["type"] for event in events) if kind.startswith("input_audio_buffer.")]
    assert kinds == len(turns) * [
        f"input_audio_buffer.{kind}" for kind in ("speech_started", "speech_stopped", "committed")
    ]
    ids = [event["item_id"] for event in of_type(events, "input_audio_buffer.committed")]
    previous = [event["previous_item_id"] for event in of_type(events, "input_audio_buffer.committed")]
    assert previous == [None, *ids[:-1]]


def test_deltas_of_each_item_only_grow(realtime: dict[str, Any]) -> None:
    for events in realtime.values():
        deltas = sorted(of_type(events, f"{ITEM}.delta"), key=lambda event: str(event["item_id"]))
        sent = {
            item: "".join(event["delta"] for event in group)
            for item, group in groupby(deltas, lambda event: event["item_id"])
        }
        for completed in of_type(events, f"{ITEM}.completed"):
            text = sent.get(completed["item_id"], "")
            assert completed["transcript"].startswith(text) or text  # a final may change the text; no delta is empty
        assert all(event["delta"] for event in deltas)


async def test_commit_completes_the_text_of_grpc(
    realtime: dict[str, Any], server: RecipeServer, speech: Spoken
) -> None:
    expected = [await server.client_turn(speech.pcm)]
    for scenario in ("minimal delay", "commit", "commit after clear", "commit after error", "sync commit"):
        assert transcripts(realtime[scenario]) == expected, scenario
        assert of_type(realtime[scenario], "input_audio_buffer.committed")


async def test_any_chunks_and_commits_complete_the_text_of_grpc(
    realtime: dict[str, Any], server: RecipeServer, speech: Spoken
) -> None:
    third = len(speech.pcm) // 6 * 2
    pieces = [speech.pcm[:third], speech.pcm[third : 2 * third], speech.pcm[2 * third :]]
    assert transcripts(realtime["ragged"]) == [await server.client_turn(piece) for piece in pieces]


def test_logprobs_and_segments_of_an_item_have_its_transcript(realtime: dict[str, Any]) -> None:
    for scenario in ("minimal delay", "commit"):
        *_, completed = realtime[scenario]
        segments = of_type(realtime[scenario], f"{ITEM}.segment")
        assert segments
        assert " ".join(segment["text"] for segment in segments) == completed["transcript"]
        times = [time for segment in segments for time in (segment["start"], segment["end"])]
        assert times == sorted(times)
    assert "".join(each["token"] for each in realtime["minimal delay"][-1]["logprobs"]) == completed["transcript"]
    assert "logprobs" not in completed


def test_commit_of_an_empty_buffer_completes_an_empty_text(realtime: dict[str, Any]) -> None:
    assert transcripts(realtime["empty commit"]) == [""]


def test_session_is_updated_on_the_same_socket_and_keeps_its_values_after_an_error(realtime: dict[str, Any]) -> None:
    created, updated, again = (realtime[name][-1]["session"] for name in ("created", "updated", "second update"))
    assert created["id"] == updated["id"] == again["id"]
    assert updated["audio"]["input"]["turn_detection"]["silence_duration_ms"] == 500
    assert again["audio"]["input"]["turn_detection"] is None
    (error,) = realtime["bad language"]
    assert (error["type"], error["error"]["code"]) == ("error", "invalid_value")
    assert error["error"]["event_id"] == "event_klingon"


def test_clear_discards_the_audio(realtime: dict[str, Any]) -> None:
    assert [event["type"] for event in realtime["clear"]][-1] == "input_audio_buffer.cleared"
    assert not of_type(realtime["clear"], f"{ITEM}.completed")
