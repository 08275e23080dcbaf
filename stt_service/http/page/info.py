"""GET /api/info: the facts that the page shows before its first stream. It needs no token and has no secrets."""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING

from google.protobuf.json_format import MessageToDict
from starlette.responses import JSONResponse

from stt_service.http.listener import MAX_MESSAGE_BYTES
from stt_service.http.page.messages import MAX_TEXT_CHARS
from stt_service.recognition.convert import MAX_CLIENT_ID_CHARS, MAX_LEFT_CONTEXT_MS
from stt_service.recognition.speech_service import SpeechService
from stt_service.settings.schema import MAX_HOTWORDS, MAX_PROMPT_CHARACTERS

if TYPE_CHECKING:
    from starlette.requests import Request

VERSION = version("realtime-stt-grpc")
LIMITS = {
    "messageBytes": MAX_MESSAGE_BYTES,
    "textChars": MAX_TEXT_CHARS,
    "clientIdChars": MAX_CLIENT_ID_CHARS,
    "promptChars": MAX_PROMPT_CHARACTERS,
    "hotwords": MAX_HOTWORDS,
    "leftContextMs": MAX_LEFT_CONTEXT_MS,
}


class Info:
    """The endpoint.

    Args:
        service: Recognizes the streams.
        tokens_required: Whether streams need a token.
    """

    def __init__(self, service: SpeechService, *, tokens_required: bool) -> None:
        self._service, self._tokens_required = service, tokens_required

    async def respond(self, request: Request) -> JSONResponse:
        """Return the facts; settings, which can contain names, only to clients that may open a stream."""
        is_authorized: bool = request.scope["is_authorized"]
        facts = {
            "version": VERSION,
            "tokensRequired": self._tokens_required,
            "authorized": is_authorized,
            "secure": request.url.scheme == "https",
            "model": self._service.model_name,
            "notReady": self._service.not_ready_reason,
            "languages": sorted(self._service.languages),
            "limits": LIMITS,
        }
        if is_authorized:
            facts["settings"] = MessageToDict(self._service.default_settings)
        return JSONResponse(facts)
