"""Logs and counts each recognition call: from its start to the status it ends with."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from stt_service.errors import ResourceExhaustedError, UnavailableError
from stt_service.recognition.failures import CODES
from stt_service.recognition.stream_registry import ActiveStream
from stt_service.telemetry.log_writer import LineLimiter
from stt_service.telemetry.logs import event, log_context
from stt_service.telemetry.metrics import Api, Metrics

log = logging.getLogger(__name__)
_rejected_lines = LineLimiter(lines=50)


class CallLogger:
    """A call that may become a stream. As a context manager it records how the call ends."""

    def __init__(self, metrics: Metrics, client: str, api: Api) -> None:
        self._metrics = metrics
        self._stream: ActiveStream | None = None
        self.id = secrets.token_hex(4)
        self.client = client
        self.api = api

    def opened(self, stream: ActiveStream) -> None:
        """Record that the client has received `started`."""
        self._stream = stream
        self._metrics.streams_opened.inc()
        self._metrics.streams.inc()
        fields = {"client": stream.client_id, "language": stream.session.runtime.language}
        log.info(event("stream opened", {"id": self.id, **fields}), extra=fields)

    @contextmanager
    def admitted(self) -> Iterator[None]:
        """Count an admitted stream or recording while inside, and how it ends."""
        calls, error = self._metrics.calls_open.labels(self.api.value), None
        calls.inc()
        try:
            yield
        except BaseException as raised:
            error = raised
            raise
        finally:
            calls.dec()
            self._metrics.calls.labels(self.api.value, outcome(error)).inc()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._stream is not None:
            self._closed(self._stream, outcome(error))
        elif error is not None and not isinstance(
            error, ResourceExhaustedError | UnavailableError | asyncio.CancelledError
        ):
            log_rejected(self._metrics, "request")  # AdmissionControl reports its own

    def _closed(self, stream: ActiveStream, outcome: str) -> None:
        self._metrics.streams.dec()
        self._metrics.streams_closed.labels(outcome).inc()
        stream.stats.close()
        fields = {"outcome": outcome, "client": stream.client_id, **stream.stats.fields()}
        log.info(event("stream closed", {"id": self.id, **fields}), extra=fields)


@contextmanager
def track_call(metrics: Metrics, client: str, api: Api) -> Iterator[CallLogger]:
    """Yield a logger for a call of this client; all lines that are logged inside carry the call's id and its API."""
    call = CallLogger(metrics, client, api)
    with log_context(stream=call.id, peer=client, api=api.value):
        yield call


def log_rejected(metrics: Metrics, reason: str) -> None:
    """Count a rejected call and log the reason, without data sent by the client.

    Clients can be rejected any number of times, so the number of lines is limited.
    """
    metrics.count_rejected(reason)
    if (dropped := _rejected_lines.next_line()) is not None:
        fields = {"reason": reason, "dropped_lines": dropped}
        log.info(event("call rejected", fields), extra=fields)


def outcome(error: BaseException | None) -> str:
    """Return the name of the status to which the error is mapped."""
    if error is None:
        return "OK"
    if isinstance(error, asyncio.CancelledError):
        return "CANCELLED"
    if isinstance(error, BaseExceptionGroup):
        return outcome(error.exceptions[0])
    return next((code.name for kind, code in CODES.items() if isinstance(error, kind)), "INTERNAL")
