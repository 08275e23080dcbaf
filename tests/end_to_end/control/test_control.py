"""Control of a running server by an operator, and the effects on streams.

The server is in this process; its engine waits until it is released and returns the names of streams.
"""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from google.protobuf.duration_pb2 import Duration
from grpc import StatusCode
from stt.v1 import control_pb2 as pb
from stt.v1 import stt_pb2

from benchmarks.recordings import Recording
from stt_service.access.credentials import ServerCredentials
from stt_service.server import Server
from stt_service.settings.schema import ServerSettings
from tests.support.audio.encoded_audio import silence
from tests.support.clients.control_client import only_session, operator, rejection, status
from tests.support.clients.wire_client import Request, assert_event_order, audio, health, send_requests
from tests.support.models.beam_recording_engine import BeamRecordingEngine
from tests.support.servers.controlled_server import controlled_server
from tests.support.servers.in_process_server import BlockingServerEngine

pytestmark = pytest.mark.timeout(60)
FINALIZE = Request(finalize=stt_pb2.Finalize())
BOTH = (pb.ROLE_FINALS, pb.ROLE_PARTIALS)


@pytest.fixture
def question(recordings: Mapping[str, Recording]) -> Recording:
    return recordings["en/brooklyn-bridge"]


async def test_status_reports_the_server_and_its_load(question: Recording) -> None:
    held = BlockingServerEngine()
    async with controlled_server(held) as controlled:
        first, second = await controlled.open_stream("first"), await controlled.open_stream("second")
        await first.send(audio(question.pcm()), FINALIZE)
        await held.entered()
        await second.send(audio(question.pcm()), FINALIZE)
        while not (reported := await status(controlled.control)).load.finals_waiting:
            pass
        assert (reported.state, reported.model, reported.partial_model) == (pb.STATE_SERVING, "base", "base")
        assert (reported.device.requested, reported.device.active, reported.device.reason) == (
            "cuda",
            "cpu",
            "libcuda.so.1 is missing",
        )
        assert (reported.load.streams, reported.load.max_streams) == (2, 4)
        assert (reported.load.batches_running, reported.load.max_batches, reported.load.finals_waiting) == (1, 1, 1)
        assert reported.load.oldest_final_wait.ToTimedelta() > Duration().ToTimedelta()
        assert reported.self_test.real_time_factor == pytest.approx(0.1)
        assert 0 < reported.resources.memory_bytes < reported.resources.machine_memory_bytes
        held.release()
        await first.end()
        await second.end()


async def test_loading_server_reports_its_phase_and_rejects_changes() -> None:
    server = Server(
        ServerSettings.model_validate({"data_port": 0, "control_port": 0, "http_port": 0}), ServerCredentials()
    )
    await server.start()
    try:
        async with operator(server.control.address) as control:
            assert (await status(control)).state == pb.STATE_LOADING
            assert not (await control.ListSessions(pb.ListSessionsRequest())).sessions
            for call in (
                control.UpdateConfig(pb.UpdateConfigRequest(values={"BEAM_SIZE": "1"})),
                control.LoadModel(pb.LoadModelRequest(name="tiny", roles=BOTH)),
                control.Drain(pb.DrainRequest()),
                control.CancelDrain(pb.CancelDrainRequest()),
            ):
                code, message = await rejection(call)
                assert code is StatusCode.UNAVAILABLE
                assert "still loading" in message
    finally:
        await server.drain()


async def test_history_has_a_sample_from_the_start_of_serving_on() -> None:
    async with controlled_server(BeamRecordingEngine()) as controlled:
        history = (await controlled.control.GetHistory(pb.GetHistoryRequest())).history
        assert (list(history.streams), list(history.max_streams), list(history.rejected)) == ([0], [4], [0])
        assert history.memory_bytes[0] > 2**20
        later = pb.GetHistoryRequest(after_s=history.time_s[-1])
        assert not (await controlled.control.GetHistory(later)).history.time_s


async def test_watch_reports_the_status_repeatedly() -> None:
    async with controlled_server(BeamRecordingEngine()) as controlled:
        request = pb.WatchStatusRequest(interval=Duration(nanos=200_000_000))
        uptimes = list[float]()
        async for answer in controlled.control.WatchStatus(request):
            uptimes.append(answer.status.uptime.ToTimedelta().total_seconds())
            if len(uptimes) == 3:
                break
        assert uptimes == sorted(set(uptimes))


async def test_watch_with_a_too_short_interval_is_rejected() -> None:
    async with controlled_server(BeamRecordingEngine()) as controlled:
        watch = controlled.control.WatchStatus(pb.WatchStatusRequest(interval=Duration(nanos=1)))
        code, message = await rejection(watch.read())
        assert (code, message) == (
            StatusCode.INVALID_ARGUMENT,
            "Invalid interval=1e-09 s: must be 0.2 to 60 s.",
        )


async def test_session_is_listed_with_its_statistics(question: Recording) -> None:
    async with controlled_server(BeamRecordingEngine()) as controlled:
        call = await controlled.open_stream("two words")
        await call.send_audio(question.pcm())
        await call.send(FINALIZE)
        await call.until("final")
        await call.sync()
        reported = await only_session(controlled.control)
        assert reported.id == call.responses[0].started.stream_id
        assert (reported.client_id, reported.peer, reported.language, reported.model) == (
            "two words",
            "127.0.0.1",
            "en",
            "base",
        )
        assert reported.phase == pb.SESSION_PHASE_LISTENING
        assert (reported.utterances, reported.words) == (1, 2)
        assert reported.audio_received.ToTimedelta().total_seconds() == pytest.approx(question.duration_s, abs=0.1)
        counted = (await status(controlled.control)).counters
        assert (counted.streams, counted.utterances, counted.words, counted.rejected_streams) == (1, 1, 2, 0)
        await call.end()
        assert not (await controlled.control.ListSessions(pb.ListSessionsRequest())).sessions


async def test_operator_finalizes_an_utterance_and_the_stream_continues(question: Recording) -> None:
    async with controlled_server(BeamRecordingEngine()) as controlled:
        call = await controlled.open_stream("word")
        await call.send_audio(question.pcm())
        await call.sync()
        session = await only_session(controlled.control)
        assert session.phase == pb.SESSION_PHASE_SPEECH
        for _ in range(2):
            await controlled.control.FinalizeSession(pb.FinalizeSessionRequest(session_id=session.id))
        final = (await call.until("final")).final
        assert (final.text, final.endpoint) == ("word", stt_pb2.ENDPOINT_FINALIZE)
        result = await call.end()
        assert (result.code, len(result.finals)) == (StatusCode.OK, 1)


async def test_terminated_session_gets_all_pending_finals_and_a_status(question: Recording) -> None:
    held = BlockingServerEngine()
    async with controlled_server(held) as controlled:
        call = await controlled.open_stream("word")
        await call.send(audio(question.pcm()), FINALIZE)
        await held.entered()
        await call.send(audio(question.pcm()))
        while (
            session := await only_session(controlled.control)
        ).audio_received.ToTimedelta().total_seconds() < 2 * question.duration_s:
            pass
        for _ in range(2):
            answer = await controlled.control.TerminateSession(pb.TerminateSessionRequest(session_id=session.id))
            assert answer.session.phase == pb.SESSION_PHASE_TERMINATING
        held.release()
        result = await call.read_to_end()
        assert result.code is StatusCode.ABORTED
        assert result.failure_message().startswith("An operator ended the stream")
        assert [final.text for final in result.finals] == ["word", "word"]
        assert_event_order(result)


async def test_ended_session_is_not_found() -> None:
    async with controlled_server(BeamRecordingEngine()) as controlled:
        for call in (
            controlled.control.FinalizeSession(pb.FinalizeSessionRequest(session_id="gone")),
            controlled.control.TerminateSession(pb.TerminateSessionRequest(session_id="gone")),
            controlled.control.UnloadModel(pb.UnloadModelRequest(name="gone")),
        ):
            code, message = await rejection(call)
            assert code is StatusCode.NOT_FOUND
            assert "'gone'" in message


async def test_drain_ends_streams_and_can_be_canceled(question: Recording) -> None:
    async with controlled_server(BeamRecordingEngine()) as controlled:
        call = await controlled.open_stream("word")
        await call.send_audio(question.pcm())
        await call.sync()
        for _ in range(2):
            answer = await controlled.control.Drain(pb.DrainRequest())
            assert (answer.state, answer.streams) == (pb.STATE_DRAINING, 1)
        assert await health(controlled.server.data.address) == "NOT_SERVING"
        assert (await call.until("notice")).notice.reason == "DRAIN"
        assert (
            await send_requests(controlled.speech, Request(config=stt_pb2.StreamingConfig()))
        ).code is StatusCode.UNAVAILABLE
        for _ in range(2):
            canceled = await controlled.control.CancelDrain(pb.CancelDrainRequest())
            assert canceled.state == pb.STATE_SERVING
        assert await health(controlled.server.data.address) == "SERVING"
        later = await controlled.open_stream("later")
        await call.send_audio(silence(3))
        result = await call.read_to_end()
        assert (result.code, result.text) == (StatusCode.UNAVAILABLE, "word")
        assert (await later.end()).code is StatusCode.OK


async def test_drained_server_keeps_running_and_can_serve_again() -> None:
    async with controlled_server(BeamRecordingEngine()) as controlled:
        await controlled.control.Drain(pb.DrainRequest())
        assert (await status(controlled.control)).state == pb.STATE_DRAINING
        await controlled.control.CancelDrain(pb.CancelDrainRequest())
        assert await controlled.model_of_new_stream("word") == "base"
