"""Access rules of the HTTP port: host, origin, token, certificate and the size of a body."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from stt_service.access import tokens
from stt_service.access.file_watcher import ReloadingFile
from stt_service.access.tokens import Tokens
from stt_service.errors import SttError
from stt_service.http.errors import http_status
from stt_service.http.guard import AccessRules, Guard
from tests.support.timelines.virtual_time import VirtualTimeLoop

if TYPE_CHECKING:
    from starlette.types import Message, Receive, Scope, Send

TOKEN = tokens.new_token()
KNOWN: ReloadingFile[Tokens] = ReloadingFile((), lambda: tokens.parse(tokens.line("ann", TOKEN)))


async def respond(
    rules: AccessRules, headers: dict[str, str], body: list[bytes] | None = None, **scope: object
) -> tuple[int, str]:
    """Return the status of a request, 200 if it reaches the application, and the name of its client."""
    messages: list[Message] = [
        {"type": "http.request", "body": part, "more_body": index < len(body or [b""]) - 1}
        for index, part in enumerate(body or [b""])
    ]
    result: list[tuple[int, str]] = []

    async def app(scope: Scope, receive: Receive, _send: Send) -> None:
        while (await receive()).get("more_body"):
            pass
        result.append((200, scope["client_name"]))

    async def on_error(_scope: Scope, _receive: Receive, _send: Send, error: SttError) -> None:
        result.append((http_status(error), ""))

    async def receive() -> Message:
        return messages.pop(0)

    async def send(_message: Message) -> None:
        pass

    raw = [(name.lower().encode(), value.encode()) for name, value in {"host": "localhost:8013", **headers}.items()]
    whole = {"type": "http", "headers": raw, "client": ("127.0.0.1", 5), "state": {}, **scope}
    await Guard(app, rules, on_error)(whole, receive, send)
    return result[0]


async def test_client_without_a_token_has_its_address_as_its_name() -> None:
    assert await respond(AccessRules(), {}) == (200, "127.0.0.1")


async def test_client_with_a_valid_token_has_its_name() -> None:
    rules = AccessRules(tokens=KNOWN)
    assert await respond(rules, {"Authorization": f"Bearer {TOKEN}"}) == (200, "ann")
    protocols = f"realtime, openai-insecure-api-key.{TOKEN}"
    assert await respond(rules, {"Sec-WebSocket-Protocol": protocols}) == (200, "ann")


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic x"}])
async def test_missing_or_wrong_token_is_rejected(headers: dict[str, str]) -> None:
    assert await respond(AccessRules(tokens=KNOWN), headers) == (401, "")


async def test_rejected_tokens_are_logged_once_per_interval_without_the_token(caplog: pytest.LogCaptureFixture) -> None:
    async def app(_scope: Scope, _receive: Receive, _send: Send) -> None:
        raise AssertionError("unreachable")

    counted: list[str] = []
    statuses: list[int] = []

    async def on_error(_scope: Scope, _receive: Receive, _send: Send, error: SttError) -> None:
        statuses.append(http_status(error))

    async def receive() -> Message:
        return {"type": "http.request"}

    async def send(_message: Message) -> None:
        pass

    guard = Guard(app, AccessRules(tokens=KNOWN), on_error, counted.append)
    headers = [(b"host", b"localhost"), (b"authorization", b"Bearer stt_secret-guess")]
    for _ in range(3):
        scope = {"type": "http", "headers": headers, "client": ("192.0.2.7", 5), "state": {}}
        await guard(scope, receive, send)
    assert (statuses, counted) == ([401] * 3, ["token"] * 3)
    assert caplog.messages == ["calls without a valid token port=HTTP_PORT count=1 last_peer=192.0.2.7"]


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:8013", "127.0.0.1:8013", "[::1]:8013", "192.0.2.7", "stt:8013"]
)
async def test_address_or_local_name_is_accepted(host: str) -> None:
    assert (await respond(AccessRules(addresses_only=True), {"Host": host}))[0] == 200


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8013", "", "localhost.evil.example", "[x"])
async def test_name_of_another_site_is_rejected(host: str) -> None:
    assert (await respond(AccessRules(addresses_only=True), {"Host": host}))[0] == 400


async def test_host_of_an_allowed_origin_is_accepted() -> None:
    rules = AccessRules(addresses_only=True, origins=frozenset({"https://stt.example"}))
    assert (await respond(rules, {"Host": "stt.example"}))[0] == 200


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("http://localhost:8013", 200),
        ("https://app.example", 200),
        ("https://evil.example", 403),
        ("null", 403),
        ("http://[x", 403),
    ],
)
async def test_origin_of_another_site_is_rejected_unless_it_is_allowed(origin: str, status: int) -> None:
    rules = AccessRules(origins=frozenset({"https://app.example"}))
    assert (await respond(rules, {"Origin": origin}))[0] == status


async def test_body_over_the_limit_is_rejected_by_its_length_before_it_is_read() -> None:
    assert (await respond(AccessRules(max_body_bytes=10), {"Content-Length": "11"}, [b""]))[0] == 413


async def test_body_over_the_limit_is_rejected_without_a_length_too() -> None:
    assert (await respond(AccessRules(max_body_bytes=10), {}, [b"12345", b"12345", b"6"]))[0] == 413
    assert (await respond(AccessRules(max_body_bytes=10), {}, [b"12345", b"12345"]))[0] == 200


async def test_required_client_certificate() -> None:
    rules = AccessRules(client_certificates=True)
    assert (await respond(rules, {}))[0] == 401
    assert (await respond(rules, {}, state={"client_certificate": True}))[0] == 200


async def test_opaque_origin_does_not_match_an_empty_host() -> None:
    assert (await respond(AccessRules(), {"Host": "", "Origin": "null"}))[0] == 403


async def test_fault_of_the_application_is_an_error_with_an_id(caplog: pytest.LogCaptureFixture) -> None:
    async def app(_scope: Scope, _receive: Receive, _send: Send) -> None:
        raise RuntimeError("secret")

    sent: list[SttError] = []

    async def on_error(_scope: Scope, _receive: Receive, _send: Send, error: SttError) -> None:
        sent.append(error)

    async def receive() -> Message:
        return {"type": "http.request"}

    async def send(_message: Message) -> None:
        pass

    scope = {"type": "http", "headers": [(b"host", b"localhost")], "client": ("127.0.0.1", 5), "state": {}}
    await Guard(app, AccessRules(), on_error)(scope, receive, send)
    assert http_status(sent[0]) == 500
    assert str(sent[0]).startswith("Internal server error (error_id=")
    assert "secret" not in str(sent[0])
    assert "secret" in caplog.text


async def statuses_of_body(receive: Receive, *, reads: int) -> list[int]:
    """Return the status of a request without a time for its body, whose application reads this many messages."""
    statuses: list[int] = []

    async def app(_scope: Scope, receive: Receive, _send: Send) -> None:
        for _ in range(reads):
            await receive()
        statuses.append(200)

    async def on_error(_scope: Scope, _receive: Receive, _send: Send, error: SttError) -> None:
        statuses.append(http_status(error))

    async def send(_message: Message) -> None:
        pass

    scope = {"type": "http", "headers": [(b"host", b"localhost")], "client": ("127.0.0.1", 5), "state": {}}
    await Guard(app, AccessRules(), on_error, body_timeout_s=0)(scope, receive, send)
    return statuses


async def test_body_that_does_not_arrive_in_time_is_rejected() -> None:
    async def receive() -> Message:
        await asyncio.Event().wait()
        raise AssertionError("unreachable")

    assert await statuses_of_body(receive, reads=1) == [408]


async def test_disconnection_after_the_body_may_take_any_time() -> None:
    messages: list[Message] = [{"type": "http.request", "body": b"", "more_body": False}]
    disconnected = asyncio.Event()

    async def receive() -> Message:
        if messages:
            return messages.pop()
        for _ in range(5):
            await asyncio.sleep(0)
        disconnected.set()
        return {"type": "http.disconnect"}

    assert await statuses_of_body(receive, reads=2) == [200]
    assert disconnected.is_set()


async def test_public_surface_serves_a_client_without_a_token_as_unauthorized() -> None:
    seen: list[tuple[str, bool]] = []

    async def app(scope: Scope, _receive: Receive, _send: Send) -> None:
        seen.append((scope["client_name"], scope["is_authorized"]))

    async def on_error(_scope: Scope, _receive: Receive, _send: Send, error: SttError) -> None:
        raise error

    async def receive() -> Message:
        return {"type": "http.request"}

    async def send(_message: Message) -> None:
        pass

    guard = Guard(app, AccessRules(tokens=KNOWN, public=True), on_error)
    for extra in ([], [(b"authorization", f"Bearer {TOKEN}".encode())]):
        headers = [(b"host", b"localhost"), *extra]
        await guard({"type": "http", "headers": headers, "client": ("127.0.0.1", 5), "state": {}}, receive, send)
    assert seen == [("127.0.0.1", False), ("ann", True)]


async def status_of_slow_body(pause_s: float, part_bytes: int) -> tuple[int, float]:
    """Return the status of a request of 100 kB whose parts arrive with pauses, and its time."""
    loop, statuses = asyncio.get_running_loop(), list[int]()
    left_bytes, started_s = 100_000, loop.time()

    async def app(_scope: Scope, receive: Receive, _send: Send) -> None:
        while (await receive())["more_body"]:
            pass
        statuses.append(200)

    async def receive() -> Message:
        nonlocal left_bytes
        await asyncio.sleep(pause_s)
        left_bytes -= part_bytes
        return {"type": "http.request", "body": bytes(part_bytes), "more_body": left_bytes > 0}

    async def on_error(_scope: Scope, _receive: Receive, _send: Send, error: SttError) -> None:
        statuses.append(http_status(error))

    async def send(_message: Message) -> None:
        pass

    scope = {"type": "http", "headers": [(b"host", b"localhost")], "client": ("127.0.0.1", 5), "state": {}}
    await Guard(app, AccessRules(), on_error)(scope, receive, send)
    return statuses[0], loop.time() - started_s


@pytest.mark.parametrize(
    ("pause_s", "part_bytes", "status", "time_s"),
    [(20, 50_000, 200, 40), (1, 2_000, 200, 50), (31, 50_000, 408, 30), (1, 1, 408, 30), (20, 10_000, 408, 40)],
)
def test_body_that_arrives_too_slowly_is_rejected(pause_s: float, part_bytes: int, status: int, time_s: float) -> None:
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        result, passed_s = runner.run(status_of_slow_body(pause_s, part_bytes))
    assert result == status
    assert passed_s == pytest.approx(time_s, abs=1)
