"""What an operator asks a running server for, through the Control service, and what becomes of the streams.

The server is in this process; its engine waits until it is let, and says the names of streams.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration
from grpc import StatusCode
from held_server import HeldEngine, serving
from operator_client import Stub, models, only_session, operator, refusal, set_to, status
from sounds import silence
from stt.v1 import control_pb2 as pb
from stt.v1 import stt_pb2
from wire_client import Call, Request, assert_orderly, audio, connected, health, streamed
from wire_client import Stub as Speech

from benchmarks.recorded import Recording
from stt_service.errors import ModelNotFound
from stt_service.parameters import Parameters
from stt_service.server import Server
from stt_service.transcript import Transcript, Window

pytestmark = pytest.mark.timeout(60)
FINALIZE = Request(finalize=stt_pb2.Finalize())
BOTH = (pb.ROLE_FINALS, pb.ROLE_PARTIALS)


class Hearing(HeldEngine):
    """An engine that is let from the start, and keeps the beams that it was asked for."""

    def __init__(self, *, multilingual: bool = True) -> None:
        super().__init__(multilingual=multilingual)
        self.beams: list[int] = []
        self.release()

    def transcribe(self, windows: Sequence[Window]) -> list[Transcript]:
        self.beams += [window.options.beam_size for window in windows]
        return super().transcribe(windows)


@dataclass(frozen=True, slots=True)
class Operated:
    """A server with a client and an operator."""

    server: Server
    control: Stub
    speech: Speech

    async def opened(self, name: str) -> Call:
        """Open a stream whose texts will all be this name; return once it is listed."""
        call = Call(self.speech)
        settings = stt_pb2.Settings(language="en", initial_prompt=name)
        await call.send(Request(config=stt_pb2.StreamingConfig(settings=settings, client_id=name)))
        await call.until("started")
        await call.sync()
        return call

    async def model_of(self, name: str) -> str:
        """Return the model that a stream gets which is opened now."""
        call = await self.opened(name)
        await call.end()
        return call.responses[0].started.model


@asynccontextmanager
async def operated(
    engine: HeldEngine, max_streams: int = 4, others: Mapping[str, HeldEngine] | None = None
) -> AsyncIterator[Operated]:
    def load(name: str) -> HeldEngine:
        if others is None or name not in others:
            raise ModelNotFound(f"{name} is nowhere to be had.")
        return others[name]

    async with (
        serving(engine, max_streams, load=load) as server,
        operator(server.control.address) as control,
        connected(server.data.address) as speech,
    ):
        yield Operated(server, control, speech)


@pytest.fixture
def question(recordings: Mapping[str, Recording]) -> Recording:
    return recordings["en/brooklyn-bridge"]


async def loaded(control: Stub, name: str) -> pb.Model:
    """Return the model once it is loaded, or has failed."""
    while (model := (await models(control))[name]).state == pb.MODEL_STATE_LOADING:
        pass
    return model


async def test_the_status_tells_what_the_server_is_and_has_to_do(question: Recording) -> None:
    held = HeldEngine()
    async with operated(held) as at:
        first, second = await at.opened("first"), await at.opened("second")
        await first.send(audio(question.pcm()), FINALIZE)
        await held.entered()
        await second.send(audio(question.pcm()), FINALIZE)
        while not (told := await status(at.control)).load.finals_waiting:
            pass
        assert (told.state, told.model, told.partial_model) == (pb.STATE_SERVING, "base", "base")
        assert (told.device.asked, told.device.actual, told.device.reason) == ("cuda", "cpu", "libcuda.so.1 is missing")
        assert (told.load.streams, told.load.max_streams) == (2, 4)
        assert (told.load.batches_running, told.load.max_batches, told.load.finals_waiting) == (1, 1, 1)
        assert told.load.final_lag.ToTimedelta() > Duration().ToTimedelta()
        assert told.self_test.real_time_factor == pytest.approx(0.1)
        assert 0 < told.resources.memory_bytes < told.resources.machine_memory_bytes
        held.release()
        await first.end()
        await second.end()


async def test_a_server_that_loads_tells_so_and_changes_nothing() -> None:
    server = Server(Parameters.model_validate({"data_port": 0, "control_port": 0}))
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
                code, sentence = await refusal(call)
                assert code is StatusCode.UNAVAILABLE
                assert "still loading" in sentence
    finally:
        await server.drain()


async def test_who_watches_is_told_again_and_again() -> None:
    async with operated(Hearing()) as at:
        request = pb.WatchStatusRequest(interval=Duration(nanos=200_000_000))
        uptimes = list[float]()
        async for answer in at.control.WatchStatus(request):
            uptimes.append(answer.status.uptime.ToTimedelta().total_seconds())
            if len(uptimes) == 3:
                break
        assert uptimes == sorted(set(uptimes))


async def test_a_watch_of_no_length_is_refused() -> None:
    async with operated(Hearing()) as at:
        watch = at.control.WatchStatus(pb.WatchStatusRequest(interval=Duration(nanos=1)))
        code, sentence = await refusal(watch.read())
        assert (code, sentence) == (
            StatusCode.INVALID_ARGUMENT,
            "interval=1e-09 s will not do: it should be 0.2 to 60 s.",
        )


async def test_every_setting_is_told_with_what_would_do_and_when_a_change_holds() -> None:
    async with operated(Hearing()) as at:
        told = {each.name: each for each in (await at.control.GetConfig(pb.GetConfigRequest())).parameters}
        assert set(told) == {name.upper() for name in Parameters.model_fields}
        beams, places, port = told["BEAM_SIZE"], told["MAX_STREAMS"], told["DATA_PORT"]
        assert (beams.value, beams.minimum, beams.maximum, beams.scope) == ("5", 1, 10, pb.SCOPE_NEW_STREAMS)
        assert (places.value, places.default_value, places.scope) == ("4", "auto", pb.SCOPE_AT_ONCE)
        assert (told["LANGUAGE"].scope, port.scope) == (pb.SCOPE_STREAM, pb.SCOPE_RESTART)


async def test_a_change_holds_for_streams_that_open_later(question: Recording) -> None:
    engine = Hearing()
    async with operated(engine) as at:
        before = await at.opened("before")
        in_force = await set_to(at.control, BEAM_SIZE="1", LANGUAGE="en", POST_SPEECH_SILENCE_DURATION="0.7")
        assert in_force["BEAM_SIZE"] == "1"
        after = Call(at.speech)
        await after.send(Request(config=stt_pb2.StreamingConfig()), audio(question.pcm()))
        heard = await after.end()
        assert set(engine.beams) == {1}
        assert heard.responses[0].started.settings.language == "en"
        assert heard.responses[0].started.settings.post_speech_silence.nanos == 700_000_000
        engine.beams.clear()
        await before.say(question.pcm())
        await before.end()
        assert set(engine.beams) == {5}


async def test_a_refused_change_changes_nothing() -> None:
    async with operated(Hearing()) as at:
        before = await at.control.GetConfig(pb.GetConfigRequest())
        for values, code in (
            ({"BEAM_SIZE": "1", "IDLE_TIMEOUT": "0"}, StatusCode.INVALID_ARGUMENT),
            ({"BEAM_SIZE": "1", "BEAMS": "1"}, StatusCode.INVALID_ARGUMENT),
            ({"BEAM_SIZE": "1", "DATA_PORT": "9"}, StatusCode.FAILED_PRECONDITION),
        ):
            assert (await refusal(at.control.UpdateConfig(pb.UpdateConfigRequest(values=values))))[0] is code
        assert await at.control.GetConfig(pb.GetConfigRequest()) == before


async def test_more_places_are_there_at_once() -> None:
    async with operated(Hearing(), max_streams=1) as at:
        first = await at.opened("first")
        refused = await streamed(at.speech, Request(config=stt_pb2.StreamingConfig()))
        assert refused.code is StatusCode.RESOURCE_EXHAUSTED
        await set_to(at.control, MAX_STREAMS="2")
        second = await at.opened("second")
        await set_to(at.control, MAX_STREAMS="1")
        assert (await first.end()).code is (await second.end()).code is StatusCode.OK


async def test_a_language_that_the_model_does_not_know_is_no_setting() -> None:
    async with operated(Hearing(multilingual=False)) as at:
        code, sentence = await refusal(at.control.UpdateConfig(pb.UpdateConfigRequest(values={"LANGUAGE": "ru"})))
        assert code is StatusCode.INVALID_ARGUMENT
        assert "English only" in sentence


async def test_a_session_is_told_with_its_figures(question: Recording) -> None:
    async with operated(Hearing()) as at:
        call = await at.opened("two words")
        await call.say(question.pcm())
        await call.send(FINALIZE)
        await call.until("final")
        await call.sync()
        told = await only_session(at.control)
        assert told.id == call.responses[0].started.stream_id
        assert (told.client_id, told.peer, told.language, told.model) == ("two words", "127.0.0.1", "en", "base")
        assert told.phase == pb.SESSION_PHASE_LISTENING
        assert (told.utterances, told.words) == (1, 2)
        assert told.heard.ToTimedelta().total_seconds() == pytest.approx(question.duration_s, abs=0.1)
        await call.end()
        assert not (await at.control.ListSessions(pb.ListSessionsRequest())).sessions


async def test_an_operator_ends_an_utterance_and_the_stream_goes_on(question: Recording) -> None:
    async with operated(Hearing()) as at:
        call = await at.opened("word")
        await call.say(question.pcm())
        await call.sync()
        session = await only_session(at.control)
        assert session.phase == pb.SESSION_PHASE_SPEECH
        for _ in range(2):
            await at.control.FinalizeSession(pb.FinalizeSessionRequest(session_id=session.id))
        final = (await call.until("final")).final
        assert (final.text, final.endpoint) == ("word", stt_pb2.ENDPOINT_FINALIZE)
        heard = await call.end()
        assert (heard.code, len(heard.finals)) == (StatusCode.OK, 1)


async def test_a_session_that_is_owed_finals_is_ended_with_all_of_them_and_a_status(question: Recording) -> None:
    held = HeldEngine()
    async with operated(held) as at:
        call = await at.opened("word")
        await call.send(audio(question.pcm()), FINALIZE)
        await held.entered()
        await call.send(audio(question.pcm()))
        while (session := await only_session(at.control)).heard.ToTimedelta().total_seconds() < 2 * question.duration_s:
            pass
        for _ in range(2):
            answer = await at.control.TerminateSession(pb.TerminateSessionRequest(session_id=session.id))
            assert answer.session.phase == pb.SESSION_PHASE_ENDING
        held.release()
        heard = await call.rest()
        assert heard.code is StatusCode.ABORTED
        assert heard.refusal().startswith("An operator of the server ended the stream")
        assert [final.text for final in heard.finals] == ["word", "word"]
        assert_orderly(heard)


async def test_a_session_that_ended_is_not_found() -> None:
    async with operated(Hearing()) as at:
        for call in (
            at.control.FinalizeSession(pb.FinalizeSessionRequest(session_id="gone")),
            at.control.TerminateSession(pb.TerminateSessionRequest(session_id="gone")),
            at.control.UnloadModel(pb.UnloadModelRequest(name="gone")),
        ):
            code, sentence = await refusal(call)
            assert code is StatusCode.NOT_FOUND
            assert "'gone'" in sentence


async def test_a_drain_sends_streams_away_and_can_be_called_off(question: Recording) -> None:
    async with operated(Hearing()) as at:
        call = await at.opened("word")
        await call.say(question.pcm())
        await call.sync()
        for _ in range(2):
            answer = await at.control.Drain(pb.DrainRequest())
            assert (answer.state, answer.streams) == (pb.STATE_DRAINING, 1)
        assert await health(at.server.data.address) == "NOT_SERVING"
        assert (await call.until("notice")).notice.reason == "DRAIN"
        assert (await streamed(at.speech, Request(config=stt_pb2.StreamingConfig()))).code is StatusCode.UNAVAILABLE
        for _ in range(2):
            cancelled = await at.control.CancelDrain(pb.CancelDrainRequest())
            assert cancelled.state == pb.STATE_SERVING
        assert await health(at.server.data.address) == "SERVING"
        later = await at.opened("later")
        await call.say(silence(3))
        heard = await call.rest()
        assert (heard.code, heard.text) == (StatusCode.UNAVAILABLE, "word")
        assert (await later.end()).code is StatusCode.OK


async def test_a_server_that_has_drained_stays_and_serves_again() -> None:
    async with operated(Hearing()) as at:
        await at.control.Drain(pb.DrainRequest())
        assert (await status(at.control)).state == pb.STATE_DRAINING
        await at.control.CancelDrain(pb.CancelDrainRequest())
        assert await at.model_of("word") == "base"


async def test_new_streams_get_the_model_that_was_loaded_and_open_ones_keep_theirs(question: Recording) -> None:
    base, tiny = Hearing(), Hearing()
    async with operated(base, others={"tiny": tiny}) as at:
        old = await at.opened("old")
        for _ in range(2):
            await at.control.LoadModel(pb.LoadModelRequest(name="tiny", roles=BOTH))
        model = await loaded(at.control, "tiny")
        assert (model.state, list(model.roles), model.users) == (pb.MODEL_STATE_LOADED, list(BOTH), 0)
        assert await at.model_of("new") == "tiny"
        for _ in range(2):
            unloading = (await at.control.UnloadModel(pb.UnloadModelRequest(name="base"))).model
            assert (unloading.state, unloading.users) == (pb.MODEL_STATE_UNLOADING, 1)
        assert await health(at.server.data.address) == "SERVING"
        await old.say(question.pcm())
        assert (await old.end()).text == "old"
        assert base.beams
        assert not tiny.beams
        assert await asyncio.to_thread(base.closed.wait, 10)
        assert set(await models(at.control)) == {"tiny"}


async def test_a_model_for_partials_leaves_finals_alone() -> None:
    async with operated(Hearing(), others={"tiny": Hearing()}) as at:
        await at.control.LoadModel(pb.LoadModelRequest(name="tiny", roles=[pb.ROLE_PARTIALS]))
        await loaded(at.control, "tiny")
        told = await status(at.control)
        assert (told.model, told.partial_model) == ("base", "tiny")


async def test_a_model_that_is_taken_back_before_it_is_gone_is_not_loaded_twice() -> None:
    base = Hearing()
    async with operated(base, others={"tiny": Hearing()}) as at:
        old = await at.opened("old")
        await at.control.LoadModel(pb.LoadModelRequest(name="tiny", roles=BOTH))
        await loaded(at.control, "tiny")
        await at.control.UnloadModel(pb.UnloadModelRequest(name="base"))
        back = (await at.control.LoadModel(pb.LoadModelRequest(name="base", roles=BOTH))).model
        assert (back.state, list(back.roles)) == (pb.MODEL_STATE_LOADED, list(BOTH))
        await old.end()
        assert await at.model_of("new") == "base"
        assert not base.closed.is_set()


async def test_what_new_streams_need_stays() -> None:
    async with operated(Hearing()) as at:
        code, sentence = await refusal(at.control.UnloadModel(pb.UnloadModelRequest(name="base")))
        assert code is StatusCode.FAILED_PRECONDITION
        assert sentence == "base is what new streams get for finals and partials: load another for that first."


async def test_a_model_that_does_not_load_is_listed_with_the_reason_and_streams_go_on() -> None:
    async with operated(Hearing()) as at:
        await at.control.LoadModel(pb.LoadModelRequest(name="tiny", roles=BOTH))
        failed = await loaded(at.control, "tiny")
        assert (failed.state, failed.reason) == (pb.MODEL_STATE_FAILED, "tiny is nowhere to be had.")
        assert await at.model_of("new") == "base"
        await at.control.UnloadModel(pb.UnloadModelRequest(name="tiny"))
        assert set(await models(at.control)) == {"base"}


async def test_a_model_of_finals_that_knows_english_only_needs_english() -> None:
    english = Hearing(multilingual=False)
    async with operated(Hearing(), others={"tiny.en": english}) as at:
        await at.control.LoadModel(pb.LoadModelRequest(name="tiny.en", roles=BOTH))
        failed = await loaded(at.control, "tiny.en")
        assert failed.reason == "tiny.en knows English only and LANGUAGE is ru: change that first."
        assert await asyncio.to_thread(english.closed.wait, 10)


async def test_one_model_is_loaded_at_a_time() -> None:
    may, engine = threading.Event(), Hearing()

    class Slow(Mapping[str, HeldEngine]):
        def __getitem__(self, name: str) -> HeldEngine:
            may.wait()
            return engine

        def __contains__(self, name: object) -> bool:
            return True

        def __iter__(self) -> Any:
            raise NotImplementedError

        def __len__(self) -> int:
            return 1

    async with operated(Hearing(), others=Slow()) as at:
        try:
            first = await at.control.LoadModel(pb.LoadModelRequest(name="tiny", roles=BOTH))
            assert first.model.state == pb.MODEL_STATE_LOADING
            code, sentence = await refusal(at.control.LoadModel(pb.LoadModelRequest(name="small", roles=BOTH)))
            assert (code, sentence) == (
                StatusCode.FAILED_PRECONDITION,
                "tiny is being loaded: one at a time, ask again once it is.",
            )
            assert await at.model_of("meanwhile") == "base"
        finally:
            may.set()
        await loaded(at.control, "tiny")


@pytest.mark.parametrize(
    ("request_", "sentence"),
    [
        (pb.LoadModelRequest(name="tiny"), "roles=[] will not do: it should name ROLE_FINALS, ROLE_PARTIALS or both."),
        (
            pb.LoadModelRequest(name="", roles=BOTH),
            "name of 0 characters will not do: it should be a model's, as tiny or base.",
        ),
    ],
)
async def test_a_model_without_a_name_or_a_role_is_refused(request_: pb.LoadModelRequest, sentence: str) -> None:
    async with operated(Hearing()) as at:
        assert await refusal(at.control.LoadModel(request_)) == (StatusCode.INVALID_ARGUMENT, sentence)
