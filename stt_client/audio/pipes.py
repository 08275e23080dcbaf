"""Decodes recordings from pipes, in any container.

Most containers are decoded as they arrive. An MP4 whose index is at its end is first copied to a temporary file. The
bytes that the first attempt to decode has read are in that file too, so none are lost between the two attempts.
"""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from io import FileIO
from typing import IO, TypeVar

from stt_client.audio.decode import DecodedAudio, Readable, Warn, open_stream
from stt_client.errors import SourceError, UnsupportedAudioError

MEMORY_BYTES = 8 * 1024**2  # larger copies are on disk
MAX_COPY_BYTES = 4 * 1024**3  # a film of some hours
BLOCK_BYTES = 1024**2
MP4_BOXES = frozenset({b"ftyp", b"mdat", b"wide", b"free", b"skip", b"pnot"})  # that an MP4 or MOV file begins with

FileT = TypeVar("FileT", IO[bytes], FileIO)


def open_pipe(
    pipe: Readable, name: str, warn: Warn, track: int | None = None, max_copy_bytes: int = MAX_COPY_BYTES
) -> DecodedAudio:
    """Open a recording in a pipe.

    Raises:
        SourceError: It cannot be read, or is too long to be copied.
        UnsupportedAudioError: The file contains no audio that can be decoded.
    """
    if isinstance(pipe, FileIO) and stat.S_ISREG(os.fstat(pipe.fileno()).st_mode):  # as after `< FILE`
        return open_stream(pipe, name, warn, track)
    copy = _Copy(pipe, name, max_copy_bytes)
    with closing(copy):
        try:
            return open_stream(copy, name, warn, track)
        except UnsupportedAudioError as error:
            return _open_copy(copy, name, warn, track, error)


def _open_copy(copy: _Copy, name: str, warn: Warn, track: int | None, error: UnsupportedAudioError) -> DecodedAudio:
    """Open a recording that could not be decoded without seeking."""
    if copy.is_empty:
        raise UnsupportedAudioError(f"{name} is empty.") from error
    if not copy.needs_seeking:
        raise error
    return closing_with(copy.complete(), lambda file: open_stream(file, name, warn, track))


def closing_with(file: FileT, open_recording: Callable[[FileT], DecodedAudio]) -> DecodedAudio:
    """Open a recording in the file, which is closed at the end of the recording."""
    try:
        recording = open_recording(file)
    except BaseException:
        file.close()
        raise
    return replace(recording, chunks=_closing(file, recording.chunks))


def _closing(file: IO[bytes] | FileIO, chunks: Iterator[bytes]) -> Iterator[bytes]:
    with file:
        yield from chunks


class _Copy:
    """Reads from a pipe, and copies the bytes until it is closed."""

    def __init__(self, pipe: Readable, name: str, limit_bytes: int) -> None:
        self._pipe = pipe
        self._name = name
        self._limit_bytes = limit_bytes
        self._file: IO[bytes] | None = tempfile.SpooledTemporaryFile(MEMORY_BYTES)  # noqa: SIM115
        self._copied_bytes = 0
        self._head = b""
        self._has_ended = False

    @property
    def is_empty(self) -> bool:
        return self._has_ended and not self._head

    @property
    def needs_seeking(self) -> bool:
        """Whether another attempt may succeed: it may be an MP4, or is already complete."""
        return self._has_ended or self._head[4:8] in MP4_BOXES

    def read(self, size: int, /) -> bytes:
        content = self._pipe.read(size) or b""
        self._has_ended = not content
        self._head = (self._head + content[:8])[:8]
        if self._file is not None:
            self._append(self._file, content)
        return content

    def close(self) -> None:
        """Stop copying; the pipe can still be read."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def complete(self) -> IO[bytes]:
        """Read the rest; return the complete copy, at its start."""
        assert self._file is not None
        while not self._has_ended:
            self.read(BLOCK_BYTES)
        file, self._file = self._file, None
        file.seek(0)
        return file

    def _append(self, file: IO[bytes], content: bytes) -> None:
        self._copied_bytes += len(content)
        if self._copied_bytes > self._limit_bytes:
            raise SourceError(
                f"{self._name} is longer than {self._limit_bytes // 1024**2} MiB and its index is at its end:"
                " save it to a file and pass that file."
            )
        try:
            file.write(content)
        except OSError as error:
            folder = tempfile.gettempdir()
            raise SourceError(f"{self._name} cannot be copied to {folder}: {error.strerror}.") from error
