"""Errors in OpenAI's shape, which the clients print as they are."""

from __future__ import annotations

import json

import pytest
from starlette.exceptions import HTTPException
from starlette.requests import Request

from stt_service.http.openai.errors import http_error_response


@pytest.mark.parametrize(
    ("status", "method", "path", "message"),
    [
        (404, "POST", "/v1/audio/speech", "Invalid URL (POST /v1/audio/speech): this server has no such path."),
        (
            405,
            "GET",
            "/v1/audio/transcriptions",
            "Invalid URL (GET /v1/audio/transcriptions): this path has other methods.",
        ),
    ],
)
async def test_unknown_path_and_method_are_answered_in_openais_shape(
    status: int, method: str, path: str, message: str
) -> None:
    request = Request({"type": "http", "method": method, "path": path, "headers": []})
    response = await http_error_response(request, HTTPException(status, headers={"Allow": "POST"}))
    assert (response.status_code, response.headers["allow"]) == (status, "POST")
    error = json.loads(bytes(response.body))["error"]
    assert error == {"message": message, "type": "invalid_request_error", "param": None, "code": "unknown_url"}
