"""Random messages that are valid protobuf with contents that no server sends: extreme numbers, unknown values."""

from __future__ import annotations

import random
from typing import Any, TypeVar

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

M = TypeVar("M", bound=Message)

HOSTILE = "\x1b]52;c;cm0gLXJmIH4K\x07\x1b[2J\x9b31m\x9d0;x\x9c\u202ea\u2066b\r\n\x00\x7f\u2028[/c]<b>&-->"
TEXTS = ("", "a", HOSTILE, "[/x]", "слово " * 20, "\u0301" * 5, "\n\n", "{0} %s", "w" * 20_000, HOSTILE * 50)
INTEGERS = (0, 1, -1, 99, 1000, 2**31 - 1, -(2**31))
LONG_INTEGERS = (*INTEGERS, 2**53, 2**62, 2**63 - 1, -(2**63))
FLOATS = (0.0, 0.5, 1.0, -1.0, 1e308, 3e38, float("inf"), float("-inf"), float("nan"))
LONG_TYPES = (FieldDescriptor.CPPTYPE_INT64, FieldDescriptor.CPPTYPE_UINT64)


def hostile(kind: type[M], chance: random.Random) -> M:
    """Return a message with about half of its fields set."""
    message = kind()
    _fill(message, chance)
    return message


def _fill(message: Message, chance: random.Random) -> None:
    fields: list[Any] = list(message.DESCRIPTOR.fields)  # the class depends on the protobuf implementation
    choices = [[each.name for each in fields if each.containing_oneof is oneof] for oneof in message.DESCRIPTOR.oneofs]
    chosen = set(map(chance.choice, choices))
    for field in fields:
        if chance.random() < 0.4 or (field.containing_oneof and field.name not in chosen):
            continue
        if field.is_repeated:
            _fill_repeated(message, field, chance)
        elif field.message_type is not None:
            part = getattr(message, field.name)
            part.SetInParent()
            _fill(part, chance)
        else:
            setattr(message, field.name, _value(field, chance))


def _fill_repeated(message: Message, field: Any, chance: random.Random) -> None:
    values = getattr(message, field.name)
    for _ in range(chance.choice((0, 1, 3, 20))):
        if field.message_type is not None:
            _fill(values.add(), chance)
        else:
            values.append(_value(field, chance))


def _value(field: Any, chance: random.Random) -> object:
    match field.cpp_type:
        case FieldDescriptor.CPPTYPE_STRING:
            text = chance.choice(TEXTS)
            return text.encode() if field.type == FieldDescriptor.TYPE_BYTES else text
        case FieldDescriptor.CPPTYPE_BOOL:
            return chance.random() < 0.5
        case FieldDescriptor.CPPTYPE_FLOAT:
            return chance.choice((*FLOATS[:4], *FLOATS[5:]))
        case FieldDescriptor.CPPTYPE_DOUBLE:
            return chance.choice(FLOATS)
        case number if number in LONG_TYPES:
            return chance.choice(LONG_INTEGERS)
    return chance.choice(INTEGERS)
