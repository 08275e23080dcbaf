"""The log: the same lines as text and as objects, and the stream that each is about."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

PROGRAM = """
import asyncio, logging, threading, warnings
from stt_service import logs

logs.configure({level!r}, {log_format!r})
log = logging.getLogger("stt_service.rpc.call_log")
{body}
"""


def logged(log_format: str, body: str, level: str = "info") -> list[str]:
    """Return what a process writes to stderr that does this."""
    program = PROGRAM.format(level=level, log_format=log_format, body=body)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert done.stdout == ""
    return done.stderr.splitlines()


def record(body: str) -> dict[str, object]:
    """Return the one line that it writes, as an object."""
    [line] = logged("json", body)
    told = json.loads(line)
    assert isinstance(told, dict)
    return told


STREAM = """
with logs.following(stream="1a2b", peer="10.0.0.7"):
    log.info("opened: client %r", "kitchen", extra={"client": "kitchen"})
"""


def test_text_says_the_stream_before_what_became_of_it() -> None:
    [line] = logged("text", STREAM)
    assert line.endswith(" INFO stt_service.rpc.call_log: stream 1a2b opened: client 'kitchen'")


def test_json_has_a_field_for_each_thing() -> None:
    told = record(STREAM)
    assert {key: told[key] for key in told if key != "time"} == {
        "level": "INFO",
        "logger": "stt_service.rpc.call_log",
        "message": "opened: client 'kitchen'",
        "stream": "1a2b",
        "peer": "10.0.0.7",
        "client": "kitchen",
    }


def test_time_is_that_of_rfc_3339_in_utc() -> None:
    told = str(record("log.warning('now')")["time"])
    assert len(told) == len("2026-11-26T01:01:06.171Z")
    assert told[10] == "T"
    assert told.endswith("Z")


def test_tasks_that_begin_inside_tell_of_the_same_stream_and_others_do_not() -> None:
    body = """
async def say(what):
    log.info(what)

async def call(name):
    with logs.following(stream=name):
        await asyncio.gather(asyncio.create_task(say("inside")), asyncio.sleep(0))

async def main():
    await asyncio.gather(call("one"), call("two"), say("outside"))

asyncio.run(main())
"""
    told = [json.loads(line) for line in logged("json", body)]
    assert sorted((line["message"], line.get("stream")) for line in told) == [
        ("inside", "one"),
        ("inside", "two"),
        ("outside", None),
    ]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        pytest.param("1 / 0", "uncaught ZeroDivisionError", id="main"),
        pytest.param("threading.Thread(target=lambda: 1 / 0).start()", "uncaught ZeroDivisionError", id="thread"),
        pytest.param("try: 1 / 0\nexcept Exception: log.exception('failed')", "failed", id="logged"),
    ],
)
def test_an_exception_is_one_line_with_its_traceback_in_a_field(body: str, message: str) -> None:
    told = record(body)
    assert told["message"] == message
    assert str(told["traceback"]).startswith("Traceback")
    assert "ZeroDivisionError" in str(told["traceback"])


def test_a_warning_of_python_is_a_line_too() -> None:
    assert "will be gone" in str(record("warnings.warn('will be gone')")["message"])


def test_line_ends_in_what_is_logged_make_no_lines() -> None:
    assert record("log.info('client %s', 'a\\nb')")["message"] == "client a\nb"


def test_the_banner_is_plain_lines_in_text_and_records_in_json_at_any_level() -> None:
    body = "logs.say(['GPU STATUS:', '  WARNING: no GPU'])"
    assert logged("text", body, level="error") == ["GPU STATUS:", "  WARNING: no GPU"]
    told = [json.loads(line) for line in logged("json", body, level="error")]
    assert [(line["level"], line["message"]) for line in told] == [
        ("INFO", "GPU STATUS:"),
        ("WARNING", "  WARNING: no GPU"),
    ]


HOSTILE = r"log.info('refused: %s', 'a\x1b[2J\x9b\x7f\u202eb\u2028\r\n2026-01-01 INFO forged')"


def test_text_of_others_is_one_line_that_no_terminal_executes() -> None:
    [line] = logged("text", HOSTILE)
    assert line.endswith(r"refused: a\u001b[2J\u009b\u007f\u202eb\u2028\u000d\n2026-01-01 INFO forged")


def test_text_of_others_in_json_is_escaped_and_the_same() -> None:
    [line] = logged("json", HOSTILE)
    assert r"\u009b\u007f\u202eb\u2028" in line
    assert json.loads(line)["message"] == "refused: a\x1b[2J\x9b\x7f\u202eb\u2028\r\n2026-01-01 INFO forged"


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_text_of_others_in_a_traceback_is_escaped(log_format: str) -> None:
    lines = logged(log_format, r"logging.getLogger().error('x', exc_info=ValueError('a\x1b[2J\x9b'))")
    assert r"a\u001b[2J\u009b" in "\n".join(lines)
