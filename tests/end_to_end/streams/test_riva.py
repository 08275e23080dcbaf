"""Riva's methods on the data port: streams and recordings, hostile requests, tokens, admission.

The server is in this process; its engine returns the names of streams (`initial_prompt`), here the server's setting.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import grpc
import pytest
import pytest_asyncio
from grpc import StatusCode
from stt.riva.v1 import riva_pb2 as riva

from benchmarks.recordings import Recording
from stt_service.access.tokens import line, new_token
from stt_service.riva.servicer import SERVICE
from stt_service.rpc.auth_interceptor import REJECTION
from stt_service.server import Server
from tests.support.audio.wav_files import PCM, format_chunk, wav
from tests.support.clients.riva_client import RivaClient, audio, riva_client, start
from tests.support.clients.wire_client import connected, health, send_recording
from tests.support.servers.in_process_server import BlockingServerEngine, running_server

pytestmark = pytest.mark.timeout(60)
TEXT = "the text"
ANN = new_token()
PCM_16K = riva.Options(encoding=riva.ENCODING_PCM_S16LE, sample_rate_hz=16_000)
SETTINGS = {"riva": True, "initial_prompt": TEXT, "rate_limit_per_minute": 0}
CHUNK_LIMIT_BYTES = 4 * 2**20


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def server() -> AsyncIterator[Server]:
    held = BlockingServerEngine()
    held.release()
    async with running_server(held, 4, more=SETTINGS) as running:
        yield running


@pytest_asyncio.fixture
async def client(server: Server) -> AsyncIterator[RivaClient]:
    async with riva_client(server.data.address) as connection:
        yield connection


@pytest.fixture
def question(recordings: Mapping[str, Recording]) -> bytes:
    """Return samples at 16 kHz."""
    return recordings["en/brooklyn-bridge"].pcm()


async def test_stream_of_a_wav_file_without_options_has_its_text(client: RivaClient, question: bytes) -> None:
    result = await client.stream(start(call_id="a1"), *audio(wav(question)))
    assert (result.code, result.text) == (StatusCode.OK, f"{TEXT} ")
    assert [response.id.text for response in result.responses] == ["a1"]
    assert result.results[-1].received_s == pytest.approx(len(question) / 32_000, abs=0.001)


async def test_stream_of_declared_samples_has_its_text(client: RivaClient, question: bytes) -> None:
    assert (await client.stream(start(PCM_16K), *audio(question))).text == f"{TEXT} "


async def test_recording_has_its_text_and_id(client: RivaClient, question: bytes) -> None:
    for options, data in ((riva.Options(), wav(question)), (PCM_16K, question), (PCM_16K, wav(question))):
        response = await client.recognize(riva.RecordingRequest(options=options, audio=data, id=riva.CallId(text="a2")))
        assert [result.hypotheses[0].text for result in response.results] == [f"{TEXT} "]
        assert response.id.text == "a2"


async def test_model_is_listed(client: RivaClient) -> None:
    listed = (await client.models()).models
    assert [(model.name, model.properties["type"], model.properties["language_code"]) for model in listed] == [
        ("base", "online", "ru"),
        ("base", "offline", "ru"),
    ]
    assert (await client.models("base")).models == listed
    with pytest.raises(grpc.aio.AioRpcError) as failure:
        await client.models("other")
    assert failure.value.code() is StatusCode.NOT_FOUND


@pytest.mark.parametrize(
    ("requests", "code", "part"),
    [
        ((), StatusCode.INVALID_ARGUMENT, "ended before its config"),
        (audio(bytes(64)), StatusCode.INVALID_ARGUMENT, "first message with audio_content"),
        ((riva.StreamRequest(),), StatusCode.INVALID_ARGUMENT, "first message with nothing"),
        ((start(PCM_16K), start(PCM_16K)), StatusCode.INVALID_ARGUMENT, "second streaming_config"),
        ((start(), *audio(b"ID3\4" * 100)), StatusCode.INVALID_ARGUMENT, "encoding is unknown"),
        ((start(), *audio(b"fLaC" * 100)), StatusCode.INVALID_ARGUMENT, "Invalid encoding FLAC"),
        ((start(), *audio(wav(b"")[:40])), StatusCode.INVALID_ARGUMENT, "inside the header"),
        ((start(), *audio(b"RIFF\0\0\0\0WAVE" + b"\xff" * 90)), StatusCode.INVALID_ARGUMENT, "Invalid WAV header"),
        ((start(riva.Options(model="other")),), StatusCode.NOT_FOUND, "this server has 'base'"),
        ((start(riva.Options(language="xx")),), StatusCode.INVALID_ARGUMENT, "language_code='xx'"),
        ((start(call_id="x" * 257),), StatusCode.INVALID_ARGUMENT, "Invalid id of 257"),
        (
            (start(riva.Options(vocabularies=[riva.Vocabulary(terms=["a"] * 101)])),),
            StatusCode.INVALID_ARGUMENT,
            "101 entries, must be at most 100",
        ),
        (
            (start(PCM_16K), riva.StreamRequest(audio=bytes(CHUNK_LIMIT_BYTES + 1))),
            StatusCode.INVALID_ARGUMENT,
            f"must be at most {CHUNK_LIMIT_BYTES}",
        ),
        ((start(), *audio(wav(b"", format_chunk(PCM, 100)))), StatusCode.INVALID_ARGUMENT, "sample_rate_hz=100"),
    ],
)
async def test_invalid_stream_gets_its_status_while_another_stream_continues(
    client: RivaClient,
    server: Server,
    question: bytes,
    requests: tuple[riva.StreamRequest, ...],
    code: StatusCode,
    part: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    other = asyncio.create_task(client.stream(start(), *audio(wav(question))))
    result = await client.stream(*requests)
    assert (result.code, result.responses) == (code, ())
    assert part in result.message
    assert (await other).text == f"{TEXT} "
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


@pytest.mark.parametrize(
    "requests",
    [(), audio(wav(b"")), audio(wav(b"", size=2**30)), audio(wav(bytes(3200))), (riva.StreamRequest(),)],
    ids=["no audio", "empty file", "claimed length", "silence", "empty message"],
)
async def test_stream_without_speech_has_no_results(
    client: RivaClient, requests: tuple[riva.StreamRequest, ...]
) -> None:
    result = await client.stream(start(), *requests)
    assert (result.code, result.responses) == (StatusCode.OK, ())


async def test_bytes_after_the_claimed_length_are_not_recognized(client: RivaClient, question: bytes) -> None:
    result = await client.stream(start(), *audio(wav(bytes(3200), after=question)))
    assert (result.code, result.responses) == (StatusCode.OK, ())


@pytest.mark.parametrize(
    ("request_", "code", "part"),
    [
        (riva.RecordingRequest(), StatusCode.INVALID_ARGUMENT, "cannot be decoded"),
        (riva.RecordingRequest(audio=b"garbage"), StatusCode.INVALID_ARGUMENT, "cannot be decoded"),
        (riva.RecordingRequest(options=riva.Options(model="x")), StatusCode.NOT_FOUND, "this server has 'base'"),
        (riva.RecordingRequest(options=riva.Options(sample_rate_hz=1)), StatusCode.INVALID_ARGUMENT, "_hz=1:"),
        (riva.RecordingRequest(id=riva.CallId(text="x" * 257)), StatusCode.INVALID_ARGUMENT, "Invalid id"),
    ],
)
async def test_invalid_recording_gets_its_status(
    client: RivaClient, request_: riva.RecordingRequest, code: StatusCode, part: str
) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as failure:
        await client.recognize(request_)
    assert failure.value.code() is code
    assert part in (failure.value.details() or "")


async def test_calls_are_counted_as_riva(client: RivaClient, server: Server, question: bytes) -> None:
    before = server.metrics.value("stt_calls_total", api="riva", outcome="OK")
    await client.stream(start(), *audio(wav(question)))
    await client.recognize(riva.RecordingRequest(audio=wav(question)))
    assert server.metrics.value("stt_calls_total", api="riva", outcome="OK") == before + 2


async def test_service_is_healthy(server: Server) -> None:
    assert await health(server.data.address, SERVICE) == "SERVING"


async def test_client_that_still_sends_receives_the_status_of_an_invalid_stream(client: RivaClient) -> None:
    """A client can lose a status while it writes (grpc#36066), so the server reads on."""
    for _ in range(5):
        result = await client.stream(start(riva.Options(language="xx")), *audio(bytes(2**18), 2**15))
        assert result.code is StatusCode.INVALID_ARGUMENT


async def test_methods_require_a_token_of_the_data_port(tmp_path: Path, question: bytes) -> None:
    tokens = tmp_path / "clients"
    tokens.write_text(line("ann", ANN))
    more = {**SETTINGS, "auth_tokens_file": str(tokens)}
    held = BlockingServerEngine()
    held.release()
    async with running_server(held, 4, more=more) as server:
        async with riva_client(server.data.address) as unknown:
            result = await unknown.stream(start())
            assert (result.code, result.message) == (StatusCode.UNAUTHENTICATED, REJECTION)
            for call in (unknown.recognize(riva.RecordingRequest(audio=wav(question))), unknown.models()):
                with pytest.raises(grpc.aio.AioRpcError) as failure:
                    await call
                assert (failure.value.code(), failure.value.details()) == (StatusCode.UNAUTHENTICATED, REJECTION)
        async with riva_client(server.data.address, (("authorization", f"Bearer {ANN}"),)) as ann:
            assert (await ann.stream(start(), *audio(wav(question)))).text == f"{TEXT} "


async def test_stream_over_the_limit_is_rejected_as_exhausted(question: bytes) -> None:
    held = BlockingServerEngine()
    async with running_server(held, 1, more=SETTINGS) as server, riva_client(server.data.address) as client:
        first = asyncio.create_task(client.stream(start(), *audio(wav(question))))
        await held.entered()
        result = await client.stream(start(), *audio(wav(question)))
        assert result.code is StatusCode.RESOURCE_EXHAUSTED
        held.release()
        assert (await first).code is StatusCode.OK


async def test_methods_are_not_served_by_default(recordings: Mapping[str, Recording]) -> None:
    held = BlockingServerEngine()
    held.release()
    async with running_server(held, 1) as server, riva_client(server.data.address) as client:
        assert (await client.stream(start())).code is StatusCode.UNIMPLEMENTED
        async with connected(server.data.address) as stub:
            assert (await send_recording(stub, recordings["en/brooklyn-bridge"])).code is StatusCode.OK
