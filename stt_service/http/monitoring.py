"""Metrics and health probes: /metrics, /healthz and /readyz."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from stt_service.telemetry.log_writer import LineLimiter

if TYPE_CHECKING:
    from starlette.requests import Request

log = logging.getLogger(__name__)

METRICS_AGE_S = 0.5  # collected at most that often, at any rate of requests


class Monitoring:
    """The endpoints for Prometheus and for probes.

    Args:
        registry: The collectors.
        not_ready_reason: Returns why the server does not admit streams; empty when it does.
    """

    def __init__(self, registry: CollectorRegistry, not_ready_reason: Callable[[], str]) -> None:
        self._registry, self._not_ready_reason = registry, not_ready_reason
        self._collected: tuple[str, float, bytes] = ("", 0.0, b"")  # content type, time and body of the last scrape
        self._scraping = asyncio.Lock()
        self._failures = LineLimiter()

    @property
    def routes(self) -> list[Route]:
        """The routes of the application."""
        return [
            Route("/metrics", self.metrics),
            Route("/healthz", self.healthz),
            Route("/readyz", self.readyz),
        ]

    async def metrics(self, request: Request) -> Response:
        """Return all metrics in the format that the client accepts; collected in a thread."""
        encode, content_type = choose_encoder(request.headers.get("accept", ""))
        async with self._scraping:
            now_s = asyncio.get_running_loop().time()
            last_type, collected_s, body = self._collected
            if last_type != content_type or now_s - collected_s >= METRICS_AGE_S:
                try:
                    body = await asyncio.to_thread(encode, self._registry)
                except Exception as error:  # of a collector
                    if (dropped := self._failures.next_line()) is not None:
                        log.error("metrics collection failed dropped_lines=%d", dropped, exc_info=error)
                    return PlainTextResponse("A collector failed: see the log of the server.\n", 500)
                self._collected = (content_type, now_s, body)
        return Response(body, media_type=None, headers={"Content-Type": content_type})

    async def healthz(self, _request: Request) -> Response:
        """Return 200: the event loop responds."""
        return PlainTextResponse("ok\n")

    async def readyz(self, _request: Request) -> Response:
        """Return 200 while streams are admitted, else 503 with the reason."""
        if reason := self._not_ready_reason():
            return PlainTextResponse(f"{reason}\n", 503)
        return PlainTextResponse("ok\n")
