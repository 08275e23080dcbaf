"""Log configuration: text or JSON lines on stderr, with the fields of the current call.

A message is an event followed by key=value pairs: `stream opened id=1b38c0de client=stt-tui language=en`. In JSON the
same values are fields as well. Lines that are logged inside `log_context` carry its fields, in any module.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from types import TracebackType
from typing import Literal

from pythonjsonlogger.json import JsonFormatter

from stt_service.telemetry.log_writer import LineLimiter, LogWriter, QueuedHandler, stderr_writer

BANNER = logging.getLogger("stt_service.banner")  # startup messages, logged at any LOG_LEVEL
NAMES = {"asctime": "time", "levelname": "level", "name": "logger", "exc_info": "traceback"}
CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
PLAIN = re.compile(r'[^\s"=]+')  # a value that needs no quotes
_FIELDS: ContextVar[dict[str, str]] = ContextVar("log fields")


def configure(level: str, log_format: Literal["text", "json"]) -> None:
    """Write the log to stderr in this format, from this level up."""
    writer = LogWriter(stderr_writer())
    lines = QueuedHandler(writer)
    lines.addFilter(add_fields)
    lines.addFilter(GrpcLogFilter())
    lines.setFormatter(_json() if log_format == "json" else _Text("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=level.upper(), handlers=[lines])
    plain = QueuedHandler(writer)
    plain.setFormatter(_Escaped())
    BANNER.setLevel(logging.INFO)
    BANNER.handlers = [lines if log_format == "json" else plain]
    BANNER.propagate = False
    if log_format == "json":
        logging.captureWarnings(capture=True)
        sys.excepthook = _uncaught
        threading.excepthook = lambda args: _uncaught(args.exc_type, args.exc_value, args.exc_traceback)


def log_banner(lines: Iterable[str]) -> None:
    """Print startup messages: plain lines in text, a record each in JSON."""
    for line in lines:
        BANNER.log(logging.WARNING if line.lstrip().startswith("WARNING") else logging.INFO, "%s", line)


def flush() -> None:
    """Wait up to FLUSH_TIMEOUT_S until all lines are written."""
    for handler in BANNER.handlers:
        handler.flush()


def event(name: str, fields: Mapping[str, object]) -> str:
    """Return a log message: the event, then key=value pairs; values with spaces, quotes or = are quoted as in JSON."""
    return " ".join((name, *(f"{key}={_format_value(str(value))}" for key, value in fields.items())))


def _format_value(text: str) -> str:
    return text if PLAIN.fullmatch(text) else json.dumps(text, ensure_ascii=False)


@contextmanager
def log_context(**fields: str) -> Iterator[None]:
    """Add fields to all lines that are logged inside, or by tasks started inside."""
    token = _FIELDS.set({**_FIELDS.get({}), **fields})
    try:
        yield
    finally:
        _FIELDS.reset(token)


def add_fields(record: logging.LogRecord) -> bool:
    """Set the fields of `log_context` on the record. Used as a filter of a handler."""
    record.__dict__.update(_FIELDS.get({}))
    return True


def escape_controls(text: str) -> str:
    """Return the text with control and bidirectional characters as \\uXXXX, except line feeds and tabs.

    Parts of the log come from clients, model hubs and models, and a terminal would execute control sequences.
    """
    return CONTROLS.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


class GrpcLogFilter(logging.Filter):
    """Limits gRPC's log lines about failed calls, which any client can cause, and removes data sent by clients.

    gRPC logs whole chains of exceptions and bytes of metadata. `recognition/failures.py` logs the server's own faults.
    """

    def __init__(self) -> None:
        super().__init__()
        self._limiter = LineLimiter()

    def filter(self, record: logging.LogRecord) -> bool:
        if record.name.partition(".")[0] != "grpc":
            return True
        if (dropped := self._limiter.next_line()) is None:
            return False
        first, *_ = str(record.msg).splitlines() or [""]
        more = f" dropped_lines={dropped}" if dropped else ""
        record.msg, record.args, record.exc_info, record.exc_text = first[:200] + more, (), None, None
        return True


class _Escaped(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return escape_controls(super().format(record))


class _Text(_Escaped):
    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802
        record.message = record.message.replace("\n", "\\n")  # one line per record: a client cannot forge lines
        if stream := getattr(record, "stream", ""):
            record.message += "" if f"id={stream}" in record.message else f" stream={stream}"
        return super().formatMessage(record)


class _Json(JsonFormatter):
    def format(self, record: logging.LogRecord) -> str:
        return escape_controls(super().format(record))

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: N802
        """Return the time in RFC 3339 format."""
        return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _json() -> logging.Formatter:
    first = ["asctime", "levelname", "name", "message"]
    return _Json(first, rename_fields=NAMES, json_ensure_ascii=False)


def _uncaught(kind: type[BaseException], error: BaseException | None, trace: TracebackType | None) -> None:
    if error is None or isinstance(error, KeyboardInterrupt):
        return
    logging.getLogger(__name__).critical("uncaught exception type=%s", kind.__name__, exc_info=(kind, error, trace))
