"""Reads the header of a CTranslate2 model.bin: the name, type and shape of each variable, without its data.

CTranslate2 does not validate these files: a wrong size makes it allocate or read out of bounds. This reader checks that
each variable is within the file and that its size matches its shape.
Source: `ModelSpec._serialize` of ctranslate2/specs/model_spec.py, binary version 6.
"""

from __future__ import annotations

import math
import os
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from stt_service.errors import InvalidModelError

BINARY_VERSION = 6
ITEM_BYTES = (4, 1, 2, 4, 2, 2)  # of float32, int8, int16, int32, float16, bfloat16: the types' order is CTranslate2's
MAX_VARIABLES = 100_000  # large-v3 has about 1300
MAX_RANK = 8


@dataclass(frozen=True, slots=True)
class Variable:
    """The shape of a tensor; for a scalar also its bytes."""

    shape: tuple[int, ...]
    data: bytes = b""

    @property
    def integer(self) -> int:
        """The value of a scalar."""
        return int.from_bytes(self.data, "little", signed=True)


@dataclass(frozen=True, slots=True)
class Header:
    """The header of a model.bin."""

    spec: str  # such as WhisperSpec
    variables: Mapping[str, Variable]


def read_header(path: Path) -> Header:
    """Return the header of the file.

    Raises:
        InvalidModelError: the file is cut short, damaged or of another version.
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        try:
            return _header(file, os.fstat(file.fileno()).st_size)
        except (struct.error, UnicodeDecodeError, IndexError) as error:
            raise InvalidModelError(f"{path} is damaged or cut short at byte {file.tell()}.") from error
        except ValueError as error:
            raise InvalidModelError(f"{path} is damaged: {error}.") from error


def _header(file: BinaryIO, size_bytes: int) -> Header:
    (version,) = _unpack(file, "I")
    if version != BINARY_VERSION:
        raise ValueError(f"it has binary version {version}, CTranslate2 writes {BINARY_VERSION}")
    spec = _string(file)
    _revision, count = _unpack(file, "II")
    if count > MAX_VARIABLES:
        raise ValueError(f"it announces {count} variables")
    variables = dict(_variable(file, size_bytes) for _ in range(count))
    (aliases,) = _unpack(file, "I")
    if aliases > MAX_VARIABLES:
        raise ValueError(f"it announces {aliases} aliases")
    for _ in range(aliases):
        alias, name = _string(file), _string(file)
        if name not in variables:
            raise ValueError(f"{alias!r} stands for the unknown variable {name!r}")
        variables[alias] = variables[name]
    if file.tell() != size_bytes:
        raise ValueError(f"it has {size_bytes - file.tell()} bytes too many")
    return Header(spec, variables)


def _variable(file: BinaryIO, size_bytes: int) -> tuple[str, Variable]:
    name = _string(file)
    (rank,) = _unpack(file, "B")
    if rank > MAX_RANK:
        raise ValueError(f"variable {name!r} has {rank} dimensions")
    shape = _unpack(file, f"{rank}I")
    kind, length = _unpack(file, "=BI")
    if kind >= len(ITEM_BYTES) or length != math.prod(shape) * ITEM_BYTES[kind]:
        raise ValueError(f"variable {name!r} of shape {shape} and type {kind} has {length} bytes")
    if file.tell() + length > size_bytes:
        raise ValueError(f"it is cut short: variable {name!r} ends at byte {file.tell() + length} of {size_bytes}")
    if not shape:
        return name, Variable(shape, file.read(length))
    file.seek(length, os.SEEK_CUR)
    return name, Variable(shape)


def _string(file: BinaryIO) -> str:
    (length,) = _unpack(file, "H")
    return file.read(length)[:-1].decode("utf-8")  # without the terminating NUL


def _unpack(file: BinaryIO, form: str) -> tuple[int, ...]:
    form = form if form.startswith("=") else f"={form}"
    return struct.unpack(form, file.read(struct.calcsize(form)))
