"""How the log is written: as text, or an object in each line; and whose stream a line is about.

Lines told inside `following` carry its fields, in whatever module they are told.
"""

from __future__ import annotations

import logging
import re
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from types import TracebackType
from typing import Literal

from pythonjsonlogger.json import JsonFormatter

from stt_service.telemetry.log_writer import Limited, LogWriter, QueuedHandler, stderr_writer

BANNER = logging.getLogger("stt_service.banner")  # what the server says of itself at the start, whatever the level
NAMES = {"asctime": "time", "levelname": "level", "name": "logger", "exc_info": "traceback"}
CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_FIELDS: ContextVar[dict[str, str]] = ContextVar("fields of the log")


def configure(level: str, log_format: Literal["text", "json"]) -> None:
    """Have the log written to stderr in that form, from that level on."""
    writer = LogWriter(stderr_writer())
    lines = QueuedHandler(writer)
    lines.addFilter(add_fields)
    lines.addFilter(GrpcLines())
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
        threading.excepthook = lambda told: _uncaught(told.exc_type, told.exc_value, told.exc_traceback)


def log_banner(lines: Iterable[str]) -> None:
    """Tell the operator: plain lines, or a record each."""
    for line in lines:
        BANNER.log(logging.WARNING if line.lstrip().startswith("WARNING") else logging.INFO, "%s", line)


def flush() -> None:
    """Wait until what was told is written, but not for long."""
    for handler in BANNER.handlers:
        handler.flush()


@contextmanager
def log_context(**fields: str) -> Iterator[None]:
    """Let all lines told inside, and by tasks that begin there, carry the fields beside those they have already."""
    token = _FIELDS.set({**_FIELDS.get({}), **fields})
    try:
        yield
    finally:
        _FIELDS.reset(token)


def add_fields(record: logging.LogRecord) -> bool:
    """Give the record the fields of `following`; as a filter of a handler."""
    record.__dict__.update(_FIELDS.get({}))
    return True


def escaped(text: str) -> str:
    """Return the text with control and bidirectional characters, but for line feeds and tabs, as \\uXXXX.

    Clients, hubs and models choose some of what is logged, and a terminal would execute it.
    """
    return CONTROLS.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


class GrpcLines(logging.Filter):
    """Limits what gRPC logs about calls that fail, which any client can cause, and leaves out what clients sent.

    gRPC logs whole chains of exceptions, and bytes of metadata. What is our fault, `answers.py` logs.
    """

    def __init__(self) -> None:
        super().__init__()
        self._limited = Limited()

    def filter(self, record: logging.LogRecord) -> bool:
        if record.name.partition(".")[0] != "grpc":
            return True
        if (dropped := self._limited.dropped()) is None:
            return False
        first, *_ = str(record.msg).splitlines() or [""]
        more = f" ({dropped} more lines of gRPC dropped)" if dropped else ""
        record.msg, record.args, record.exc_info, record.exc_text = first[:200] + more, (), None, None
        return True


class _Escaped(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return escaped(super().format(record))


class _Text(_Escaped):
    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802
        record.message = record.message.replace("\n", "\\n")  # a line for each record: none can be forged
        if stream := getattr(record, "stream", ""):
            record.message = f"stream {stream} {record.message}"
        return super().formatMessage(record)


class _Json(JsonFormatter):
    def format(self, record: logging.LogRecord) -> str:
        return escaped(super().format(record))

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: N802
        """Return the time as RFC 3339 has it."""
        return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _json() -> logging.Formatter:
    first = ["asctime", "levelname", "name", "message"]
    return _Json(first, rename_fields=NAMES, json_ensure_ascii=False)


def _uncaught(kind: type[BaseException], error: BaseException | None, trace: TracebackType | None) -> None:
    if error is None or isinstance(error, KeyboardInterrupt):
        return
    logging.getLogger(__name__).critical("uncaught %s", kind.__name__, exc_info=(kind, error, trace))
