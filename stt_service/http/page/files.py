"""The files of the page: documents at fixed paths, and /assets. They contain no secrets and need no token.

They are read once, at the start: an upgrade of the package replaces them while the former process still answers, and a
page must get files of one version, that of its document.
"""

from __future__ import annotations

import gzip
from collections.abc import Awaitable, Callable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from stt_service.http.page.captions import NAME
from stt_service.http.page.headers import DOCUMENT_HEADERS

if TYPE_CHECKING:
    from starlette.requests import Request

ASSETS = Path(__file__).with_name("assets")
DOCUMENTS = {
    "/": "index.html",
    "/monitor": "monitor.html",
    "/captions/{name}": "captions.html",
    "/manifest.webmanifest": "manifest.webmanifest",
}
SERVICE_WORKER = "service-worker.js"
VERSION_MARK = b"@VERSION@"  # in the service worker, for the version of the files
VERSION_HEADER = "Stt-Page-Version"  # of documents, for the service worker
# Browsers execute no script with another type; the tables of an operating system may lack one. Modules and workers are
# UTF-8 without a charset, which would be 1 kB of the first load.
MEDIA_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
    ".webmanifest": "application/manifest+json",
}
DEFAULT_MEDIA_TYPE = "application/octet-stream"
COMPRESSION_HEADER_BYTES = 47  # Content-Encoding and Vary
DIGEST_DIGITS = 16
NOT_FOUND = 404
NOT_MODIFIED = 304


class PageFiles:
    """The routes of the files.

    Args:
        folder: Contains the files; links to files outside of it are not followed.
    """

    def __init__(self, folder: Path = ASSETS) -> None:
        contents = _read(folder)
        self._version = version_of(contents)
        if SERVICE_WORKER in contents:
            contents[SERVICE_WORKER] = contents[SERVICE_WORKER].replace(VERSION_MARK, self._version.encode())
        self._files = {name: _File(name, content) for name, content in contents.items()}

    def routes(self, middleware: Sequence[Middleware]) -> list[BaseRoute]:
        """Return the routes, with middleware in front of each."""
        policy = DOCUMENT_HEADERS["Content-Security-Policy"]  # a worker has that of its own response
        worker = {"Service-Worker-Allowed": "/", "Content-Security-Policy": policy}
        endpoints = {path: self._file(name, {VERSION_HEADER: self._version}) for path, name in DOCUMENTS.items()}
        endpoints |= {f"/{SERVICE_WORKER}": self._file(SERVICE_WORKER, worker), "/assets/{path:path}": self._asset}
        return [Route(path, endpoint, middleware=middleware) for path, endpoint in endpoints.items()]

    def _file(self, name: str, headers: Mapping[str, str]) -> Callable[[Request], Awaitable[Response]]:
        async def respond(request: Request) -> Response:
            if not NAME.fullmatch(request.path_params.get("name", "captions")):
                raise HTTPException(NOT_FOUND)
            return self._respond(request, name, headers)

        return respond

    async def _asset(self, request: Request) -> Response:
        return self._respond(request, request.path_params["path"], {})

    def _respond(self, request: Request, name: str, headers: Mapping[str, str]) -> Response:
        """Return the response with a file.

        Raises:
            HTTPException: there is no such file; a path with `..` is none.
        """
        if name not in self._files:
            raise HTTPException(NOT_FOUND)
        return self._files[name].response(request, headers)


class _File:
    """A file in memory, compressed if that saves bytes. Browsers validate their copies by `ETag`."""

    def __init__(self, name: str, content: bytes) -> None:
        self._content, self._compressed = content, gzip.compress(content, mtime=0)
        media_type = MEDIA_TYPES.get(PurePosixPath(name).suffix, DEFAULT_MEDIA_TYPE)
        self._etag = f'"{sha256(content).hexdigest()[:DIGEST_DIGITS]}"'
        self._headers = {"ETag": self._etag, "Content-Type": media_type}
        self._is_compressible = len(self._compressed) + COMPRESSION_HEADER_BYTES < len(content)
        if self._is_compressible:
            self._headers["Vary"] = "Accept-Encoding"

    def response(self, request: Request, headers: Mapping[str, str]) -> Response:
        """Return the response to a request, with additional headers."""
        shared = {**self._headers, **headers}
        if self._etag in request.headers.get("If-None-Match", ""):
            return Response(status_code=NOT_MODIFIED, headers=shared)
        if self._is_compressible and "gzip" in request.headers.get("Accept-Encoding", ""):
            shared["Content-Encoding"] = "gzip"
            return Response(self._compressed, headers=shared)
        return Response(self._content, headers=shared)


def version_of(contents: Mapping[str, bytes]) -> str:
    """Return a digest of the names and contents of all files: other files, another version."""
    digest = sha256()
    for name, content in contents.items():
        digest.update(f"{name} {len(content)}\n".encode() + content)
    return digest.hexdigest()[:DIGEST_DIGITS]


def _read(folder: Path) -> dict[str, bytes]:
    """Return the content of each file by its path in the folder, sorted."""
    root = folder.resolve()
    files = sorted(path for path in root.rglob("*") if path.is_file() and path.resolve().is_relative_to(root))
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in files}
