"""What is made of values that a newer server may send, or a broken one."""

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
from stt_client.events import Event, Final, Notice, Suppressed
from stt_client.transport import convert
from stt_client.transport.message_values import MAX_EXACT, name_of, to_json_object

M = TypeVar("M")
Response = stt_pb2.StreamingRecognizeResponse
FOREVER = Duration(seconds=2**62)
LONGEST, SHORTEST = "315576000000s", "-315576000000s"


def made(kind: Callable[..., M], **fields: object) -> M:
    """Return the message; its values may be ones that its type does not know."""
    return kind(**fields)


def event(**fields: object) -> Event:
    return convert.event_of(made(Response, **fields))


def test_unknown_endpoint_is_shown_as_unknown() -> None:
    for said in (
        event(final=made(stt_pb2.Final, endpoint=99)),
        event(suppressed=made(stt_pb2.Suppressed, endpoint=-1)),
    ):
        assert isinstance(said, Final | Suppressed)
        assert said.endpoint == "unknown"


def test_unknown_event_is_progress() -> None:
    newer = Response.FromString(Response(received_ms=5).SerializeToString() + b"\xfa\x01\x00")  # field 31
    assert convert.event_of(newer).received_ms == 5


def test_numbers_that_cannot_be_true_become_the_nearest_that_can() -> None:
    word = made(stt_pb2.Word, text="a", start_ms=-(2**63), end_ms=2**63 - 1, confidence=float("nan"))
    latency = made(
        stt_pb2.Latency, endpoint=FOREVER, queue=Duration(seconds=-(2**62)), inference=Duration(nanos=-5), batch=-1
    )
    said = event(
        final=made(
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
    assert isinstance(said, Final)
    assert (said.utterance, said.start_ms, said.end_ms, said.committed_ms, said.received_ms) == (
        0,
        900,
        900,
        0,
        MAX_EXACT,
    )
    assert (said.language_probability, said.confidence) == (0.0, 1.0)
    assert (said.words[0].start_ms, said.words[0].end_ms, said.words[0].confidence) == (0, MAX_EXACT, 0.0)
    assert (said.latency.endpoint_s, said.latency.queue_s, said.latency.inference_s) == (315_576_000_000, 0.0, 0.0)
    assert said.latency.batch == 0


def test_huge_durations_of_notices_and_failures_are_survived() -> None:
    said = event(notice=stt_pb2.Notice(reason="DRAIN", remaining=FOREVER))
    assert isinstance(said, Notice)
    assert said.remaining_ms == 315_576_000_000_000
    with pytest.raises(ServiceError) as failure:
        event(failure=stt_pb2.Failure(code=77, reason="NEW\x1b[2J", message="a\x1b]0;b\x07", retry_after=FOREVER))
    assert (f"{failure.value}", failure.value.status) == ("a]0;b", "NEW[2J")


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        (FOREVER, LONGEST),
        (Duration(seconds=-(2**62)), SHORTEST),
        (Duration(seconds=5, nanos=-3), "5s"),
        (Timestamp(seconds=2**62), "9999-12-31T23:59:59Z"),
        (Timestamp(seconds=-(2**62)), "0001-01-01T00:00:00Z"),
        (Timestamp(seconds=5, nanos=-1), "1970-01-01T00:00:05Z"),
    ],
)
def test_time_outside_of_its_range_is_in_json_its_limit(message: Duration | Timestamp, shown: str) -> None:
    session = made(control_pb2.Session, **{"age" if isinstance(message, Duration) else "start_time": message})
    assert shown in to_json_object(session).values()
    assert session != control_pb2.Session(), "the message itself is unchanged"


def test_unknown_values_of_operators_are_shown_as_unknown() -> None:
    sessions = [
        made(
            control_pb2.Session,
            id="a",
            phase=99,
            oldest_decode_wait=FOREVER,
            age=FOREVER,
            audio_received=Duration(seconds=-(2**62)),
        )
    ]
    assert tables.session_rows(sessions)[1][5] == "unknown"
    models = [made(control_pb2.Model, name="m", state=99, roles=[1, 77])]
    assert tables.model_rows(models)[1][1:3] == ("unknown", "finals and unknown")
    parameter = made(control_pb2.Parameter, name="A", value="1", allowed_values="0 or 1", scope=99)
    assert "unknown" in tables.settings_table([parameter])
    assert align_columns(tables.session_rows(sessions))


def test_span_of_ten_thousand_years_is_a_span() -> None:
    assert format_duration(FOREVER) == "87660000:00:00"


def test_name_of_a_known_value_has_no_prefix() -> None:
    assert name_of(stt_pb2.Endpoint, stt_pb2.ENDPOINT_MAX_LENGTH, "ENDPOINT_") == "max_length"
