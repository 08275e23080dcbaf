"""Security headers of responses: the page runs no code and loads no data of other sites."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.datastructures import MutableHeaders

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

# `connect-src 'self'` includes WebSockets of the same host and port. Source: CSP 3, section 6.7.2.8.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' data: blob:",
    "media-src 'self' blob:",
    "connect-src 'self'",
    "worker-src 'self'",
    "manifest-src 'self'",
    "font-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
)
OWN_FEATURES = (
    "autoplay",
    "clipboard-read",
    "clipboard-write",
    "display-capture",
    "fullscreen",
    "microphone",
    "picture-in-picture",
    "screen-wake-lock",
)
DENIED_FEATURES = (  # only names that browsers know: an unknown one is a warning in their consoles
    "accelerometer",
    "camera",
    "encrypted-media",
    "gamepad",
    "geolocation",
    "gyroscope",
    "hid",
    "idle-detection",
    "magnetometer",
    "midi",
    "payment",
    "publickey-credentials-get",
    "serial",
    "usb",
    "xr-spatial-tracking",
)
PERMISSIONS_POLICY = [*(f"{name}=(self)" for name in OWN_FEATURES), *(f"{name}=()" for name in DENIED_FEATURES)]
RESPONSES = ("http.response.start", "websocket.http.response.start")  # the second one rejects a handshake
SECURITY_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",  # documents have another one
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-cache",
}
# Browsers read these from documents only; the first load has 60 files, so they would be a sixth of its bytes.
DOCUMENT_HEADERS = {
    "Content-Security-Policy": "; ".join(CONTENT_SECURITY_POLICY),
    "Permissions-Policy": ", ".join(PERMISSIONS_POLICY),
    "Cross-Origin-Opener-Policy": "same-origin",
}
DOCUMENT = "text/html"
NOT_MODIFIED = 304


class SecurityHeaders:
    """ASGI middleware that adds the headers to responses, unless a response has its own value."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] in RESPONSES:
                headers = MutableHeaders(raw=message["headers"])
                for name, value in _added(headers, message.get("status")).items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, send_with_headers)


def _added(headers: MutableHeaders, status: int | None) -> dict[str, str]:
    if status == NOT_MODIFIED:  # browsers would replace the headers of their copy, which has a type
        return {}
    is_document = headers.get("content-type", "").startswith(DOCUMENT)
    return SECURITY_HEADERS | (DOCUMENT_HEADERS if is_document else {})
