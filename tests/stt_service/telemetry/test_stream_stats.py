"""StreamStats: the counts of one stream, and their share in the server's metrics."""

from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry

from stt_service.session.events import (
    DecodeTiming,
    Final,
    Notice,
    NoticeReason,
    OutgoingEvent,
    Partial,
    Payload,
    SpeechStarted,
    Suppressed,
)
from stt_service.telemetry.metrics import Metrics
from stt_service.telemetry.stream_stats import StreamStats
from stt_service.vad.types import Endpoint
from stt_service.whisper.hallucination import SuppressionReason


class StatsUnderTest:
    """A stream's statistics with a clock that the test sets."""

    def __init__(self) -> None:
        self.now = 100.0
        self.metrics = Metrics(CollectorRegistry())
        self.stats = self.new_stats()

    def new_stats(self, offset_ms: int = 0) -> StreamStats:
        return StreamStats(self.metrics, offset_ms, lambda: self.now)

    def emit(self, *payloads: Payload, received_ms: int = 0, live: bool = True) -> None:
        for payload in payloads:
            self.stats.on_event(OutgoingEvent(received_ms, 0, payload, live))


def final(text: str) -> Final:
    return Final(0, text, 200, 1700, "en", 1.0, 0.9, (), Endpoint.SILENCE, 0.7, False, DecodeTiming(0, 0.1, 1), 1000)


SUPPRESSED = Suppressed(1, 0, 500, SuppressionReason.NO_SPEECH, "Thank you.", Endpoint.SILENCE, 500)
PARTIAL = Partial(0, 1, "", "two", 0, 100)
SHED, RESTORED = Notice(NoticeReason.PARTIALS_SHED), Notice(NoticeReason.PARTIALS_RESTORED)


def test_events_are_counted_for_the_stream_and_for_the_server() -> None:
    stream = StatsUnderTest()
    stream.stats.on_pending_finals(3)
    stream.emit(SpeechStarted(0, 0), PARTIAL, PARTIAL, final("Two words."), SUPPRESSED, final("And three more."), None)
    stats, value = stream.stats, stream.metrics.value
    assert (stats.utterances, stats.finals, stats.words, stats.suppressed) == (1, 2, 5, 1)
    assert value("stt_utterances_total") == 1
    assert value("stt_partials_total") == 2
    assert value("stt_finals_total") == 2
    assert value("stt_words_total") == 5
    assert value("stt_suppressed_total", reason="NO_SPEECH") == 1
    assert value("stt_speech_seconds_total") == pytest.approx(3.0)


def test_received_audio_excludes_audio_before_the_resume_offset() -> None:
    stream = StatsUnderTest()
    stream.stats = stream.new_stats(offset_ms=60_000)
    stream.emit(None, received_ms=65_000)
    stream.emit(None, received_ms=67_500)
    assert stream.stats.audio_s == pytest.approx(7.5)
    assert stream.metrics.value("stt_audio_seconds_total") == pytest.approx(7.5)


def test_final_latency_is_measured_from_the_endpoint_of_its_own_utterance() -> None:
    stream = StatsUnderTest()
    stream.stats.on_pending_finals(1)
    stream.now += 1.0
    stream.stats.on_pending_finals(2)
    stream.stats.on_pending_finals(2)
    stream.now += 0.5
    stream.emit(final("One."), final("Two."))
    assert stream.stats.max_latency_s == pytest.approx(1.5)
    assert stream.stats.median_latency_s == pytest.approx(1.0)
    assert stream.metrics.value("stt_final_latency_seconds_sum", mode="realtime") == pytest.approx(2.0)
    stream.now += 9.0
    stream.stats.on_pending_finals(1)
    stream.emit(final("Three."))
    assert stream.metrics.value("stt_final_latency_seconds_sum", mode="realtime") == pytest.approx(2.0)


def test_speculatively_decoded_final_has_no_latency() -> None:
    stream = StatsUnderTest()
    stream.stats.on_pending_finals(1)
    stream.emit(final("One."))
    assert stream.metrics.value("stt_final_latency_seconds_bucket", mode="realtime", le="0.025") == 1


def test_final_of_a_recording_counts_for_the_offline_latency_only() -> None:
    stream = StatsUnderTest()
    stream.stats.on_pending_finals(1)
    stream.now += 9.0
    stream.emit(final("One."), live=False)
    assert stream.metrics.value("stt_final_latency_seconds_count", mode="realtime") == 0
    assert stream.metrics.value("stt_final_latency_seconds_sum", mode="offline") == pytest.approx(9.0)


def test_shed_partials_are_counted_by_reason() -> None:
    stream = StatsUnderTest()
    stream.stats.on_partial_superseded()
    stream.stats.on_partial_dropped()
    stream.stats.on_partial_dropped()
    assert stream.stats.shed == 3
    assert stream.metrics.value("stt_partials_shed_total", reason="busy") == 1
    assert stream.metrics.value("stt_partials_shed_total", reason="unread") == 2


def test_stream_is_degraded_from_its_notice_until_the_next_notice_or_its_end() -> None:
    stream = StatsUnderTest()
    degraded = []
    for notice in (SHED, RESTORED, RESTORED, SHED):
        stream.emit(notice)
        degraded.append(stream.metrics.value("stt_streams_partials_degraded"))
    stream.stats.close()
    stream.stats.close()
    degraded.append(stream.metrics.value("stt_streams_partials_degraded"))
    assert degraded == [1, 0, 0, 1, 0]


def test_stream_without_finals_has_fields_to_log() -> None:
    fields = StatsUnderTest().stats.fields()
    assert fields["median_latency_s"] == 0
    assert (fields["utterances"], fields["words"]) == (0, 0)
