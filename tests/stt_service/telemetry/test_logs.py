"""Logs: the same events as text and as JSON, with the stream of each line."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from stt_service.telemetry.logs import event

PROGRAM = """
import asyncio, logging, threading, warnings
from stt_service.telemetry import logs

logs.configure({level!r}, {log_format!r})
log = logging.getLogger("stt_service.recognition.call_log")
{body}
"""


def logged(log_format: str, body: str, level: str = "info") -> list[str]:
    """Return the lines that a process with this body writes to stderr."""
    program = PROGRAM.format(level=level, log_format=log_format, body=body)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert done.stdout == ""
    return done.stderr.splitlines()


def record(body: str) -> dict[str, object]:
    """Return the only line that the body writes, as an object."""
    [line] = logged("json", body)
    line_fields = json.loads(line)
    assert isinstance(line_fields, dict)
    return line_fields


STREAM = """
with logs.log_context(stream="1a2b", peer="10.0.0.7"):
    log.info(logs.event("stream opened", {"id": "1a2b", "client": "kitchen"}), extra={"client": "kitchen"})
    log.info("model unloaded name=base")
"""


def test_text_line_has_the_event_then_its_fields_and_the_stream_once() -> None:
    opened, unloaded = logged("text", STREAM)
    assert opened.endswith(" INFO stt_service.recognition.call_log: stream opened id=1a2b client=kitchen")
    assert unloaded.endswith(" INFO stt_service.recognition.call_log: model unloaded name=base stream=1a2b")


@pytest.mark.parametrize(
    ("value", "text"), [("base", "base"), (0.5, "0.5"), ("", '""'), ("my desk", '"my desk"'), ('a="b"', r'"a=\"b\""')]
)
def test_event_quotes_values_with_spaces_quotes_or_equal_signs(value: object, text: str) -> None:
    assert event("opened", {"client": value}) == f"opened client={text}"


def test_json_line_has_the_message_and_a_field_per_value() -> None:
    line_fields = json.loads(logged("json", STREAM)[0])
    assert {key: line_fields[key] for key in line_fields if key != "time"} == {
        "level": "INFO",
        "logger": "stt_service.recognition.call_log",
        "message": "stream opened id=1a2b client=kitchen",
        "stream": "1a2b",
        "peer": "10.0.0.7",
        "client": "kitchen",
    }


def test_json_time_is_rfc_3339_in_utc() -> None:
    time = str(record("log.warning('now')")["time"])
    assert len(time) == len("2026-11-26T01:01:06.171Z")
    assert time[10] == "T"
    assert time.endswith("Z")


def test_only_tasks_started_inside_a_log_context_carry_its_fields() -> None:
    body = """
async def write(message):
    log.info(message)

async def call(name):
    with logs.log_context(stream=name):
        await asyncio.gather(asyncio.create_task(write("inside")), asyncio.sleep(0))

async def main():
    await asyncio.gather(call("one"), call("two"), write("outside"))

asyncio.run(main())
"""
    line_fields = [json.loads(line) for line in logged("json", body)]
    assert sorted((line["message"], line.get("stream")) for line in line_fields) == [
        ("inside", "one"),
        ("inside", "two"),
        ("outside", None),
    ]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        pytest.param("1 / 0", "uncaught exception type=ZeroDivisionError", id="main"),
        pytest.param(
            "threading.Thread(target=lambda: 1 / 0).start()", "uncaught exception type=ZeroDivisionError", id="thread"
        ),
        pytest.param("try: 1 / 0\nexcept Exception: log.exception('failed')", "failed", id="logged"),
    ],
)
def test_exception_in_json_is_one_line_with_a_traceback_field(body: str, message: str) -> None:
    line_fields = record(body)
    assert line_fields["message"] == message
    assert str(line_fields["traceback"]).startswith("Traceback")
    assert "ZeroDivisionError" in str(line_fields["traceback"])


def test_python_warning_is_a_json_line() -> None:
    assert "will be gone" in str(record("warnings.warn('will be gone')")["message"])


def test_line_breaks_in_a_value_do_not_break_the_line() -> None:
    assert record("log.info('client %s', 'a\\nb')")["message"] == "client a\nb"


def test_banner_is_plain_lines_in_text_and_records_in_json_at_any_level() -> None:
    body = "logs.log_banner(['GPU STATUS:', '  WARNING: no GPU'])"
    assert logged("text", body, level="error") == ["GPU STATUS:", "  WARNING: no GPU"]
    line_fields = [json.loads(line) for line in logged("json", body, level="error")]
    assert [(line["level"], line["message"]) for line in line_fields] == [
        ("INFO", "GPU STATUS:"),
        ("WARNING", "  WARNING: no GPU"),
    ]


HOSTILE = r"log.info('refused: %s', 'a\x1b[2J\x9b\x7f\u202eb\u2028\r\n2026-01-01 INFO forged')"


def test_control_characters_in_text_lines_are_escaped() -> None:
    [line] = logged("text", HOSTILE)
    assert line.endswith(r"refused: a\u001b[2J\u009b\u007f\u202eb\u2028\u000d\n2026-01-01 INFO forged")


def test_control_characters_in_json_are_escaped_and_decode_to_the_same_text() -> None:
    [line] = logged("json", HOSTILE)
    assert r"\u009b\u007f\u202eb\u2028" in line
    assert json.loads(line)["message"] == "refused: a\x1b[2J\x9b\x7f\u202eb\u2028\r\n2026-01-01 INFO forged"


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_control_characters_in_a_traceback_are_escaped(log_format: str) -> None:
    lines = logged(log_format, r"logging.getLogger().error('x', exc_info=ValueError('a\x1b[2J\x9b'))")
    assert r"a\u001b[2J\u009b" in "\n".join(lines)
