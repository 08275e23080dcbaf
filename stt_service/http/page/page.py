"""The routes of the page, each behind its access rules.

Files and info are public; a stream needs a token; captions need a token, or the key of their name.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from starlette.middleware import Middleware
from starlette.routing import BaseRoute, Route, WebSocketRoute

from stt_service.http.guard import AccessRules, Guard
from stt_service.http.page.caption_hub import CaptionHub
from stt_service.http.page.errors import reject
from stt_service.http.page.files import ASSETS, PageFiles
from stt_service.http.page.info import Info
from stt_service.http.page.stream import PageStream
from stt_service.http.page.viewers import CaptionViewers
from stt_service.recognition.speech_service import SpeechService

MAX_BODY_BYTES = 2**10  # no request of the page has a body


class Page:
    """The page's API and files.

    Args:
        service: Recognizes the streams.
        folder: Contains the files.
    """

    def __init__(self, service: SpeechService, folder: Path = ASSETS) -> None:
        self._service, self._hub, self._files = service, CaptionHub(), PageFiles(folder)

    def routes(self, rules: AccessRules, on_rejected: Callable[[str], None]) -> list[BaseRoute]:
        """Return the routes.

        Args:
            rules: The rules for clients that open streams.
            on_rejected: Receives the reason of a rejected request.
        """
        bounded = replace(rules, max_body_bytes=MAX_BODY_BYTES)
        authorized = [Middleware(Guard, bounded, reject, on_rejected)]
        public = [Middleware(Guard, replace(bounded, public=True), reject, on_rejected)]
        stream = PageStream(self._service, self._hub)
        info = Info(self._service, tokens_required=rules.tokens is not None)
        viewers = CaptionViewers(self._hub)
        return [
            WebSocketRoute("/api/stream", stream.connect, middleware=authorized),
            Route("/api/captions/{name}", viewers, methods=["GET"], middleware=public),
            Route("/api/info", info.respond, middleware=public),
            *self._files.routes(public),
        ]

    def close(self) -> None:
        """End the streams of viewers, which never end on their own."""
        self._hub.close()
