"""The files of the page: documents at fixed paths, and /assets. They contain no secrets and need no token."""

from __future__ import annotations

import mimetypes
import os
from collections.abc import Awaitable, Callable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from stt_service.http.page.captions import NAME
from stt_service.http.page.headers import DOCUMENT_HEADERS

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.types import Scope

ASSETS = Path(__file__).with_name("assets")
DOCUMENTS = {
    "/": "index.html",
    "/monitor": "monitor.html",
    "/captions/{name}": "captions.html",
    "/manifest.webmanifest": "manifest.webmanifest",
}
SERVICE_WORKER = "service-worker.js"
VERSION_MARK = "@VERSION@"  # in the service worker, for the version of the files
VERSION_HEADER = "Stt-Page-Version"  # of documents, for the service worker
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
        self._files = _Files(directory=folder)
        worker = folder / SERVICE_WORKER
        source = worker.read_text(encoding="utf-8") if worker.is_file() else ""
        self._version = version_of(folder)
        self._worker = source.replace(VERSION_MARK, self._version)

    def routes(self, middleware: Sequence[Middleware]) -> list[BaseRoute]:
        """Return the routes, with middleware in front of each."""
        inside = [*middleware, Middleware(GZipMiddleware)]
        documents = [Route(path, self._document(name), middleware=inside) for path, name in DOCUMENTS.items()]
        worker = Route(f"/{SERVICE_WORKER}", self._respond_worker, middleware=inside)
        return [*documents, worker, Mount("/assets", app=self._files, middleware=inside)]

    def _document(self, name: str) -> Callable[[Request], Awaitable[Response]]:
        async def respond(request: Request) -> Response:
            if not NAME.fullmatch(request.path_params.get("name", "captions")):
                raise HTTPException(404)
            response = await self._files.get_response(name, request.scope)
            response.headers[VERSION_HEADER] = self._version
            return response

        return respond

    async def _respond_worker(self, _: Request) -> Response:
        policy = DOCUMENT_HEADERS["Content-Security-Policy"]  # a worker has that of its own response
        headers = {"Service-Worker-Allowed": "/", "Content-Security-Policy": policy}
        return Response(self._worker, headers=headers, media_type="text/javascript")


class _Files(StaticFiles):
    """Files without `Last-Modified`: browsers validate their copies by `ETag`, and the first load is 3 kB smaller."""

    def file_response(
        self, full_path: str | os.PathLike[str], stat_result: os.stat_result, scope: Scope, status_code: int = 200
    ) -> Response:
        response = super().file_response(full_path, stat_result, scope, status_code)
        del response.headers["Last-Modified"]
        return response


def version_of(folder: Path) -> str:
    """Return a digest of the paths and contents of all files: other files, another version."""
    digest = sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(folder)} {len(content)}\n".encode() + content)
    return digest.hexdigest()[:16]
