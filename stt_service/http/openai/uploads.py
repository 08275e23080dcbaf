"""The form of an upload: its fields, and its recording on disk."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, BinaryIO

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException

from stt_service.errors import InvalidRequestError
from stt_service.http.openai.json_input import shown

if TYPE_CHECKING:
    from starlette.requests import Request

MAX_FIELDS = 128
MAX_FIELD_BYTES = 64 * 2**10

logging.getLogger("python_multipart").setLevel(logging.CRITICAL)  # any client could write lines


async def read_form(request: Request) -> FormData:
    """Return the form, with its file in memory or in an unnamed temporary file.

    Raises:
        InvalidRequestError: the body is not a multipart form, is compressed, or has too many parts.
    """
    if (encoding := request.headers.get("content-encoding", "identity")) != "identity":
        raise InvalidRequestError(f"Invalid Content-Encoding={shown(encoding)}: must be omitted; send a plain form.")
    if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        raise InvalidRequestError("Invalid Content-Type: must be multipart/form-data with the recording as `file`.")
    try:
        return await request.form(max_files=1, max_fields=MAX_FIELDS, max_part_size=MAX_FIELD_BYTES)
    except HTTPException as error:
        raise InvalidRequestError(f"Malformed multipart body: {error.detail}") from error
    except MultiPartException as error:
        raise InvalidRequestError(f"Malformed multipart body: {error.message}") from error
    except (KeyError, ValueError) as error:
        raise InvalidRequestError("Malformed multipart body.") from error


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
            "Missing file: send the whole recording as the form field `file`, with a file name and the last boundary."
        )
    if not upload.size:
        raise InvalidRequestError("Invalid file: it has 0 bytes.")
    await run_in_threadpool(_roll_over, upload.file)
    return upload.file


def _roll_over(file: BinaryIO) -> None:
    """Write a file that is still in memory to disk: a decoder reads it by its descriptor."""
    if (rollover := getattr(file, "rollover", None)) is not None:
        rollover()
    file.flush()
    file.seek(0)
