"""Errors as clients see them."""

from __future__ import annotations

import logging

import pytest

from stt_service.recognition.failures import log_server_error
from stt_service.telemetry.log_writer import LineLimiter


def test_log_of_internal_errors_is_limited(caplog: pytest.LogCaptureFixture) -> None:
    """An error that is not in the log has no id."""
    limiter = LineLimiter(lines=2, now=lambda: 0.0)
    messages = [str(log_server_error(ZeroDivisionError(), limiter)) for _ in range(4)]
    assert len([record for record in caplog.records if record.levelno == logging.ERROR]) == 2
    assert ["error_id=" in message for message in messages] == [True, True, False, False]
    assert messages[-1] == "Internal server error: try again."
