"""Invalid requests: each gets a status and a sentence, and other clients the same text as without them."""

from __future__ import annotations

import http.client
import json
import socket
from contextlib import ExitStack

import pytest

from benchmarks.recordings import Recording
from stt_service.http.openai.uploads import MAX_CLIENT_UPLOADS
from tests.support.audio.encoded_audio import wav
from tests.support.clients.raw_http import BOUNDARY, TRANSCRIPTIONS, HttpPort, answer, form, form_of, head, wait_until

pytestmark = [pytest.mark.model, pytest.mark.process]
FORM, EMPTY = form(b"RIFF"), form(b"")
JSON, GZIP = "Content-Type: application/json", "Content-Encoding: gzip"
NO_BOUNDARY = "Content-Type: multipart/form-data"
CHUNKED = "Transfer-Encoding: chunked"


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


@pytest.mark.parametrize(
    ("sent", "status", "sentence"),
    [
        pytest.param(head(TRANSCRIPTIONS, 2, JSON) + b"{}", 400, "Invalid Content-Type: must be multipart", id="JSON"),
        pytest.param(head(TRANSCRIPTIONS, 1, NO_BOUNDARY) + b"x", 400, "Missing boundary", id="no boundary"),
        pytest.param(head(TRANSCRIPTIONS, 9) + b"not a form", 400, "Invalid multipart data", id="not a form"),
        pytest.param(head(TRANSCRIPTIONS, 0), 400, "Missing file: send the whole recording", id="empty body"),
        pytest.param(
            head(TRANSCRIPTIONS, len(FORM) - 30) + FORM[:-30], 400, "Missing file: send the whole", id="truncated form"
        ),
        pytest.param(head(TRANSCRIPTIONS, len(EMPTY)) + EMPTY, 400, "Invalid file: it has 0 bytes", id="0 bytes"),
        pytest.param(head(TRANSCRIPTIONS, len(FORM), GZIP) + FORM, 400, "Invalid Content-Encoding='gzip'", id="gzip"),
        pytest.param(
            head(TRANSCRIPTIONS, 10, CHUNKED) + b"0\r\n\r\n", 400, "both Content-Length and Transfer", id="two lengths"
        ),
        pytest.param(head(TRANSCRIPTIONS, 10, "Content-Length: 11"), 400, "conflicting Content-Length", id="2 lengths"),
        pytest.param(head(TRANSCRIPTIONS, None, "Content-Length: -1"), 400, "bad Content-Length", id="negative length"),
        pytest.param(head(TRANSCRIPTIONS, None, CHUNKED) + b"xyz\r\n", 400, "illegal chunk header", id="chunk size"),
        pytest.param(
            head(TRANSCRIPTIONS, None, "Transfer-Encoding: gzip, chunked"), 501, "Transfer-Encoding", id="encoding"
        ),
        pytest.param(head(TRANSCRIPTIONS, 600 * 2**20), 413, "too large: at most 5242880 bytes", id="600 MB declared"),
        pytest.param(head("/v1/%00/../../etc/passwd", None, method="GET"), 404, "no such path", id="path tricks"),
        pytest.param(head("/v1/models/..%2f%ff%00", None, method="GET"), 404, "this server has 'tiny.en'", id="model"),
        pytest.param(head("/" + "a" * 10**6, None, method="GET"), 431, "Receive buffer too long", id="long URL"),
        pytest.param(head("/", None, *["X: y"] * 50_000), 431, "Receive buffer too long", id="many headers"),
        pytest.param(head("/", None, f"X: {'y' * 10**6}"), 431, "Receive buffer too long", id="large header"),
        pytest.param(head("/", None, "X y"), 400, "illegal header line", id="malformed header"),
        pytest.param(head("/", None, "Host: a", "Host: b"), 400, "multiple Host", id="two hosts"),
        pytest.param(head("/v1/models", None, "Host: evil.example"), 400, "Invalid Host='evil.example'", id="host"),
        pytest.param(head("/v1/models", None, "Origin: http://evil.example"), 403, "Invalid Origin=", id="origin"),
        pytest.param(head("/v1/models", None, "Origin: http://[evil"), 403, "Invalid Origin=", id="malformed origin"),
        pytest.param(head(TRANSCRIPTIONS, None, method="BREW"), 405, "this path has other methods", id="method"),
        pytest.param(b"\x00\xff\r\n\r\n", 400, "illegal request line", id="bytes"),
        pytest.param(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, "expects HTTP/1.1; gRPC clients use DATA", id="HTTP/2"),
        pytest.param(b"\x16\x03\x01\x02\x00" + bytes(600), 400, "this port expects HTTP without TLS", id="TLS"),
    ],
)
def test_invalid_request_gets_a_status_and_a_sentence(
    unaffected: HttpPort, sent: bytes, status: int, sentence: str
) -> None:
    answered = unaffected.exchange(sent)
    assert (answered.status, sentence in answered.message) == (status, True), answered.message
    assert len(answered.body) < 1000


@pytest.mark.parametrize(
    ("parts", "sentence"),
    [
        (
            [(f'name="field{number}"', b"x") for number in range(10_000)],
            "Too many fields. Maximum number of fields is 128",
        ),
        ([('name="prompt"', bytes(3 * 2**20))], "Invalid form: a field other than `file` is longer than 65536 bytes."),
        (
            [('name="file"; filename="a"', b"x"), ('name="file"; filename="b"', b"x")],
            "Invalid file: send one recording per request.",
        ),
        ([("filename=a", b"x")], 'field "name" must be provided'),
        ([("\r\nX: y" * 50_000, b"x")], "Invalid multipart data"),
    ],
    ids=["10000 fields", "giant field", "two files", "no name", "many headers"],
)
def test_form_with_too_much_is_rejected(unaffected: HttpPort, parts: list[tuple[str, bytes]], sentence: str) -> None:
    body = form_of(parts)
    answered = unaffected.exchange(head(TRANSCRIPTIONS, len(body)), body)
    assert (answered.status, sentence in answered.message) == (400, True), answered.message


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        ("temperature", "NaN", "Invalid temperature='NaN': must be a number from 0 to 1."),
        ("temperature", "1e999", "Invalid temperature='1e999': must be a number from 0 to 1."),
        ("stream", "maybe", "Invalid stream='maybe': must be true or false."),
        ("response_format", "xml", "Invalid response_format='xml': must be one of json"),
        ("language", "x" * 60_000, "must be one of Whisper's codes"),
        ("prompt", "x" * 60_000, "must be at most 2000 characters"),
        ("chunking_strategy", "[" * 60_000, "Invalid chunking_strategy: nested deeper than 16 levels."),
        ("chunking_strategy", '{"type":"server_vad","threshold":NaN}', "its numbers must be finite"),
        ("chunking_strategy", '{"type":"server_vad","threshold":Infinity}', "its numbers must be finite"),
        ("chunking_strategy", '{"type":"server_vad","threshold":%s}' % ("9" * 5000), "must be a JSON object"),
        ("chunking_strategy", '{"type":"server_vad","threshold":"\\ud800"}', "contains a surrogate without its pair"),
        ("language", b"\xff\xfe", "must be one of Whisper's codes"),
    ],
)
def test_invalid_field_is_named(unaffected: HttpPort, field: str, value: str | bytes, sentence: str) -> None:
    answered = unaffected.upload(b"RIFF", **{field: value})
    assert (answered.status, sentence in answered.message) == (400, True), answered.message
    assert len(answered.body) < 1000


@pytest.mark.parametrize("charset", ["unicode_escape", "punycode", "undefined", "zlib", "utf-16", "unknown"])
def test_charset_of_a_form_cannot_make_it_fail(unaffected: HttpPort, charset: str) -> None:
    body = form(b"RIFF", {"language": "\\ud800"})
    kind = f"Content-Type: multipart/form-data; charset={charset}; boundary={BOUNDARY}"
    answered = unaffected.exchange(head(TRANSCRIPTIONS, len(body), kind), body)
    assert answered.status == 400, answered.message


def test_upload_without_a_length_is_stopped_at_the_limit(unaffected: HttpPort) -> None:
    start = EMPTY[: -len(f"\r\n--{BOUNDARY}--\r\n")]
    parts = [chunk(bytes(2**16))] * (16 * 16)
    answered = unaffected.exchange(head(TRANSCRIPTIONS, None, CHUNKED), chunk(start), *parts)
    assert (answered.status, answered.message) == (
        413,
        "The request body is too large: at most 5242880 bytes are accepted.",
    )


def test_chunks_of_one_byte_do_not_delay_others(unaffected: HttpPort) -> None:
    answered = unaffected.exchange(head(TRANSCRIPTIONS, None, CHUNKED), chunk(b"x") * 50_000)
    assert answered.status == 400


def test_undecodable_recording_gets_advice_that_a_form_can_follow(unaffected: HttpPort) -> None:
    answered = unaffected.upload(bytes(1000))
    assert answered.message.endswith(": send a whole file of WAV, FLAC, Ogg, MP3, MP4, WebM, AAC, AIFF, AMR or WMA.")


def test_language_that_the_model_lacks_names_its_field(unaffected: HttpPort) -> None:
    error = json.loads(unaffected.upload(bytes(1000), language="de").body)["error"]
    assert (error["param"], error["message"].startswith("Invalid language='de': the model")) == ("language", True)


def test_streamed_response_to_an_invalid_recording_has_a_status(unaffected: HttpPort) -> None:
    answered = unaffected.upload(bytes(1000), stream="true")
    assert (answered.status, "cannot be decoded" in answered.message) == (400, True)


def test_slow_request_heads_do_not_block_others(unaffected: HttpPort) -> None:
    with ExitStack() as stack:
        for _ in range(300):
            stack.enter_context(unaffected.connect()).sendall(b"POST /v1/audio/transcriptions HTTP/1.1\r\nX: ")
        assert unaffected.get("/healthz").status == 200


def test_slow_request_bodies_leave_a_clear_error_and_free_their_places(shared: HttpPort, question: Recording) -> None:
    file = wav(question.pcm())
    with ExitStack() as stack:
        for _ in range(MAX_CLIENT_UPLOADS):
            slow = stack.enter_context(shared.connect())
            slow.sendall(head(TRANSCRIPTIONS, 10**6) + FORM[:50])
            slow.sendall(b"x")
        while (rejected := shared.upload(file)).status != 429:
            assert rejected.status == 200
        assert (rejected.message, rejected.headers["retry-after"]) == (
            f"Upload limit exceeded: at most {MAX_CLIENT_UPLOADS} uploads per client at the same time.",
            "1",
        )
        assert shared.get("/healthz").status == 200
    wait_until(lambda: shared.upload(file).status == 200)


def test_request_pipelined_after_a_rejected_one_is_not_executed(unaffected: HttpPort) -> None:
    """A body that looks like a request must never be read as one, whatever the first response was."""
    smuggled = head("/healthz", None, method="GET", multipart=False)
    with unaffected.connect() as connection:
        connection.sendall(head("/v1/models", len(smuggled) + 10**6) + smuggled)
        assert answer(connection).status == 405
        assert connection.recv(1) == b""


def test_client_that_ends_its_side_early_is_closed(unaffected: HttpPort) -> None:
    with unaffected.connect() as connection:
        connection.sendall(head(TRANSCRIPTIONS, 1000) + FORM[:20])
        connection.shutdown(socket.SHUT_WR)
        with pytest.raises((http.client.HTTPException, OSError)):
            answer(connection)
