"""Reads events of the Wyoming protocol, within limits.

An event is a header, which is a line of JSON, then `data_length` bytes of JSON and `payload_length` bytes of audio. The
package `wyoming` reads lengths of any size, and takes a malformed event for the end of the connection; so this reader
replaces its own. Source: `wyoming.event`.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field

from stt_service.errors import DeadlineExceededError, InvalidRequestError

HEADER_BYTES = 64 * 2**10  # the limit of a StreamReader; former versions of the protocol have all data in the header
MAX_DATA_BYTES = 2**18  # thousands of names; parsed in 5 ms
MAX_PAYLOAD_BYTES = 2**20
MAX_TYPE_CHARACTERS = 64
BODY_TIMEOUT_S = 30.0  # from the header to the last byte of the payload: 2 MiB at 0.6 Mbit/s
EXAMPLE = 'a line of JSON, such as {"type": "describe"}'


@dataclass(frozen=True, slots=True)
class ClientEvent:
    """An event of a client."""

    type: str
    data: dict[str, object] = field(default_factory=dict)
    payload: bytes = b""


async def read_event(reader: asyncio.StreamReader) -> ClientEvent | None:
    """Return the next event; None at the end of the connection.

    Args:
        reader: Its limit is HEADER_BYTES.

    Raises:
        InvalidRequestError: the event is malformed, incomplete or too large.
        DeadlineExceededError: the event is incomplete for too long after its header.
        ConnectionError: the connection is lost.
    """
    line = await _header_line(reader)
    if line is None:
        return None
    header = _json_object("the header of an event", line, EXAMPLE)
    kind, data = header.get("type"), header.get("data") or {}
    if not isinstance(kind, str) or not 0 < len(kind) <= MAX_TYPE_CHARACTERS or not isinstance(data, dict):
        raise InvalidRequestError(f"Invalid event: type must be a short string and data an object: {EXAMPLE}.")
    data_bytes = _length(header, "data_length", MAX_DATA_BYTES)
    payload_bytes = _length(header, "payload_length", MAX_PAYLOAD_BYTES)
    content = await _body(reader, data_bytes + payload_bytes)
    if data_bytes:
        data = {**data, **_json_object(f"the data of {kind!r}", content[:data_bytes], "an object in JSON")}
    return ClientEvent(kind, data, content[data_bytes:])


async def _header_line(reader: asyncio.StreamReader) -> bytes | None:
    try:
        return await reader.readuntil(b"\n")
    except asyncio.LimitOverrunError:
        raise InvalidRequestError(f"Invalid header of an event: must be at most {HEADER_BYTES} bytes.") from None
    except asyncio.IncompleteReadError as error:
        if error.partial:
            raise _incomplete() from None
        return None


async def _body(reader: asyncio.StreamReader, size: int) -> bytes:
    try:
        async with asyncio.timeout(BODY_TIMEOUT_S):
            return await reader.readexactly(size)
    except asyncio.IncompleteReadError:
        raise _incomplete() from None
    except TimeoutError:
        raise DeadlineExceededError(f"The data of an event was incomplete after {BODY_TIMEOUT_S:g} s.") from None


def _incomplete() -> InvalidRequestError:
    return InvalidRequestError("The connection ended in the middle of an event.")


def _length(header: dict[str, object], name: str, maximum: int) -> int:
    value = header.get(name)
    if value is None:
        return 0
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= maximum:
        shown = str(value)[:20]
        raise InvalidRequestError(f"Invalid {name}={shown}: must be 0 to {maximum}.")
    return value


def _json_object(name: str, text: bytes, requirement: str) -> dict[str, object]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise InvalidRequestError(f"Invalid {name}: must be {requirement}.")
    return value
