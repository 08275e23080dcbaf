"""The list of open streams: what an operator sees of each, and how one is found."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import pytest
from prometheus_client import CollectorRegistry

from stt_service.errors import NotFoundError
from stt_service.models.loader import ModelNames
from stt_service.rpc.recognizer import StreamRecognizer
from stt_service.rpc.stream_registry import ActiveStream, Phase, StreamRegistry, host
from stt_service.telemetry.metrics import Metrics
from stt_service.telemetry.stream_stats import StreamStats

if TYPE_CHECKING:
    from stt_service.session.session import Session


class Scripted:
    """A session that is where a test puts it."""

    in_utterance = False
    pending_finals = 0


def live(name: str, session: Scripted | None = None) -> ActiveStream:
    scripted = cast("Session", session or Scripted())
    figures = StreamStats(Metrics(CollectorRegistry()))
    return ActiveStream(
        name, "", "10.0.0.7", ModelNames("base", "base"), 0.0, scripted, cast("StreamRecognizer", None), figures
    )


@pytest.mark.parametrize(
    ("peer", "named"),
    [
        ("ipv4:10.0.0.7:50312", "10.0.0.7"),
        ("ipv6:%5B::1%5D:50312", "::1"),
        ("ipv6:[fe80::1%25eth0]:50312", "fe80::1%eth0"),
        ("unix:/run/stt", "/run/stt"),
        ("", ""),
    ],
)
def test_a_peer_is_told_by_its_host(peer: str, named: str) -> None:
    assert host(peer) == named


def test_streams_are_listed_while_they_are_open_in_the_order_they_came() -> None:
    streams = StreamRegistry()
    first, second = live("first"), live("second")
    with streams.register(first):
        with streams.register(second):
            assert [stream.id for stream in streams] == ["first", "second"]
            assert streams.find("second") is second
        assert len(streams) == 1
    assert not list(streams)


def test_a_stream_that_fails_is_listed_no_more() -> None:
    streams = StreamRegistry()
    with pytest.raises(ZeroDivisionError), streams.register(live("first")):
        raise ZeroDivisionError
    assert len(streams) == 0


def test_an_unknown_stream_is_named_in_the_refusal() -> None:
    with pytest.raises(NotFoundError, match="session_id='other' is none that is open now"):
        StreamRegistry().find("other")


def test_a_stream_listens_hears_speech_decides_and_ends() -> None:
    session = Scripted()
    stream = live("first", session)
    phases = [stream.phase]
    session.in_utterance, session.pending_finals = True, 1
    phases.append(stream.phase)
    session.in_utterance = False
    phases.append(stream.phase)
    stream.terminated.set()
    assert [*phases, stream.phase] == [Phase.LISTENING, Phase.SPEECH, Phase.FINALIZING, Phase.TERMINATING]
