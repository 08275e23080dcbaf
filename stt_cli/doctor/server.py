"""What `stt-cli doctor` finds about a server: can it be reached, does it serve, would it recognise."""

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
ONE_TRY = RetryPolicy(connect_s=0, reconnect_s=0, finish_s=10)


async def server_findings(target: Target, address: str) -> AsyncIterator[CheckResult]:
    """Yield what is found of one of the target's servers, until something fails."""
    subject, only = f"server {address}", replace(target, addresses=(address,))
    try:
        answer = await status(only)
        if answer.health != "SERVING":
            said = answer.health.lower().replace("_", " ")
            yield fail(subject, f"is there and {said}.", "It loads its models, or its log tells why not.")
            return
        yield ok(subject, f"serves; an answer takes {answer.round_trip_ms:.1f} ms.")
        yield await _trial(only, subject)
    except ConnectionFailedError as error:
        remedy = "Start it (stt-server, make serve), or name another with --server or SERVER_HOST."
        yield fail(subject, f"{error}", remedy)
    except ServiceError as error:
        yield fail(subject, f"{error}", "--token and the --tls options are what lets a client in.")


async def _trial(target: Target, subject: str) -> CheckResult:
    """Recognise a moment of silence."""

    async def silence() -> AsyncIterator[bytes]:
        yield SILENCE

    async with aclosing(
        recognize(target, silence(), StreamOptions(partials=True, client_id="doctor"), ONE_TRY)
    ) as events:
        async for event in events:
            if isinstance(event, Started):
                language = event.settings.language
                partials = event.partial_model or "no model"
                return ok(subject, f"recognises with {event.model}, language {language}; partials with {partials}.")
    return fail(subject, "took a stream and did not begin it.", "Its log may tell why.")
