"""Unknown, invalid and extreme values from a newer or a broken server."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from stt.v1 import control_pb2, stt_pb2

from stt_cli.control import tables
from stt_cli.control.tables import align_columns, format_duration
from stt_client.errors import ServiceError
from stt_client.events import Event, Final, Notice, Stability, StreamOptions, Suppressed
from stt_client.transport import convert
from stt_client.transport.message_values import MAX_EXACT, name_of, to_json_object

M = TypeVar("M")
Response = stt_pb2.StreamingRecognizeResponse
FOREVER = Duration(seconds=2**62)
LONGEST, SHORTEST = "315576000000s", "-315576000000s"


def message_of(kind: Callable[..., M], **fields: object) -> M:
    """Return a message; the values may be unknown to its type."""
    return kind(**fields)


def event(**fields: object) -> Event:
    return convert.event_of(message_of(Response, **fields))


def test_unknown_endpoint_is_named_unknown() -> None:
    for received in (
        event(final=message_of(stt_pb2.Final, endpoint=99)),
        event(suppressed=message_of(stt_pb2.Suppressed, endpoint=-1)),
    ):
        assert isinstance(received, Final | Suppressed)
        assert received.endpoint == "unknown"


def test_unknown_event_becomes_progress() -> None:
    newer = Response.FromString(Response(received_ms=5).SerializeToString() + b"\xfa\x01\x00")  # field 31
    assert convert.event_of(newer).received_ms == 5


def test_invalid_numbers_become_the_nearest_valid_ones() -> None:
    word = message_of(stt_pb2.Word, text="a", start_ms=-(2**63), end_ms=2**63 - 1, confidence=float("nan"))
    latency = message_of(
        stt_pb2.Latency, endpoint=FOREVER, queue=Duration(seconds=-(2**62)), inference=Duration(nanos=-5), batch=-1
    )
    received = event(
        final=message_of(
            stt_pb2.Final,
            utterance=-1,
            start_ms=900,
            end_ms=100,
            language_probability=float("inf"),
            confidence=7.0,
            words=[word],
            latency=latency,
        ),
        committed_ms=-5,
        received_ms=2**63 - 1,
    )
    assert isinstance(received, Final)
    assert (received.utterance, received.start_ms, received.end_ms, received.committed_ms, received.received_ms) == (
        0,
        900,
        900,
        0,
        MAX_EXACT,
    )
    assert (received.language_probability, received.confidence) == (0.0, 1.0)
    assert (received.words[0].start_ms, received.words[0].end_ms, received.words[0].confidence) == (0, MAX_EXACT, 0.0)
    assert (received.latency.endpoint_s, received.latency.queue_s, received.latency.inference_s) == (
        315_576_000_000,
        0.0,
        0.0,
    )
    assert received.latency.batch == 0


def test_huge_durations_of_notices_and_failures_are_limited() -> None:
    received = event(notice=stt_pb2.Notice(reason="DRAIN", remaining=FOREVER))
    assert isinstance(received, Notice)
    assert received.remaining_ms == 315_576_000_000_000
    with pytest.raises(ServiceError) as failure:
        event(failure=stt_pb2.Failure(code=77, reason="NEW\x1b[2J", message="a\x1b]0;b\x07", retry_after=FOREVER))
    assert (f"{failure.value}", failure.value.status) == ("a]0;b", "NEW[2J")


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (FOREVER, LONGEST),
        (Duration(seconds=-(2**62)), SHORTEST),
        (Duration(seconds=5, nanos=-3), "5s"),
        (Timestamp(seconds=2**62), "9999-12-31T23:59:59Z"),
        (Timestamp(seconds=-(2**62)), "0001-01-01T00:00:00Z"),
        (Timestamp(seconds=5, nanos=-1), "1970-01-01T00:00:05Z"),
    ],
)
def test_time_out_of_range_becomes_its_limit_in_json(message: Duration | Timestamp, expected: str) -> None:
    session = message_of(control_pb2.Session, **{"age" if isinstance(message, Duration) else "start_time": message})
    assert expected in to_json_object(session).values()
    assert session != control_pb2.Session(), "the message itself is unchanged"


def test_unknown_values_are_shown_as_unknown_in_tables() -> None:
    sessions = [
        message_of(
            control_pb2.Session,
            id="a",
            phase=99,
            oldest_decode_wait=FOREVER,
            age=FOREVER,
            audio_received=Duration(seconds=-(2**62)),
        )
    ]
    assert tables.session_rows(sessions)[1][6] == "unknown"
    models = [message_of(control_pb2.Model, name="m", state=99, roles=[1, 77])]
    assert tables.model_rows(models)[1][1:3] == ("unknown", "finals and unknown")
    parameter = message_of(control_pb2.Parameter, name="A", value="1", allowed_values="0 or 1", scope=99)
    assert "unknown" in tables.settings_table([parameter])
    assert align_columns(tables.session_rows(sessions))


def test_duration_of_ten_thousand_years_is_formatted() -> None:
    assert format_duration(FOREVER) == "87660000:00:00"


def test_name_of_a_known_value_has_no_prefix() -> None:
    assert name_of(stt_pb2.Endpoint, stt_pb2.ENDPOINT_MAX_LENGTH, "ENDPOINT_") == "max_length"


@pytest.mark.parametrize("stability", Stability)
def test_stability_is_sent_by_its_name(stability: Stability) -> None:
    name = "UNSPECIFIED" if stability is Stability.DEFAULT else stability.name
    config = convert.config_request(StreamOptions(stability=stability)).config
    assert Response.DESCRIPTOR.file.enum_types_by_name["Stability"].values_by_number[config.stability].name == (
        f"STABILITY_{name}"
    )
