"""Models loaded and unloaded at run time: the model of each stream, and when a model is freed."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping
from typing import Any

import pytest
from grpc import StatusCode
from stt.v1 import control_pb2 as pb

from benchmarks.recordings import Recording
from tests.support.clients.control_client import Stub, models, rejection, status
from tests.support.clients.wire_client import health
from tests.support.models.beam_recording_engine import BeamRecordingEngine
from tests.support.servers.controlled_server import controlled_server
from tests.support.servers.in_process_server import BlockingServerEngine

pytestmark = pytest.mark.timeout(60)
BOTH = (pb.ROLE_FINALS, pb.ROLE_PARTIALS)


@pytest.fixture
def question(recordings: Mapping[str, Recording]) -> Recording:
    return recordings["en/brooklyn-bridge"]


async def loaded(control: Stub, name: str) -> pb.Model:
    """Return the model once it is loaded or has failed."""
    while (model := (await models(control))[name]).state == pb.MODEL_STATE_LOADING:
        pass
    return model


async def test_new_streams_use_the_loaded_model_and_open_streams_keep_theirs(question: Recording) -> None:
    base, tiny = BeamRecordingEngine(), BeamRecordingEngine()
    async with controlled_server(base, others={"tiny": tiny}) as controlled:
        old = await controlled.open_stream("old")
        for _ in range(2):
            await controlled.control.LoadModel(pb.LoadModelRequest(name="tiny", roles=BOTH))
        model = await loaded(controlled.control, "tiny")
        assert (model.state, list(model.roles), model.streams) == (pb.MODEL_STATE_LOADED, list(BOTH), 0)
        assert await controlled.model_of_new_stream("new") == "tiny"
        for _ in range(2):
            unloading = (await controlled.control.UnloadModel(pb.UnloadModelRequest(name="base"))).model
            assert (unloading.state, unloading.streams) == (pb.MODEL_STATE_UNLOADING, 1)
        assert await health(controlled.server.data.address) == "SERVING"
        await old.send_audio(question.pcm())
        assert (await old.end()).text == "old"
        assert base.beams
        assert not tiny.beams
        assert await asyncio.to_thread(base.closed.wait, 10)
        assert set(await models(controlled.control)) == {"tiny"}


async def test_model_for_partials_does_not_change_finals() -> None:
    async with controlled_server(BeamRecordingEngine(), others={"tiny": BeamRecordingEngine()}) as controlled:
        await controlled.control.LoadModel(pb.LoadModelRequest(name="tiny", roles=[pb.ROLE_PARTIALS]))
        await loaded(controlled.control, "tiny")
        reported = await status(controlled.control)
        assert (reported.model, reported.partial_model) == ("base", "tiny")


async def test_model_reassigned_before_it_is_freed_is_not_loaded_twice() -> None:
    base = BeamRecordingEngine()
    async with controlled_server(base, others={"tiny": BeamRecordingEngine()}) as controlled:
        old = await controlled.open_stream("old")
        await controlled.control.LoadModel(pb.LoadModelRequest(name="tiny", roles=BOTH))
        await loaded(controlled.control, "tiny")
        await controlled.control.UnloadModel(pb.UnloadModelRequest(name="base"))
        back = (await controlled.control.LoadModel(pb.LoadModelRequest(name="base", roles=BOTH))).model
        assert (back.state, list(back.roles)) == (pb.MODEL_STATE_LOADED, list(BOTH))
        await old.end()
        assert await controlled.model_of_new_stream("new") == "base"
        assert not base.closed.is_set()


async def test_model_needed_by_new_streams_is_not_unloaded() -> None:
    async with controlled_server(BeamRecordingEngine()) as controlled:
        code, message = await rejection(controlled.control.UnloadModel(pb.UnloadModelRequest(name="base")))
        assert code is StatusCode.FAILED_PRECONDITION
        assert message == "base is the model of new streams for finals and partials: load another one for that first."


async def test_model_that_fails_to_load_is_listed_with_its_error_and_streams_continue() -> None:
    async with controlled_server(BeamRecordingEngine()) as controlled:
        await controlled.control.LoadModel(pb.LoadModelRequest(name="tiny", roles=BOTH))
        failed = await loaded(controlled.control, "tiny")
        assert (failed.state, failed.reason) == (pb.MODEL_STATE_FAILED, "tiny is not available.")
        assert await controlled.model_of_new_stream("new") == "base"
        await controlled.control.UnloadModel(pb.UnloadModelRequest(name="tiny"))
        assert set(await models(controlled.control)) == {"base"}


async def test_english_only_model_for_finals_requires_language_english() -> None:
    english = BeamRecordingEngine(multilingual=False)
    async with controlled_server(BeamRecordingEngine(), others={"tiny.en": english}) as controlled:
        await controlled.control.LoadModel(pb.LoadModelRequest(name="tiny.en", roles=BOTH))
        failed = await loaded(controlled.control, "tiny.en")
        assert failed.reason == "tiny.en supports English only, but LANGUAGE is ru: change LANGUAGE first."
        assert await asyncio.to_thread(english.closed.wait, 10)


async def test_one_model_is_loaded_at_a_time_until_its_loading_is_canceled() -> None:
    may, engine = threading.Event(), BeamRecordingEngine()

    class Slow(Mapping[str, BlockingServerEngine]):
        def __getitem__(self, name: str) -> BlockingServerEngine:
            may.wait()
            return engine

        def __contains__(self, name: object) -> bool:
            return True

        def __iter__(self) -> Any:
            raise NotImplementedError

        def __len__(self) -> int:
            return 1

    async with controlled_server(BeamRecordingEngine(), others=Slow()) as controlled:
        try:
            first = await controlled.control.LoadModel(pb.LoadModelRequest(name="tiny", roles=BOTH))
            assert first.model.state == pb.MODEL_STATE_LOADING
            code, message = await rejection(controlled.control.LoadModel(pb.LoadModelRequest(name="small", roles=BOTH)))
            assert (code, message) == (
                StatusCode.FAILED_PRECONDITION,
                "tiny is being loaded, and only one model loads at a time: retry after that.",
            )
            assert await controlled.model_of_new_stream("meanwhile") == "base"
            unloading = (await controlled.control.UnloadModel(pb.UnloadModelRequest(name="tiny"))).model
            assert unloading.state == pb.MODEL_STATE_UNLOADING
            assert set(await models(controlled.control)) == {"base"}
            await controlled.control.LoadModel(pb.LoadModelRequest(name="small", roles=BOTH))
        finally:
            may.set()
        await loaded(controlled.control, "small")
        assert await controlled.model_of_new_stream("new") == "small"


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (pb.LoadModelRequest(name="tiny"), "Invalid roles=[]: must name ROLE_FINALS, ROLE_PARTIALS or both."),
        (
            pb.LoadModelRequest(name="", roles=BOTH),
            "Invalid name of 0 characters: must be the name of a model, such as tiny or base.",
        ),
    ],
)
async def test_model_without_a_name_or_a_role_is_rejected(request_: pb.LoadModelRequest, message: str) -> None:
    async with controlled_server(BeamRecordingEngine()) as controlled:
        assert await rejection(controlled.control.LoadModel(request_)) == (StatusCode.INVALID_ARGUMENT, message)
