"""The form of an upload: its fields, and its recording on disk."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, BinaryIO

import anyio
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException

from stt_service.errors import DeadlineExceededError, InvalidRequestError, ResourceExhaustedError
from stt_service.http.openai.json_input import shown

if TYPE_CHECKING:
    from starlette.requests import Request

MAX_UPLOADS = 32  # received at once; each has a temporary file of up to MAX_UPLOAD_MB
MAX_CLIENT_UPLOADS = 8  # of them for one client
UPLOAD_TIMEOUT_S = 600.0  # for the whole body; as long as OpenAI's client waits
PLACE_TIMEOUT_S = 5.0
RETRY_AFTER_S = 1.0
MAX_FIELDS = 128
MAX_FIELD_BYTES = 64 * 2**10
FILES_EXCEEDED, FIELD_EXCEEDED = "Too many files", "Part exceeded maximum size"  # reasons of Starlette's parser

logging.getLogger("python_multipart").setLevel(logging.CRITICAL)  # any client could write lines


class UploadPlaces:
    """Bounds the forms that are being received, for each client and for all of them.

    A form takes a moment on a fast network, so others wait for a place rather than fail.

    Args:
        timeout_s: Longest wait for a place.
    """

    def __init__(self, timeout_s: float = PLACE_TIMEOUT_S) -> None:
        self._timeout_s = timeout_s
        self._by_client = Counter[str]()  # clients with uploads only
        self._freed = asyncio.Condition()

    @asynccontextmanager
    async def place(self, client: str) -> AsyncIterator[None]:
        """Hold a place while a form is received.

        Raises:
            ResourceExhaustedError: the client, or all of them, have too many uploads.
        """
        async with self._freed:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._timeout_s):
                    await self._freed.wait_for(lambda: not self._reason(client))
            if reason := self._reason(client):
                raise ResourceExhaustedError(reason, RETRY_AFTER_S)
            self._by_client[client] += 1
        try:
            yield
        finally:
            self._by_client -= Counter((client,))  # without clients whose number is 0
            async with self._freed:
                self._freed.notify_all()

    def _reason(self, client: str) -> str:
        """Return why the client gets no place; empty if it gets one."""
        if self._by_client[client] >= MAX_CLIENT_UPLOADS:
            return f"Upload limit exceeded: at most {MAX_CLIENT_UPLOADS} uploads per client at the same time."
        if self._by_client.total() >= MAX_UPLOADS:
            return f"{MAX_UPLOADS} recordings are being uploaded: try again later."
        return ""


async def read_form(request: Request, timeout_s: float = UPLOAD_TIMEOUT_S) -> FormData:
    """Return the form, with its file in memory or in an unnamed temporary file.

    Raises:
        InvalidRequestError: the body is not a multipart form, is compressed, or has too many parts.
        DeadlineExceededError: the body does not arrive in time.
    """
    if (encoding := request.headers.get("content-encoding", "identity")) != "identity":
        raise InvalidRequestError(f"Invalid Content-Encoding={shown(encoding)}: must be omitted; send a plain form.")
    if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        raise InvalidRequestError("Invalid Content-Type: must be multipart/form-data with the recording as `file`.")
    try:
        with anyio.fail_after(timeout_s):  # asyncio.timeout would close the file while a thread moves it to disk
            return await request.form(max_files=1, max_fields=MAX_FIELDS, max_part_size=MAX_FIELD_BYTES)
    except TimeoutError:
        raise DeadlineExceededError(
            f"The request body did not arrive within {timeout_s:g} s: send a smaller file, such as FLAC or Opus."
        ) from None
    except HTTPException as error:
        raise _form_error(error.detail) from error
    except MultiPartException as error:
        raise _form_error(error.message) from error
    except (KeyError, ValueError) as error:
        raise InvalidRequestError("Malformed multipart body.") from error


def _form_error(reason: str) -> InvalidRequestError:
    """Return the error of a malformed form with the reason of its parser."""
    if reason.startswith(FILES_EXCEEDED):
        return InvalidRequestError("Invalid file: send one recording per request.", "file")
    if reason.startswith(FIELD_EXCEEDED):
        return InvalidRequestError(f"Invalid form: a field other than `file` is longer than {MAX_FIELD_BYTES} bytes.")
    return InvalidRequestError(f"Malformed multipart body: {reason}")


def fields_of(form: FormData) -> dict[str, list[str]]:
    fields: dict[str, list[str]] = {}
    for name, value in form.multi_items():
        if isinstance(value, str):
            fields.setdefault(name.removesuffix("[]"), []).append(value)
    return fields


async def recording_of(form: FormData) -> BinaryIO:
    """Return the uploaded file, on disk, at its beginning.

    Raises:
        InvalidRequestError: there is none, or it is empty.
    """
    upload = form.get("file")
    if not isinstance(upload, UploadFile):
        raise InvalidRequestError(
            "Missing file: send the whole recording as the form field `file`, with a file name and the last boundary.",
            "file",
        )
    if not upload.size:
        raise InvalidRequestError("Invalid file: it has 0 bytes.", "file")
    await run_in_threadpool(_roll_over, upload.file)
    return upload.file


def _roll_over(file: BinaryIO) -> None:
    """Write a file that is still in memory to disk: a decoder reads it by its descriptor."""
    if (rollover := getattr(file, "rollover", None)) is not None:
        rollover()
    file.flush()
    file.seek(0)
