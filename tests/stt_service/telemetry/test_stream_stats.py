"""What is counted of a stream: its own figures, and what they add to those of all."""

from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry

from stt_service.rpc.send_queue import Notice, NoticeReason, OutgoingEvent, Payload
from stt_service.session.events import DecodeTiming, Final, Partial, SpeechStarted, Suppressed
from stt_service.telemetry.metrics import Metrics
from stt_service.telemetry.stream_stats import StreamStats
from stt_service.vad.types import Endpoint
from stt_service.whisper.hallucination import SuppressionReason


class Counting:
    """A stream's figures on a clock that a test turns."""

    def __init__(self) -> None:
        self.now = 100.0
        self.metrics = Metrics(CollectorRegistry())
        self.figures = self.another()

    def another(self, offset_ms: int = 0) -> StreamStats:
        return StreamStats(self.metrics, offset_ms, lambda: self.now)

    def tell(self, *events: Payload, received_ms: int = 0, live: bool = True) -> None:
        for event in events:
            self.figures.on_event(OutgoingEvent(received_ms, 0, event, live))


def final(text: str) -> Final:
    return Final(0, text, 200, 1700, "en", 1.0, 0.9, (), Endpoint.SILENCE, 0.7, False, DecodeTiming(0, 0.1, 1), 1000)


SUPPRESSED = Suppressed(1, 0, 500, SuppressionReason.NO_SPEECH, "Thank you.", Endpoint.SILENCE, 500)
PARTIAL = Partial(0, 1, "", "two", 0, 100)
SHED, RESTORED = Notice(NoticeReason.PARTIALS_SHED), Notice(NoticeReason.PARTIALS_RESTORED)


def test_what_is_told_is_counted_for_the_stream_and_for_all() -> None:
    counting = Counting()
    counting.figures.on_pending_finals(3)
    counting.tell(
        SpeechStarted(0, 0), PARTIAL, PARTIAL, final("Two words."), SUPPRESSED, final("And three more."), None
    )
    figures, value = counting.figures, counting.metrics.value
    assert (figures.utterances, figures.finals, figures.words, figures.suppressed) == (1, 2, 5, 1)
    assert value("stt_utterances_total") == 1
    assert value("stt_partials_total") == 2
    assert value("stt_finals_total") == 2
    assert value("stt_words_total") == 5
    assert value("stt_suppressed_total", reason="NO_SPEECH") == 1
    assert value("stt_speech_seconds_total") == pytest.approx(3.0)


def test_the_sound_taken_is_that_of_this_stream_also_where_it_resumes_another() -> None:
    counting = Counting()
    counting.figures = counting.another(offset_ms=60_000)
    counting.tell(None, received_ms=65_000)
    counting.tell(None, received_ms=67_500)
    assert counting.figures.audio_s == pytest.approx(7.5)
    assert counting.metrics.value("stt_audio_seconds_total") == pytest.approx(7.5)


def test_the_lag_of_a_final_begins_at_its_own_endpoint() -> None:
    counting = Counting()
    counting.figures.on_pending_finals(1)
    counting.now += 1.0
    counting.figures.on_pending_finals(2)
    counting.figures.on_pending_finals(2)
    counting.now += 0.5
    counting.tell(final("One."), final("Two."))
    assert counting.figures.longest_lag_s == pytest.approx(1.5)
    assert counting.figures.median_lag_s == pytest.approx(1.0)
    assert counting.metrics.value("stt_final_latency_seconds_sum", mode="realtime") == pytest.approx(2.0)
    counting.now += 9.0
    counting.figures.on_pending_finals(1)
    counting.tell(final("Three."))
    assert counting.metrics.value("stt_final_latency_seconds_sum", mode="realtime") == pytest.approx(2.0)


def test_a_final_that_was_decoded_ahead_has_no_lag() -> None:
    counting = Counting()
    counting.figures.on_pending_finals(1)
    counting.tell(final("One."))
    assert counting.metrics.value("stt_final_latency_seconds_bucket", mode="realtime", le="0.025") == 1


def test_a_recording_says_nothing_of_the_lag_of_those_who_speak() -> None:
    counting = Counting()
    counting.figures.on_pending_finals(1)
    counting.now += 9.0
    counting.tell(final("One."), live=False)
    assert counting.metrics.value("stt_final_latency_seconds_count", mode="realtime") == 0
    assert counting.metrics.value("stt_final_latency_seconds_sum", mode="offline") == pytest.approx(9.0)


def test_partials_that_came_to_nothing_are_counted_by_reason() -> None:
    counting = Counting()
    counting.figures.on_partial_superseded()
    counting.figures.on_partial_dropped()
    counting.figures.on_partial_dropped()
    assert counting.figures.shed == 3
    assert counting.metrics.value("stt_partials_shed_total", reason="busy") == 1
    assert counting.metrics.value("stt_partials_shed_total", reason="unread") == 2


def test_a_stream_is_late_from_its_notice_to_the_next_or_to_its_end() -> None:
    counting = Counting()
    late = []
    for event in (SHED, RESTORED, RESTORED, SHED):
        counting.tell(event)
        late.append(counting.metrics.value("stt_streams_partials_degraded"))
    counting.figures.close()
    counting.figures.close()
    late.append(counting.metrics.value("stt_streams_partials_degraded"))
    assert late == [1, 0, 0, 1, 0]


def test_a_stream_without_finals_has_figures_to_log() -> None:
    assert Counting().figures.fields()["median_lag_s"] == 0
    assert "0 utterances, 0 words" in str(Counting().figures)
