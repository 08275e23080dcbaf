"""Requests during an open stream, and the events that report its progress."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

import pytest
from google.protobuf.duration_pb2 import Duration
from grpc import StatusCode
from stt.v1 import stt_pb2 as pb

from benchmarks.harness.word_errors import count_errors, normalize
from benchmarks.recordings import Recording
from tests.support.audio.encoded_audio import silence
from tests.support.clients.wire_client import Call, Request, Stub, assert_event_order, audio, config

pytestmark = pytest.mark.model

QUESTION, COMMAND, RUSSIAN = "en/brooklyn-bridge", "en/go-forward", "ru/tt-somethingwrong"


def pause(seconds: float) -> Request:
    length = Duration(seconds=int(seconds), nanos=round(seconds % 1 * 1e9))
    return Request(silence=pb.Silence(duration=length))


async def opened(stub: Stub, request: Request) -> tuple[Call, pb.Started]:
    call = Call(stub)
    await call.send(request)
    return call, (await call.until("started")).started


async def test_started_reports_models_and_settings_with_defaults_filled_in(stub: Stub) -> None:
    requested = pb.Settings(hotwords=["Brooklyn", "bridge"], translate=True)
    call, started = await opened(stub, Request(config=pb.StreamingConfig(settings=requested)))
    assert (started.model, started.partial_model) == ("base", "")
    assert started.stream_id
    assert (started.settings.language, started.settings.translate) == ("en", True)
    assert list(started.settings.hotwords) == ["Brooklyn", "bridge"]
    assert started.settings.post_speech_silence.ToMilliseconds() == 1500
    assert (await call.end()).kinds == ["started"]


async def test_finalize_ends_the_utterance_and_the_stream_continues(
    stub: Stub, recordings: Mapping[str, Recording]
) -> None:
    call, _ = await opened(stub, config())
    await call.send(audio(recordings[QUESTION].pcm()), Request(finalize=pb.Finalize()))
    first = (await call.until("final")).final
    assert (first.utterance, first.endpoint) == (0, pb.ENDPOINT_FINALIZE)
    assert "Brooklyn" in first.text
    await call.send(Request(finalize=pb.Finalize()), audio(recordings[COMMAND].pcm()))
    result = await call.end()
    assert [final.endpoint for final in result.finals] == [pb.ENDPOINT_FINALIZE, pb.ENDPOINT_END_OF_AUDIO]
    assert "forward" in result.finals[1].text
    assert_event_order(result)


async def test_end_of_speech_is_reported_before_the_final_on_request(
    stub: Stub, recordings: Mapping[str, Recording]
) -> None:
    first = config()
    first.config.speech_ended = True
    call, _ = await opened(stub, first)
    await call.send(audio(recordings[COMMAND].pcm()), pause(1.75))
    ended = (await call.until("speech_ended")).speech_ended
    final = (await call.until("final")).final
    assert (ended.utterance, ended.end_ms, ended.endpoint) == (final.utterance, final.end_ms, pb.ENDPOINT_SILENCE)
    assert ended.endpoint_ms == ended.end_ms + final.latency.endpoint.ToMilliseconds()
    kinds = (await call.end()).kinds
    assert kinds == ["started", "speech_started", "speech_ended", "final"]


async def test_silence_message_ends_an_utterance_as_silent_audio_does(
    stub: Stub, recordings: Mapping[str, Recording]
) -> None:
    call, _ = await opened(stub, config())
    pcm = recordings[COMMAND].pcm()
    await call.send(audio(pcm), pause(1.75))
    reported = await call.until("final")
    assert reported.final.endpoint == pb.ENDPOINT_SILENCE
    assert "forward" in reported.final.text
    assert (await call.sync()).received_ms == len(pcm) // 32 + 1750
    assert (await call.end()).code is StatusCode.OK


async def test_settings_update_applies_from_the_next_utterance_and_is_confirmed(
    stub: Stub, recordings: Mapping[str, Recording]
) -> None:
    """The update arrives while the English utterance is open, which ends in English."""
    call, _ = await opened(stub, config("en"))
    changed = pb.Settings(language="ru", post_speech_silence=Duration(nanos=500_000_000))
    await call.send(audio(recordings[COMMAND].pcm()), Request(update=changed))
    answer = (await call.until("settings")).settings
    assert (answer.language, answer.post_speech_silence.ToMilliseconds()) == ("ru", 500)
    assert answer.min_utterance.ToMilliseconds() == 2000
    await call.send(pause(2), audio(recordings[RUSSIAN].pcm()))
    result = await call.end()
    assert [final.language for final in result.finals] == ["en", "ru"]
    assert "forward" in result.finals[0].text
    assert "совсем не так" in result.finals[1].text


async def test_auto_detects_the_language_of_each_utterance(stub: Stub, recordings: Mapping[str, Recording]) -> None:
    call, _ = await opened(stub, config("auto"))
    await call.send(audio(recordings["en/austen-0930"].pcm()), pause(2))
    await call.send(audio(recordings["ru/vm-invalidpassword"].pcm()))
    assert [final.language for final in (await call.end()).finals] == ["en", "ru"]


async def test_progress_is_reported_during_silence(stub: Stub) -> None:
    call, _ = await opened(stub, config())
    await call.send(*[audio(silence(1))] * 30)
    result = await call.end()
    assert result.kinds == ["started"]
    for reported in ([each.received_ms for each in result.responses], [each.committed_ms for each in result.responses]):
        assert max(after - before for before, after in pairwise(reported)) <= 17_000  # ten seconds and a late report
    assert len(result.responses) >= 30 // 7


async def test_disconnected_stream_resumes_at_the_committed_position(
    stub: Stub, recordings: Mapping[str, Recording]
) -> None:
    """The client is disconnected inside its second utterance and resends the uncommitted audio."""
    pcm = recordings[QUESTION].pcm() + silence(2) + recordings["en/austen-0930"].pcm()
    broken, _ = await opened(stub, config())
    await broken.send_audio(pcm[: len(pcm) - 32_000])
    first = (await broken.until("final")).final
    settled_ms = (await broken.sync()).committed_ms
    broken.cancel()
    assert first.end_ms < settled_ms < len(pcm) // 32 - 1000

    resume = pb.Resume(audio_offset_ms=settled_ms, next_utterance=first.utterance + 1)
    call, _ = await opened(stub, config(resume=resume))
    assert (call.responses[0].received_ms, call.responses[0].committed_ms) == (settled_ms, settled_ms)
    await call.send_audio(pcm[settled_ms * 32 :])
    result = await call.end()
    (second,) = result.finals
    assert second.utterance == 1
    spoken_text = recordings["en/austen-0930"].text
    assert count_errors(normalize(spoken_text, "en"), normalize(second.text, "en")).count == 0
    assert settled_ms < second.start_ms < second.end_ms <= len(pcm) // 32 + 32  # rounded to a whole frame
    assert result.responses[-1].committed_ms == len(pcm) // 32
