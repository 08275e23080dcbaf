"""Safe access to protobuf values of servers that may be newer than this client, or broken: no value raises an error."""

from __future__ import annotations

import math
from typing import Protocol

from google.protobuf.duration_pb2 import Duration
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

UNKNOWN = "unknown"  # an enum value that this client does not know
MAX_SECONDS = 315_576_000_000  # 10,000 years: the range that protobuf gives to Duration
MAX_EXACT = 2**53 - 1  # the largest integer that JSON and the server's Resume accept
MIN_TIMESTAMP, MAX_TIMESTAMP = -62_135_596_800, 253_402_300_799  # the years 1 and 9999


class Enumeration(Protocol):
    """The interface of a generated enum that is used here."""

    def Name(self, number: int) -> str: ...  # noqa: N802


def name_of(enumeration: Enumeration, number: int, prefix: str = "") -> str:
    """Return the name of the value in lower case and without the prefix, or `unknown`."""
    try:
        return enumeration.Name(number).removeprefix(prefix).lower()
    except ValueError:
        return UNKNOWN


def seconds(duration: Duration) -> float:
    """Return the duration in seconds, limited to protobuf's range."""
    return max(-MAX_SECONDS, min(MAX_SECONDS, duration.seconds + duration.nanos / 1e9))


def count(number: int) -> int:
    """Return a position, a number or a size, limited to 0..MAX_EXACT."""
    return max(0, min(MAX_EXACT, number))


def probability(number: float) -> float:
    """Return a probability, limited to 0..1; 0 for NaN and infinity."""
    return max(0.0, min(1.0, number)) if math.isfinite(number) else 0.0


def to_json_object(message: Message) -> dict[str, object]:
    """Return protobuf's JSON, with fields at their defaults; times out of protobuf's range become its limits."""
    copy = type(message)()
    copy.CopyFrom(message)
    _limit_times(copy)
    return MessageToDict(copy, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)


def _limit_times(message: Message) -> None:
    """Limit times that MessageToDict rejects to their range."""
    for field, value in message.ListFields():
        if field.message_type is not None:
            for each in value if field.is_repeated else (value,):
                _limit(each)


def _limit(message: Message) -> None:
    match message:
        case Duration():
            lowest, highest = -MAX_SECONDS, MAX_SECONDS
        case Timestamp():
            lowest, highest = MIN_TIMESTAMP, MAX_TIMESTAMP
        case _:
            _limit_times(message)
            return
    try:
        message.ToJsonString()
    except ValueError:
        message.seconds, message.nanos = max(lowest, min(highest, message.seconds)), 0
