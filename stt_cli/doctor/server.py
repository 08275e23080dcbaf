"""Checks of a server by `stt-cli doctor`: connection, health and a trial recognition."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import replace

from stt_cli.doctor.results import CheckResult, fail, ok
from stt_client.client import recognize
from stt_client.errors import ConnectionFailedError, ServiceError
from stt_client.events import AudioFormat, Started, StreamOptions
from stt_client.recovery.retry import RetryPolicy
from stt_client.status import status
from stt_client.target import Target

SILENCE = bytes(AudioFormat().size_bytes(200))
NO_RETRY = RetryPolicy(connect_s=0, reconnect_s=0, finish_s=10)


async def check_server(target: Target, address: str) -> AsyncIterator[CheckResult]:
    """Yield results for one address of the target, up to the first failure."""
    subject, server = f"server {address}", replace(target, addresses=(address,))
    try:
        server_status = await status(server)
        if server_status.health != "SERVING":
            health = server_status.health.lower().replace("_", " ")
            yield fail(subject, f"{health}.", "It may be loading its models: see its log.")
            return
        yield ok(subject, f"serving; round trip {server_status.round_trip_ms:.1f} ms.")
        yield await _check_recognition(server, subject)
    except ConnectionFailedError as error:
        hint = "Start it (stt-server, make serve), or choose another with --server or SERVER_HOST."
        yield fail(subject, f"{error}", hint)
    except ServiceError as error:
        yield fail(subject, f"{error}", "Check --token and the --tls options.")


async def _check_recognition(target: Target, subject: str) -> CheckResult:
    """Recognize 200 ms of silence."""

    async def silence() -> AsyncIterator[bytes]:
        yield SILENCE

    async with aclosing(
        recognize(target, silence(), StreamOptions(partials=True, client_id="doctor"), NO_RETRY)
    ) as events:
        async for event in events:
            if isinstance(event, Started):
                language = event.settings.language
                partials = event.partial_model or "no model"
                return ok(subject, f"recognizes with {event.model}, language {language}; partials with {partials}.")
    return fail(subject, "accepted a stream but did not start it.", "See its log.")
