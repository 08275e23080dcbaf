"""Tokens never appear in the log, even at the most verbose level."""

from __future__ import annotations

import asyncio
from hashlib import sha256
from pathlib import Path

import psutil
import pytest
from grpc import StatusCode

from stt_service.access.tokens import line, new_token
from tests.support.clients.wire_client import Call, config, connected
from tests.support.servers.server_process import COMMON, Server

pytestmark = pytest.mark.model


async def status_with_token(address: str, token: str) -> StatusCode:
    async with connected(address) as stub:
        call = Call(stub, (("authorization", f"Bearer {token}"),))
        await call.send(config())
        return (await call.end()).code


async def test_tokens_and_their_hashes_are_absent_from_log_and_process_list(tmp_path: Path) -> None:
    known, guessed, written = new_token(), new_token(), new_token()
    tokens = tmp_path / "tokens"
    tokens.write_text(line("ann", known))
    settings = {"AUTH_TOKENS_FILE": str(tokens), "WHISPER_MODEL": "tiny.en", "REALTIME_MODEL": "tiny.en"}
    with Server({**COMMON, **settings, "LOG_LEVEL": "debug"}) as server:
        await asyncio.to_thread(server.wait_until_listening)
        command = " ".join(psutil.Process(server.pid).cmdline())
        assert await status_with_token(server.address, known) is StatusCode.OK
        assert await status_with_token(server.address, guessed) is StatusCode.UNAUTHENTICATED
        tokens.write_text(f"bob {written}\n")  # a token instead of its hash
        while not any("previous content stays in use" in line for line in server.lines):  # once the file is stable
            assert await status_with_token(server.address, known) is StatusCode.OK
    output = "\n".join([command, *server.lines])
    assert "line 1 must be NAME sha256:HASH" in output
    for secret in (known, guessed, written):
        assert secret not in output
        assert sha256(secret.encode()).hexdigest() not in output
