"""A browser's stream with the real model: the text of gRPC, also after a lost connection."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping

import pytest
from stt.v1 import stt_pb2 as pb

from benchmarks.recordings import Recording
from benchmarks.service import Service
from tests.support.clients.caption_client import viewer
from tests.support.clients.page_client import END, chunks, config, page_stream, parsed, read_to_end, send_messages
from tests.support.clients.wire_client import CHUNK_BYTES, TIMEOUT_S, Stub, send_recording, send_requests
from tests.support.clients.wire_client import chunks as grpc_chunks
from tests.support.clients.wire_client import config as grpc_config
from tests.support.servers.server_process import http_address

pytestmark = [pytest.mark.model, pytest.mark.process]

RATE_BYTES_MS = 32  # of 16 kHz, 16 bit
SILENCE = bytes(3000 * RATE_BYTES_MS)  # ends an utterance


@pytest.fixture(scope="module")
def address(service: Service) -> str:
    return http_address(service)


def finals(responses: tuple[pb.StreamingRecognizeResponse, ...]) -> list[pb.Final]:
    """Return the finals without their latencies, which differ between streams."""
    found = [response.final for response in responses if response.HasField("final")]
    for final in found:
        final.ClearField("latency")
    return found


@pytest.mark.parametrize("name", ["en/jfk", "ru/vm-invalidpassword"])
async def test_finals_are_those_of_grpc(
    stub: Stub, address: str, recordings: Mapping[str, Recording], name: str
) -> None:
    expected = await send_recording(stub, recordings[name])
    messages: list[str | bytes] = [config(recordings[name].language), *chunks(recordings[name].pcm()), END]
    result = await send_messages(address, messages)
    assert expected.finals
    assert finals(result.responses) == finals(expected.responses)
    assert (result.code, result.reason) == (1000, "")


async def test_stream_that_resumes_loses_and_doubles_no_word(
    stub: Stub, address: str, recordings: Mapping[str, Recording]
) -> None:
    pcm = recordings["en/jfk"].pcm() + SILENCE + recordings["en/austen-0930"].pcm()
    expected = await send_requests(stub, grpc_config(), *grpc_chunks(pcm, CHUNK_BYTES))
    received: list[pb.StreamingRecognizeResponse] = []
    async with asyncio.timeout(TIMEOUT_S), page_stream(address) as socket:
        await socket.send(config(resumable=True))
        for chunk in chunks(pcm):
            await socket.send(chunk)
        while not received or not received[-1].HasField("final"):
            received.append(parsed(await socket.recv()))
    last = received[-1]
    resume = {
        "audioOffsetMs": str(last.committed_ms),
        "nextUtterance": str(last.final.utterance + 1),
        "continuesUtterance": last.final.endpoint == pb.ENDPOINT_MAX_LENGTH,
        "previousLanguage": last.final.language,
    }
    rest = pcm[last.committed_ms * RATE_BYTES_MS :]
    async with page_stream(address) as socket:
        await socket.send(json.dumps({"config": {**json.loads(config())["config"], "resume": resume}}))
        for chunk in chunks(rest):
            await socket.send(chunk)
        await socket.send(END)
        result = await read_to_end(socket)
    assert 0 < last.committed_ms < len(pcm) / RATE_BYTES_MS
    assert finals((*received, *result.responses)) == finals(expected.responses)


async def test_captions_of_a_stream_have_its_text_for_present_and_late_viewers(
    address: str, recordings: Mapping[str, Recording]
) -> None:
    pcm = recordings["en/jfk"].pcm()
    opening = json.loads(config(partials=True))
    keys = {"key": "key-of-the-publisher", "viewerKey": "key-of-the-viewers"}
    first = json.dumps({**opening, "captions": {"name": "talk", "recording": "1", **keys}})
    async with viewer(address, "talk") as one, viewer(address, "talk") as two:
        for each in (one, two):
            await each.until("waiting")
        result = await send_messages(address, [first, *chunks(pcm), END])
        present = [await each.until("waiting") for each in (one, two)]
    async with viewer(address, "talk") as three:
        count = sum(event.kind not in ("live", "partial") for event in present[0])  # with the state
        late = [event for event in [await three.next() for _ in range(count)] if event is not None]
    assert result.texts
    for events in (*present, late):
        finals = [event.response.final.text for event in events if event.kind == "final"]
        assert finals == result.texts
    assert present[0] == present[1]
    assert not any(event.kind == "partial" for event in late)  # replaced by the finals
