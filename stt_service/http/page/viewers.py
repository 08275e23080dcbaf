"""GET /api/captions/NAME: the captions of a name as server-sent events.

A viewer has a token, or the key of the name. Events have the JSON of the responses of the published stream; `live` and
`waiting` describe whether the name is published, and have no id.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING

from starlette.datastructures import Headers
from starlette.responses import StreamingResponse

from stt_service.access.tokens import bearer_token
from stt_service.errors import NotFoundError, UnauthenticatedError
from stt_service.http.page.caption_hub import WRONG_KEY, CaptionHub
from stt_service.http.page.captions import KEY, NAME, CaptionEvent, Viewer

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

HEARTBEAT_S = 15.0  # proxies close connections without data, usually after 60 s
RETRY_MS = 2000  # for browsers, before they reconnect
HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}  # the latter for nginx


class CaptionViewers:
    """The endpoint, an ASGI application.

    Args:
        hub: The published streams.
        heartbeat_s: Time without an event after which a comment is sent.
    """

    def __init__(self, hub: CaptionHub, heartbeat_s: float = HEARTBEAT_S) -> None:
        self._hub, self._heartbeat_s = hub, heartbeat_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        name, headers = scope["path_params"]["name"], Headers(scope=scope)
        if not NAME.fullmatch(name):
            raise NotFoundError("Invalid name of captions: must be 1 to 64 letters, digits, - or _.")
        key = None if scope["is_authorized"] else _key(headers)
        address = scope["client_name"]  # of a client with a token: the name of the token
        with self._hub.view(name, headers.get("last-event-id", ""), key, address) as (viewer, before):
            events = self._events(viewer, before)
            response = StreamingResponse(events, media_type="text/event-stream", headers=HEADERS)
            await response(scope, receive, send)

    async def _events(self, viewer: Viewer, before: Sequence[CaptionEvent]) -> AsyncIterator[str]:
        yield f"retry: {RETRY_MS}\n\n"
        for event in before:
            yield _text(event)
        while True:
            try:
                async with asyncio.timeout(self._heartbeat_s):
                    following = await viewer.next_event()
            except TimeoutError:
                yield ": heartbeat\n\n"
                continue
            if following is None:
                return
            yield _text(following)


def _key(headers: Headers) -> str:
    key = bearer_token(headers.get("authorization", ""))
    if not KEY.fullmatch(key):
        raise UnauthenticatedError(WRONG_KEY)
    return key


def _text(event: CaptionEvent) -> str:
    """Return the event as text; its data is on one line, as JSON without indentation has no line breaks."""
    identified = f"id: {event.id}\n" if event.id else ""
    return f"{identified}event: {event.kind}\ndata: {event.data}\n\n"
