"""The routes of the page, each behind its access rules: files and info are public, a stream needs a token."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from starlette.middleware import Middleware
from starlette.routing import BaseRoute, Route, WebSocketRoute

from stt_service.http.guard import AccessRules, Guard
from stt_service.http.page.errors import reject
from stt_service.http.page.files import PageFiles
from stt_service.http.page.info import Info
from stt_service.http.page.stream import PageStream
from stt_service.rpc.speech_service import SpeechService

MAX_BODY_BYTES = 2**10  # no request of the page has a body


def page_routes(service: SpeechService, rules: AccessRules, on_rejected: Callable[[str], None]) -> list[BaseRoute]:
    """Return the routes of the page.

    Args:
        service: Recognizes the streams.
        rules: The rules for clients that open streams.
        on_rejected: Receives the reason of a rejected request.
    """
    authorized = [Middleware(Guard, replace(rules, max_body_bytes=MAX_BODY_BYTES), reject, on_rejected)]
    public = [Middleware(Guard, replace(rules, max_body_bytes=MAX_BODY_BYTES, public=True), reject, on_rejected)]
    info = Info(service, tokens_required=rules.tokens is not None)
    return [
        WebSocketRoute("/api/stream", PageStream(service).connect, middleware=authorized),
        Route("/api/info", info.respond, middleware=public),
        *PageFiles().routes(public),
    ]
