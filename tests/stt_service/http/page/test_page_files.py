"""The page over real sockets: its files, the headers of every response, and the rules for hosts, origins and tokens."""

from __future__ import annotations

import gzip
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from starlette.applications import Starlette

from stt_service.access import tokens
from stt_service.access.listen_address import ListenAddress
from stt_service.http.listener import HttpListener
from stt_service.http.page.files import PageFiles
from stt_service.http.page.headers import DOCUMENT_HEADERS, SECURITY_HEADERS, SecurityHeaders
from stt_service.server import Server
from tests.support.clients.page_client import request
from tests.support.servers.in_process_server import BlockingServerEngine, running_server

TOKEN = tokens.new_token()
POLICY = {"Content-Security-Policy": DOCUMENT_HEADERS["Content-Security-Policy"]}
PATHS = ["/", "/monitor", "/captions/talk", "/assets/none", "/service-worker.js", "/api/info", "/api/none", "/metrics"]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def server() -> AsyncIterator[Server]:
    async with running_server(BlockingServerEngine(), 2) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def protected(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    """A server that requires tokens."""
    file = tmp_path_factory.mktemp("tokens") / "tokens"
    file.write_text(tokens.line("ann", TOKEN))
    async with running_server(BlockingServerEngine(), 2, more={"auth_tokens_file": str(file)}) as running:
        yield running


@pytest_asyncio.fixture
async def files(tmp_path: Path) -> AsyncIterator[str]:
    """The address of a listener with files of its own."""
    for name in ("index.html", "monitor.html", "captions.html"):
        (tmp_path / name).write_text(f"<!doctype html><title>{name}</title>")
    (tmp_path / "app.js").write_text("export const answer = 42;\n" * 100)
    (tmp_path / "service-worker.js").write_text("addEventListener('fetch', () => {});\n")
    (tmp_path / "manifest.webmanifest").write_text("{}")
    (tmp_path.parent / "secret.txt").write_text("secret")
    (tmp_path / "link.txt").symlink_to(tmp_path.parent / "secret.txt")
    app = SecurityHeaders(Starlette(routes=PageFiles(tmp_path).routes([])))
    listener = HttpListener(ListenAddress("HTTP_PORT", "127.0.0.1", 0), app)
    listener.start()
    yield listener.address
    await listener.stop()


@pytest.mark.parametrize(
    ("path", "name"),
    [("/", "index.html"), ("/monitor", "monitor.html"), ("/captions/talk_1-B", "captions.html")],
)
async def test_documents_are_served_at_their_paths(files: str, path: str, name: str) -> None:
    response = await request(files, path)
    assert (response.status, response.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert name.encode() in response.body
    head = await request(files, path, "HEAD")
    assert (head.status, head.body) == (200, b"")


@pytest.mark.parametrize(
    ("path", "media_type"),
    [
        ("/assets/app.js", "text/javascript"),
        ("/service-worker.js", "text/javascript"),
        ("/manifest.webmanifest", "application/manifest+json"),
    ],
)
async def test_files_have_the_type_that_browsers_require(files: str, path: str, media_type: str) -> None:
    response = await request(files, path)
    assert (response.status, response.headers["Content-Type"]) == (200, media_type)


async def test_service_worker_may_control_the_whole_site(files: str) -> None:
    assert (await request(files, "/service-worker.js")).headers["Service-Worker-Allowed"] == "/"


async def test_unchanged_file_is_not_sent_again(files: str) -> None:
    first = await request(files, "/assets/app.js")
    assert first.headers["Cache-Control"] == "no-cache"
    assert "Last-Modified" not in first.headers
    again = await request(files, "/assets/app.js", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status, again.body) == (304, b"")


@pytest.mark.parametrize(("path", "name"), [("/", "index.html"), ("/assets/app.js", "app.js")])
async def test_file_that_is_replaced_on_disk_is_served_as_it_was_at_the_start(
    files: str, tmp_path: Path, path: str, name: str
) -> None:
    first = await request(files, path)
    (tmp_path / name).write_text("another version")
    (tmp_path / "added.js").write_text("another version")
    again = await request(files, path)
    assert (again.body, again.headers["ETag"]) == (first.body, first.headers["ETag"])
    (tmp_path / name).unlink()
    assert (await request(files, path)).body == first.body
    assert (await request(files, "/assets/added.js")).status == 404


@pytest.mark.parametrize("path", ["/", "/assets/app.js", "/service-worker.js"])
async def test_head_has_the_headers_of_get(files: str, path: str) -> None:
    head, get = await request(files, path, "HEAD"), await request(files, path)
    assert head.body == b""
    del head.headers["Date"], get.headers["Date"]
    assert dict(head.headers) == dict(get.headers)


@pytest.mark.parametrize("path", ["/", "/assets/app.js"])
async def test_files_are_only_read(files: str, path: str) -> None:
    response = await request(files, path, "POST")
    assert (response.status, set(response.headers["Allow"].split(", "))) == (405, {"GET", "HEAD"})


async def test_document_that_is_unchanged_has_the_version_of_all_files(files: str) -> None:
    first = await request(files, "/")
    again = await request(files, "/", headers={"If-None-Match": f'"other", W/{first.headers["ETag"]}'})
    assert again.status == 304
    assert again.headers["Stt-Page-Version"] == first.headers["Stt-Page-Version"]


async def test_text_is_compressed_for_clients_that_accept_it(files: str) -> None:
    plain = await request(files, "/assets/app.js")
    compressed = await request(files, "/assets/app.js", headers={"Accept-Encoding": "gzip"})
    assert compressed.headers["Content-Encoding"] == "gzip"
    assert len(compressed.body) < len(plain.body) / 5
    assert gzip.decompress(compressed.body) == plain.body


@pytest.mark.parametrize(
    "path",
    [
        "/assets/../secret.txt",
        "/assets/%2e%2e/secret.txt",
        "/assets/..%2fsecret.txt",
        "/assets//etc/passwd",
        "/assets/link.txt",
        "/assets/%00",
        "/assets/" + "x" * 5000,
        "/assets/",
        "/captions/a%2fb",
        "/captions/",
        "/captions/a.b",
        "/captions/" + "a" * 65,
        "/index.html",
    ],
)
async def test_no_other_path_is_served(files: str, path: str) -> None:
    response = await request(files, path)
    assert response.status == 404
    assert b"secret" not in response.body


@pytest.mark.parametrize("path", PATHS)
async def test_every_response_has_the_security_headers(server: Server, path: str) -> None:
    response = await request(server.http.address, path)
    has_own_policy = response.headers.get("Content-Type", "").startswith("text/html") or path == "/service-worker.js"
    for name, value in (SECURITY_HEADERS | (POLICY if has_own_policy else {})).items():
        assert response.headers.get_all(name) == [value]


@pytest.mark.parametrize(("path", "expected"), [("/", True), ("/monitor", True), ("/assets/app.js", False)])
async def test_documents_alone_have_the_headers_of_documents(files: str, path: str, expected: bool) -> None:
    headers = (await request(files, path)).headers
    assert {name: headers[name] == value for name, value in DOCUMENT_HEADERS.items()} == dict.fromkeys(
        DOCUMENT_HEADERS, expected
    )


def test_policy_allows_code_of_this_server_only() -> None:
    for policy in (SECURITY_HEADERS, DOCUMENT_HEADERS):
        assert policy["Content-Security-Policy"].startswith("default-src 'none';")
        assert "unsafe" not in policy["Content-Security-Policy"]
    assert "microphone=(self)" in DOCUMENT_HEADERS["Permissions-Policy"]
    assert "camera=()" in DOCUMENT_HEADERS["Permissions-Policy"]


async def test_page_is_served_by_default(server: Server) -> None:
    assert (await request(server.http.address, "/")).status == 200


async def test_page_can_be_turned_off() -> None:
    async with running_server(BlockingServerEngine(), 1, more={"http_surfaces": "metrics"}) as server:
        for path in ("/", "/api/info", "/assets/index.html"):
            assert (await request(server.http.address, path)).status == 404


async def test_page_of_another_site_reaches_nothing(server: Server) -> None:
    for path in ("/", "/api/info", "/assets/index.html"):
        foreign = await request(server.http.address, path, headers={"Host": "rebound.example"})
        assert foreign.status == 400
        assert (await request(server.http.address, path, headers={"Origin": "https://x.example"})).status == 403


async def test_info_names_what_the_first_screen_shows(server: Server) -> None:
    info = (await request(server.http.address, "/api/info")).json
    assert (info["model"], info["notReady"], info["secure"]) == ("base", "", False)
    assert (info["tokensRequired"], info["authorized"]) == (False, True)
    assert re.fullmatch(r"\d+\.\d+\.\d+", str(info["version"]))
    assert "ru" in info["languages"]  # type: ignore[operator]
    assert info["settings"]["language"] == "ru"  # type: ignore[index]


async def test_info_of_a_model_of_english_has_one_language() -> None:
    async with running_server(BlockingServerEngine(multilingual=False), 1) as server:
        assert (await request(server.http.address, "/api/info")).json["languages"] == ["en"]


async def test_info_without_a_token_has_no_settings(protected: Server) -> None:
    info = (await request(protected.http.address, "/api/info")).json
    assert (info["tokensRequired"], info["authorized"]) == (True, False)
    assert "settings" not in info


@pytest.mark.parametrize(("token", "authorized"), [(TOKEN, True), (TOKEN + "x", False)])
async def test_info_reports_whether_a_token_is_valid(protected: Server, token: str, authorized: bool) -> None:
    response = await request(protected.http.address, "/api/info", headers={"Authorization": f"Bearer {token}"})
    assert response.json["authorized"] is authorized


async def test_files_need_no_token(protected: Server) -> None:
    assert (await request(protected.http.address, "/")).status == 200
