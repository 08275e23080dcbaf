"""LogWriter: logging never blocks, and dropped lines are counted."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
from queue import Queue
from threading import Event

import pytest

from stt_service.telemetry.log_writer import LineLimiter, LogWriter
from stt_service.telemetry.logs import GrpcLogFilter


class Pipe:
    """A pipe that blocks its writer until it is read."""

    def __init__(self) -> None:
        self.entered, self.read = Event(), Event()
        self.lines = Queue[bytes]()

    def write(self, line: bytes) -> int:
        self.entered.set()
        assert self.read.wait(60)
        self.lines.put(line)
        return len(line)

    def line(self) -> bytes:
        return self.lines.get(timeout=60)


def report(dropped: int) -> str:
    return f"{dropped} dropped"


def test_lines_beyond_the_queue_are_dropped_and_counted_once_it_drains() -> None:
    pipe = Pipe()
    writer = LogWriter(pipe.write, lines=2)
    writer.put("first", report)
    assert pipe.entered.wait(60)
    for line in ("second", "third", "fourth", "fifth"):
        writer.put(line, report)
    pipe.read.set()
    assert [pipe.line() for _ in range(4)] == [b"first\n", b"second\n", b"third\n", b"2 dropped\n"]


def test_line_that_is_written_in_parts_arrives_complete() -> None:
    parts = Queue[bytes]()

    def write(line: bytes) -> int:
        parts.put(line[:2])
        return min(2, len(line))

    LogWriter(write).put("words", report)
    assert b"".join(parts.get(timeout=60) for _ in range(3)) == b"words\n"


def test_lines_lost_to_a_full_disk_are_counted() -> None:
    pipe, full = Pipe(), [True]
    pipe.read.set()

    def write(line: bytes) -> int:
        if full and full.pop():
            raise OSError(28, "No space left on device")
        return pipe.write(line)

    writer = LogWriter(write)
    writer.put("lost", report)
    writer.put("written", report)
    assert {pipe.line(), pipe.line()} == {b"written\n", b"1 dropped\n"}


PROGRAM = """
import logging, os, signal
from stt_service.telemetry import logs

logs.configure("info", "text")
signal.signal(signal.SIGTERM, lambda *_: exit(7))
for number in range(9000):
    logging.info("%s", "x" * 200)
os.write(1, b"!")
signal.pause()
"""


def test_process_with_an_unread_log_continues_and_can_be_stopped() -> None:
    read, write = os.pipe()
    try:
        process = subprocess.Popen([sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, stderr=write)
        assert process.stdout is not None
        with process.stdout:
            assert process.stdout.read(1) == b"!"
            process.send_signal(signal.SIGTERM)
            assert process.wait(60) == 7
    finally:
        os.close(read)
        os.close(write)


def test_line_limiter_counts_the_lines_above_its_limit() -> None:
    now = [100.0]
    limiter = LineLimiter(lines=2, interval_s=10, now=lambda: now[0])
    assert [limiter.next_line() for _ in range(4)] == [0, 0, None, None]
    now[0] = 110.0
    assert [limiter.next_line() for _ in range(2)] == [2, 0]


@pytest.mark.parametrize("name", ["grpc._cython.cygrpc", "grpc"])
def test_grpc_lines_have_no_traceback_and_no_client_data(name: str) -> None:
    try:
        raise ValueError("Patient Jane Roe")
    except ValueError:
        fault = sys.exc_info()
    record = logging.LogRecord(name, logging.ERROR, "", 0, "Invalid encoding on %s", (b"Jane Roe",), fault)
    assert GrpcLogFilter().filter(record)
    assert logging.Formatter().format(record) == "Invalid encoding on %s"


def test_only_grpc_lines_are_limited() -> None:
    log_filter = GrpcLogFilter()
    failed = logging.LogRecord("grpc", logging.ERROR, "", 0, "failed", (), None)
    assert [log_filter.filter(failed) for _ in range(20)].count(True) == 10
    ours = logging.LogRecord("stt_service.recognition.call_log", logging.INFO, "", 0, "opened", (), None)
    assert all(log_filter.filter(ours) for _ in range(20))
