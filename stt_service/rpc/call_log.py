"""What the log and the metrics tell of a stream, from its call's first moment to its last."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from stt_service.errors import ResourceExhaustedError, UnavailableError
from stt_service.rpc.status_mapping import CODES
from stt_service.rpc.stream_registry import ActiveStream
from stt_service.telemetry.log_writer import Limited
from stt_service.telemetry.logs import log_context
from stt_service.telemetry.metrics import Metrics

log = logging.getLogger(__name__)
_refusals = Limited(lines=50)


class CallLogger:
    """A call that may become a stream. As a context it takes note of how the call ends."""

    def __init__(self, metrics: Metrics, peer: str) -> None:
        self._metrics = metrics
        self._live: ActiveStream | None = None
        self.id = secrets.token_hex(4)
        self.peer = peer

    def opened(self, live: ActiveStream) -> None:
        """Take note that its client was told that the stream began."""
        self._live = live
        self._metrics.opened.inc()
        self._metrics.streams.inc()
        language = live.session.runtime.language
        fields = {"client": live.client_id, "language": language}
        log.info("opened: client %r, language %s", live.client_id, language, extra=fields)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._closed(self._live, outcome(error))
        elif error is not None and not isinstance(
            error, ResourceExhaustedError | UnavailableError | asyncio.CancelledError
        ):
            refused(self._metrics, "request")  # admission counts its own

    def _closed(self, live: ActiveStream, outcome: str) -> None:
        self._metrics.streams.dec()
        self._metrics.closed.labels(outcome).inc()
        live.figures.close()
        fields = {**live.figures.fields(), "client": live.client_id, "outcome": outcome}
        log.info("closed: %s, %s", outcome, live.figures, extra=fields)


@contextmanager
def track_call(metrics: Metrics, peer: str) -> Iterator[CallLogger]:
    """Yield a call of that host; all that is logged inside carries its id."""
    call = CallLogger(metrics, peer)
    with log_context(stream=call.id, peer=peer):
        yield call


def refused(metrics: Metrics, reason: str) -> None:
    """Count a call that is not let in, and log it: why, but nothing that its client said.

    Whoever may call can be refused any number of times, so only some of the lines are written.
    """
    metrics.refused(reason)
    if (dropped := _refusals.dropped()) is not None:
        more = f", {dropped} more not logged" if dropped else ""
        log.info("refused: %s%s", reason, more, extra={"reason": reason, "not_logged": dropped})


def outcome(error: BaseException | None) -> str:
    """Return the name of the status that the error becomes."""
    if error is None:
        return "OK"
    if isinstance(error, asyncio.CancelledError):
        return "CANCELLED"
    return next((code.name for kind, code in CODES.items() if isinstance(error, kind)), "INTERNAL")
