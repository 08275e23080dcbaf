"""StreamRegistry: phases of open streams, and lookup by id."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import pytest
from prometheus_client import CollectorRegistry

from stt_service.errors import NotFoundError
from stt_service.models.loader import ModelNames
from stt_service.recognition.recognizer import StreamRecognizer
from stt_service.recognition.stream_registry import ActiveStream, Phase, StreamRegistry
from stt_service.telemetry.metrics import Api, Metrics
from stt_service.telemetry.stream_stats import StreamStats

if TYPE_CHECKING:
    from stt_service.session.session import Session


class ScriptedSession:
    """A session in the phase that the test sets."""

    in_utterance = False
    pending_finals = 0


def active_stream(name: str, session: ScriptedSession | None = None) -> ActiveStream:
    scripted = cast("Session", session or ScriptedSession())
    stats = StreamStats(Metrics(CollectorRegistry()))
    return ActiveStream(
        name, "", "10.0.0.7", Api.GRPC, ModelNames("base", "base"), 0.0, scripted, cast("StreamRecognizer", None), stats
    )


def test_registry_lists_open_streams_oldest_first() -> None:
    streams = StreamRegistry()
    first, second = active_stream("first"), active_stream("second")
    with streams.register(first):
        with streams.register(second):
            assert [stream.id for stream in streams] == ["first", "second"]
            assert streams.find("second") is second
        assert len(streams) == 1
    assert not list(streams)


def test_failed_stream_is_removed() -> None:
    streams = StreamRegistry()
    with pytest.raises(ZeroDivisionError), streams.register(active_stream("first")):
        raise ZeroDivisionError
    assert len(streams) == 0


def test_unknown_stream_is_named_in_the_error() -> None:
    with pytest.raises(NotFoundError, match="Unknown session_id='other'"):
        StreamRegistry().find("other")


def test_phases_of_a_stream() -> None:
    session = ScriptedSession()
    stream = active_stream("first", session)
    phases = [stream.phase]
    session.in_utterance, session.pending_finals = True, 1
    phases.append(stream.phase)
    session.in_utterance = False
    phases.append(stream.phase)
    stream.terminated.set()
    assert [*phases, stream.phase] == [Phase.LISTENING, Phase.SPEECH, Phase.FINALIZING, Phase.TERMINATING]
