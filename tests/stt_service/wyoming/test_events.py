"""Events of Wyoming: the official writer's bytes are read, and every size and shape that a client sends is bounded."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wyoming.audio import AudioChunk
from wyoming.event import Event, async_write_event

from stt_service.errors import InvalidRequestError
from stt_service.wyoming.events import (
    HEADER_BYTES,
    MAX_DATA_BYTES,
    MAX_PAYLOAD_BYTES,
    MAX_TYPE_CHARACTERS,
    ClientEvent,
    read_event,
)


class Bytes:
    """A stream writer that collects what the official package writes."""

    def __init__(self) -> None:
        self.written = bytearray()

    def write(self, content: bytes) -> None:
        self.written += content

    def writelines(self, contents: tuple[bytes, ...]) -> None:
        self.written += b"".join(contents)

    async def drain(self) -> None:
        pass


def reading(content: bytes) -> asyncio.StreamReader:
    """Return a reader of a connection that ends after the content."""
    reader = asyncio.StreamReader(limit=HEADER_BYTES)
    reader.feed_data(content)
    reader.feed_eof()
    return reader


async def read_all(content: bytes) -> list[ClientEvent]:
    reader, events = reading(content), list[ClientEvent]()
    while (event := await read_event(reader)) is not None:
        events.append(event)
    return events


def header(**fields: object) -> bytes:
    return json.dumps(fields).encode() + b"\n"


async def test_events_of_the_official_writer_are_read() -> None:
    sent = [Event("ping", {"text": "да"}), AudioChunk(16_000, 2, 1, b"\n{}\x00").event(), Event("audio-stop")]
    writer = Bytes()
    for event in sent:
        await async_write_event(event, writer)  # type: ignore[arg-type]
    assert await read_all(bytes(writer.written)) == [
        ClientEvent(event.type, event.data, event.payload or b"") for event in sent
    ]


async def test_data_in_the_header_is_merged_with_data_after_it() -> None:
    content = header(type="transcribe", data={"name": "a", "language": "en"}, data_length=17) + b'{"language":"ru"}'
    assert await read_all(content) == [ClientEvent("transcribe", {"name": "a", "language": "ru"})]


@pytest.mark.parametrize(
    "content",
    [
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\n",
        b"\n",
        b"{}\n",
        b"[]\n",
        b"null\n",
        b'"describe"\n',
        b"[" * 60_000 + b"\n",
        b'{"type": 1}\n',
        b'{"type": ""}\n',
        header(type="x" * (MAX_TYPE_CHARACTERS + 1)),
        header(type="ping", data=[1]),
        header(type="ping", data="text"),
        header(type="ping", data_length=2) + b"[]",
        header(type="ping", data_length=2) + b"\xff\xff",
        header(type="ping", data_length=3) + b"{]}",
        b'{"type": "ping", "data_length": ' + b"9" * 5000 + b"}\n",
    ],
)
async def test_malformed_event_is_rejected(content: bytes) -> None:
    with pytest.raises(InvalidRequestError):
        await read_event(reading(content))


@pytest.mark.parametrize(("name", "maximum"), [("data_length", MAX_DATA_BYTES), ("payload_length", MAX_PAYLOAD_BYTES)])
@pytest.mark.parametrize("value", [-1, 1.5, True, "4", [4], 10**12])
async def test_length_out_of_range_is_rejected_before_more_is_read(name: str, maximum: int, value: object) -> None:
    reader = asyncio.StreamReader(limit=HEADER_BYTES)
    reader.feed_data(header(type="audio-chunk", **{name: value}))
    with pytest.raises(InvalidRequestError, match=f"Invalid {name}=.*: must be 0 to {maximum}"):
        await read_event(reader)


async def test_header_without_end_is_rejected_at_its_limit() -> None:
    reader = asyncio.StreamReader(limit=HEADER_BYTES)
    reader.feed_data(b" " * (HEADER_BYTES + 1))
    with pytest.raises(InvalidRequestError, match=f"at most {HEADER_BYTES} bytes"):
        await read_event(reader)


async def test_largest_event_is_read() -> None:
    data = b'{"text": "' + b"x" * (MAX_DATA_BYTES - 12) + b'"}'
    sent = header(type="ping", data_length=len(data), payload_length=MAX_PAYLOAD_BYTES) + data
    (event,) = await read_all(sent + bytes(MAX_PAYLOAD_BYTES))
    assert (len(str(event.data["text"])), len(event.payload)) == (MAX_DATA_BYTES - 12, MAX_PAYLOAD_BYTES)


@given(st.integers(1, 200))
def test_event_that_ends_early_is_rejected(length: int) -> None:
    complete = header(type="audio-chunk", data_length=4, payload_length=200) + b"{ } " + bytes(200)

    async def read() -> None:
        with pytest.raises(InvalidRequestError, match="ended in the middle of an event"):
            await read_event(reading(complete[:length]))

    asyncio.run(read())


@given(st.binary(max_size=200))
def test_random_bytes_are_an_event_or_rejected(content: bytes) -> None:
    async def read() -> None:
        with suppress(InvalidRequestError):
            assert all(event.type for event in await read_all(content))

    asyncio.run(read())
