"""Log lines of rejected calls: at most one per interval, which counts the others."""

from __future__ import annotations

import pytest

from stt_service.access.auth_failures import LOG_INTERVAL_S, AuthFailureLog


def test_rejections_within_the_interval_are_counted_in_the_next_line(caplog: pytest.LogCaptureFixture) -> None:
    failures = AuthFailureLog("HTTP_PORT")
    for now_s, address in ((0.0, "192.0.2.1"), (1.0, "192.0.2.2"), (LOG_INTERVAL_S - 0.1, "192.0.2.3")):
        failures.count(address, now_s)
    assert caplog.messages == ["calls without a valid token port=HTTP_PORT count=1 last_peer=192.0.2.1"]
    failures.count("192.0.2.4", LOG_INTERVAL_S)
    assert caplog.messages[1:] == ["calls without a valid token port=HTTP_PORT count=3 last_peer=192.0.2.4"]
