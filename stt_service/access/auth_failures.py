"""A log of rejected calls and requests whose number of lines is limited."""

from __future__ import annotations

import logging

log = logging.getLogger(__name__)

LOG_INTERVAL_S = 10.0  # between two log lines, however many calls are rejected


class AuthFailureLog:
    """Logs rejected calls, at most every LOG_INTERVAL_S: a client that tries a million tokens must not fill a disk.

    Args:
        port: The setting of the port.
    """

    def __init__(self, port: str) -> None:
        self._port = port
        self._count = 0
        self._logged_s = -LOG_INTERVAL_S

    def count(self, address: str, now_s: float) -> None:
        """Count a rejected call of a client with this address."""
        self._count += 1
        if now_s - self._logged_s >= LOG_INTERVAL_S:
            log.warning("calls without a valid token port=%s count=%d last_peer=%s", self._port, self._count, address)
            self._count, self._logged_s = 0, now_s
