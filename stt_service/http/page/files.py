"""The files of the page: documents at fixed paths, and /assets. They contain no secrets and need no token."""

from __future__ import annotations

import mimetypes
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from stt_service.http.page.captions import NAME

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

ASSETS = Path(__file__).with_name("assets")
DOCUMENTS = {
    "/": "index.html",
    "/monitor": "monitor.html",
    "/captions/{name}": "captions.html",
    "/manifest.webmanifest": "manifest.webmanifest",
    "/service-worker.js": "service-worker.js",
}
# Browsers execute no script with another type; the tables of an operating system may lack one.
MEDIA_TYPES = {".js": "text/javascript", ".mjs": "text/javascript", ".webmanifest": "application/manifest+json"}


class PageFiles:
    """The routes of the files.

    Args:
        folder: Contains the files.
    """

    def __init__(self, folder: Path = ASSETS) -> None:
        for suffix, media_type in MEDIA_TYPES.items():
            mimetypes.add_type(media_type, suffix)
        self._files = StaticFiles(directory=folder)

    def routes(self, middleware: Sequence[Middleware]) -> list[BaseRoute]:
        """Return the routes, with middleware in front of each."""
        inside = [*middleware, Middleware(GZipMiddleware)]
        documents = [Route(path, self._document(name), middleware=inside) for path, name in DOCUMENTS.items()]
        return [*documents, Mount("/assets", app=self._files, middleware=inside)]

    def _document(self, name: str) -> Callable[[Request], Awaitable[Response]]:
        async def respond(request: Request) -> Response:
            if not NAME.fullmatch(request.path_params.get("name", "captions")):
                raise HTTPException(404)
            response = await self._files.get_response(name, request.scope)
            if name == "service-worker.js":
                response.headers["Service-Worker-Allowed"] = "/"
            return response

        return respond
