"""NVIDIA Riva's Python client: its messages on the wire, and the calls of its scripts against the data port."""

from __future__ import annotations

import asyncio
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.duration_pb2 import Duration
from stt.riva.v1 import riva_pb2 as riva
from stt.v1 import stt_pb2 as pb

from benchmarks.recordings import FOLDER
from stt_service.access.tokens import line, new_token
from stt_service.riva.servicer import MODELS, RECORDING, SERVICE, STREAM
from tests.recipes.conftest import RecipeServer, Spoken, joined
from tests.support.environment.certificates import CertificateAuthority
from tests.support.environment.client_environments import ClientEnvironment, client_environment
from tests.support.servers.in_process_server import BlockingServerEngine, running_server

pytestmark = [pytest.mark.model, pytest.mark.process, pytest.mark.slow, pytest.mark.timeout(1200)]

SCRIPTS = os.environ.get("RIVA_CLIENTS", "")  # a checkout of the client's repository: its package has no scripts
SCRIPT_TIMEOUT_S = 120.0
FLAC = "en/jfk"
ENUM = {0: "ENCODING_UNSPECIFIED", 1: "LINEAR_PCM", 2: "FLAC", 3: "MULAW", 4: "OGGOPUS", 20: "ALAW"}
PACKAGE = "nvidia.riva.asr."
# Our message: Riva's, and Riva's name of each of our fields.
MESSAGES: dict[str, tuple[str, dict[str, str]]] = {
    "CallId": ("nvidia.riva.RequestId", {"text": "value"}),
    "Vocabulary": (f"{PACKAGE}SpeechContext", {"terms": "phrases", "weight": "boost"}),
    "Speakers": (f"{PACKAGE}SpeakerDiarizationConfig", {"enabled": "enable_speaker_diarization"}),
    "Endpointing": (f"{PACKAGE}EndpointingConfig", {"silence_ms": "stop_history"}),
    "Options": (
        f"{PACKAGE}RecognitionConfig",
        {
            "encoding": "encoding",
            "sample_rate_hz": "sample_rate_hertz",
            "language": "language_code",
            "masks_profanity": "profanity_filter",
            "vocabularies": "speech_contexts",
            "channels": "audio_channel_count",
            "word_times": "enable_word_time_offsets",
            "separates_channels": "enable_separate_recognition_per_channel",
            "model": "model",
            "speakers": "diarization_config",
            "endpointing": "endpointing_config",
        },
    ),
    "StreamOptions": (f"{PACKAGE}StreamingRecognitionConfig", {"options": "config", "partials": "interim_results"}),
    "StreamRequest": (
        f"{PACKAGE}StreamingRecognizeRequest",
        {"start": "streaming_config", "audio": "audio_content", "id": "id"},
    ),
    "RecordingRequest": (f"{PACKAGE}RecognizeRequest", {"options": "config", "audio": "audio", "id": "id"}),
    "Word": (
        f"{PACKAGE}WordInfo",
        {
            "start_ms": "start_time",
            "end_ms": "end_time",
            "text": "word",
            "confidence": "confidence",
            "language": "language_code",
        },
    ),
    "Hypothesis": (
        f"{PACKAGE}SpeechRecognitionAlternative",
        {"text": "transcript", "confidence": "confidence", "words": "words", "languages": "language_code"},
    ),
    "StreamResult": (
        f"{PACKAGE}StreamingRecognitionResult",
        {
            "hypotheses": "alternatives",
            "final": "is_final",
            "stability": "stability",
            "channel": "channel_tag",
            "received_s": "audio_processed",
        },
    ),
    "StreamResponse": (f"{PACKAGE}StreamingRecognizeResponse", {"results": "results", "id": "id"}),
    "RecordingResult": (
        f"{PACKAGE}SpeechRecognitionResult",
        {"hypotheses": "alternatives", "channel": "channel_tag", "received_s": "audio_processed"},
    ),
    "RecordingResponse": (f"{PACKAGE}RecognizeResponse", {"results": "results", "id": "id"}),
    "ModelsRequest": (f"{PACKAGE}RivaSpeechRecognitionConfigRequest", {"name": "model_name"}),
    "ModelsResponse": (f"{PACKAGE}RivaSpeechRecognitionConfigResponse", {"models": "model_config"}),
    "ModelsResponse.Model": (
        f"{PACKAGE}RivaSpeechRecognitionConfigResponse.Config",
        {"name": "model_name", "properties": "parameters"},
    ),
    "ModelsResponse.Model.PropertiesEntry": (
        f"{PACKAGE}RivaSpeechRecognitionConfigResponse.Config.ParametersEntry",
        {"key": "key", "value": "value"},
    ),
}
# Name: the request, the response, and whether each is a stream.
METHODS = {
    STREAM: ("StreamRequest", "StreamResponse", True, True),
    RECORDING: ("RecordingRequest", "RecordingResponse", False, False),
    MODELS: ("ModelsRequest", "ModelsResponse", False, False),
}


@pytest.fixture(scope="module")
def environment() -> ClientEnvironment:
    return client_environment("riva")


@pytest.fixture(scope="module")
def official(environment: ClientEnvironment) -> dict[str, Any]:
    return environment.run("riva_descriptors.py")


@pytest_asyncio.fixture(scope="module")
async def results(
    environment: ClientEnvironment, server: RecipeServer, speech: Spoken, russian: Spoken
) -> dict[str, Any]:
    arguments = (server.grpc_address, speech.wav, russian.wav, FOLDER / f"{FLAC}.flac")
    return await asyncio.to_thread(environment.run, "riva_asr.py", *arguments)


def local_name(descriptor: Descriptor) -> str:
    return descriptor.full_name.removeprefix("stt.riva.v1.")


def all_messages() -> list[Descriptor]:
    """Return all of our messages, nested ones too."""
    found = list(riva.DESCRIPTOR.message_types_by_name.values())
    for message in found:  # grows while it is read
        found.extend(message.nested_types)
    return found


def on_the_wire(field: FieldDescriptor, name: str) -> dict[str, object]:
    return {
        "name": name,
        "type": field.type,
        "repeated": field.is_repeated,
        "presence": field.has_presence,
        "message": MESSAGES[local_name(field.message_type)][0] if field.message_type else None,
        "enum": "nvidia.riva.AudioEncoding" if field.enum_type else None,
    }


@pytest.mark.parametrize("message", all_messages(), ids=local_name)
def test_message_has_the_numbers_and_types_of_the_official_one(message: Descriptor, official: dict[str, Any]) -> None:
    name, fields = MESSAGES[local_name(message)]
    assert [field.name for field in message.fields] == list(fields)
    for field in message.fields:
        assert on_the_wire(field, fields[field.name]) == official["messages"][name].get(str(field.number)), field.name


def test_encodings_have_the_numbers_of_the_official_ones(official: dict[str, Any]) -> None:
    assert {str(number): name for number, name in ENUM.items()} == official["enums"]["nvidia.riva.AudioEncoding"]
    assert dict(riva.Encoding.items()) == {
        "ENCODING_UNSPECIFIED": 0,
        "ENCODING_PCM_S16LE": 1,
        "ENCODING_FLAC": 2,
        "ENCODING_MULAW": 3,
        "ENCODING_OGG_OPUS": 4,
        "ENCODING_ALAW": 20,
    }


def test_methods_are_the_official_ones(official: dict[str, Any]) -> None:
    assert official["services"][SERVICE] == {
        name: [MESSAGES[request][0], MESSAGES[response][0], *streams]
        for name, (request, response, *streams) in METHODS.items()
    }


@pytest_asyncio.fixture(scope="module")
async def finals(server: RecipeServer, speech: Spoken) -> list[str]:
    """Return the finals of StreamingRecognize."""
    return await server.stream(speech.pcm, pb.Settings(language="en"))


def stripped(result: dict[str, Any]) -> list[str]:
    """Return the final texts without their last blank."""
    assert all(text.endswith(" ") for text in result["finals"])
    return [text[:-1] for text in result["finals"]]


@pytest.mark.parametrize("name", ["stream", "default language", "declared file", "declared samples"])
def test_streams_have_the_finals_of_grpc(results: dict[str, Any], finals: list[str], name: str) -> None:
    assert stripped(results[name]) == finals


async def test_options_have_the_effect_of_grpcs_settings(
    results: dict[str, Any], server: RecipeServer, speech: Spoken, russian: Spoken
) -> None:
    silence = pb.Settings(language="en", post_speech_silence=Duration(nanos=500_000_000), min_utterance=Duration())
    turns = await server.stream(speech.pcm, silence)
    assert len(turns) > 1
    assert stripped(results["stop history"]) == turns
    hotwords = await server.stream(speech.pcm, pb.Settings(language="en", hotwords=["Dashwood"]))
    assert stripped(results["boosted"]) == hotwords
    assert stripped(results["russian"]) == await server.stream(russian.pcm, pb.Settings(language="ru"))


def test_interim_results_have_a_stability_and_finals_words_and_confidence(results: dict[str, Any]) -> None:
    stream = results["stream"]
    assert stream["interim"]
    assert all(text.endswith(" ") for text in stream["interim"])
    assert all(0 <= each <= 1 for each in stream["stability"])
    assert all(0 < each <= 1 for each in stream["confidence"])
    assert stream["processed_s"] == sorted(stream["processed_s"])
    for text, words in zip(stripped(stream), stream["words"], strict=True):
        assert " ".join(word for word, _, _ in words) == text
        times = [time for _, *span in words for time in span]
        assert times == sorted(times)
    assert not any(results["declared file"]["words"])


async def test_recordings_have_the_text_and_words_of_recognize(
    results: dict[str, Any], server: RecipeServer, speech: Spoken
) -> None:
    recognized = await server.recognize(speech.wav, pb.Settings(language="en"))
    expected = [final.text.strip() for final in recognized.utterances]
    assert stripped(results["offline"]) == stripped(results["offline samples"]) == expected
    assert results["offline"]["words"] == [
        [[word.text.strip(), word.start_ms, word.end_ms] for word in final.words] for final in recognized.utterances
    ]
    flac = await server.recognize(FOLDER / f"{FLAC}.flac", pb.Settings(language="en"))
    assert " ".join(stripped(results["offline flac"])) == joined(flac.utterances)


def test_model_is_listed_for_streams_and_recordings(results: dict[str, Any]) -> None:
    assert results["models"] == [["base", "online", "en"], ["base", "offline", "en"]]


@pytest.mark.parametrize(
    ("attempt", "code", "part"),
    [
        ("model", "NOT_FOUND", "this server has 'base'"),
        ("language", "INVALID_ARGUMENT", "language_code='tlh'"),
        ("speakers", "INVALID_ARGUMENT", "diarization_config"),
        ("flac stream", "INVALID_ARGUMENT", "send the whole file to Recognize"),
        ("not audio", "INVALID_ARGUMENT", "cannot be decoded"),
    ],
)
def test_errors_have_a_status_and_a_message(results: dict[str, Any], attempt: str, code: str, part: str) -> None:
    assert results["errors"][attempt][0] == code
    assert part in results["errors"][attempt][1]


async def test_client_with_a_certificate_and_a_token_is_served(
    environment: ClientEnvironment, short: Spoken, tmp_path: Path
) -> None:
    authority, token = CertificateAuthority(tmp_path), new_token()
    server_files, client_files = authority.issue("server"), authority.issue("ann")
    tokens = tmp_path / "tokens"
    tokens.write_text(line("ann", token))
    more = {
        "riva": True,
        "initial_prompt": "the text",  # which the engine of this server returns
        "tls_cert": str(server_files.cert_file),
        "tls_key": str(server_files.key_file),
        "tls_client_ca": str(authority.file),
        "auth_tokens_file": str(tokens),
    }
    held = BlockingServerEngine()
    held.release()
    async with running_server(held, 2, more=more) as secured:
        files = (authority.file, client_files.cert_file, client_files.key_file)
        arguments = (secured.data.address, *files, token, short.wav)
        results = await asyncio.to_thread(environment.run, "riva_secured.py", *arguments)
    assert results == {"token": ["the text ", "the text "], "no token": ["UNAUTHENTICATED", "UNAUTHENTICATED"]}


@pytest.mark.skipif(not SCRIPTS, reason="RIVA_CLIENTS names no checkout of nvidia-riva/python-clients")
async def test_unchanged_scripts_print_the_text_of_grpc(
    environment: ClientEnvironment, server: RecipeServer, speech: Spoken, finals: list[str]
) -> None:
    def printed(script: str) -> list[str]:
        path = Path(SCRIPTS, "scripts", "asr", script)
        finished = subprocess.run(
            [environment.python, path, "--server", server.grpc_address, "--input-file", speech.wav],
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=SCRIPT_TIMEOUT_S,
        )
        assert finished.returncode == 0, finished.stderr
        return finished.stdout.splitlines()

    streamed = await asyncio.to_thread(printed, "transcribe_file.py")
    recorded = await asyncio.to_thread(printed, "transcribe_file_offline.py")
    assert streamed == [f"## {final} " for final in finals]
    assert recorded[-1] == f"Final transcript: {await server.text(speech.wav)} "
