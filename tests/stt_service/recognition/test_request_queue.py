"""The queue of a transcription keeps the order of its requests and is bounded by their memory."""

from __future__ import annotations

import asyncio

import pytest
from stt.v1 import stt_pb2 as pb

from stt_service.recognition.request_queue import MAX_QUEUED_BYTES, REQUEST_BYTES, RequestQueue


def audio(size: int, first: int = 0) -> pb.StreamingRecognizeRequest:
    return pb.StreamingRecognizeRequest(audio=bytes([first % 256]) + bytes(size - 1))


async def test_requests_are_read_in_order_until_the_queue_is_closed() -> None:
    queue, sent = RequestQueue(), [audio(2, number) for number in range(5)]
    received = asyncio.create_task(_read(queue))
    for request in sent:
        await queue.put(request)
        await asyncio.sleep(0)
    queue.close()
    assert await received == sent


async def _read(queue: RequestQueue) -> list[pb.StreamingRecognizeRequest]:
    return [request async for request in queue.read()]


@pytest.mark.parametrize("size", [1, 2**20])
async def test_queue_of_chunks_of_any_size_is_bounded_until_one_is_read(size: int) -> None:
    queue, capacity = RequestQueue(), -(-MAX_QUEUED_BYTES // (size + REQUEST_BYTES))
    for number in range(capacity):
        await queue.put(audio(size, number))
    waiting = asyncio.create_task(queue.put(audio(size)))
    await asyncio.sleep(0)
    assert not waiting.done()
    assert (await anext(aiter(queue.read()))).audio[0] == 0
    await waiting


async def test_closed_queue_ends_a_waiting_writer_and_drops_its_request() -> None:
    queue = RequestQueue()
    await queue.put(audio(MAX_QUEUED_BYTES))
    waiting = asyncio.create_task(queue.put(audio(2)))
    await asyncio.sleep(0)
    queue.close()
    await waiting
    assert len(await _read(queue)) == 1


async def test_audio_after_the_last_command_is_dropped() -> None:
    queue, command = RequestQueue(), pb.StreamingRecognizeRequest(finalize=pb.Finalize())
    kept = [audio(2), command]
    for request in (*kept, audio(4), audio(4)):
        await queue.put(request)
    queue.drop_audio()
    queue.close()
    assert await _read(queue) == kept
