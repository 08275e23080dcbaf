"""Settings changed at run time by an operator: which streams they apply to, and from when on."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping

import pytest
from grpc import StatusCode
from stt.v1 import control_pb2 as pb
from stt.v1 import stt_pb2

from benchmarks.recordings import Recording
from stt_service.settings.schema import ServerSettings
from tests.support.clients.control_client import rejection, update_settings
from tests.support.clients.wire_client import Call, Request, audio, send_requests
from tests.support.models.beam_recording_engine import BeamRecordingEngine
from tests.support.servers.controlled_server import controlled_server

pytestmark = pytest.mark.timeout(60)


@pytest.fixture
def question(recordings: Mapping[str, Recording]) -> Recording:
    return recordings["en/brooklyn-bridge"]


@pytest.fixture
def root() -> Iterator[logging.Logger]:
    """Return the root logger; restore its level on exit."""
    logger = logging.getLogger()
    before = logger.level
    yield logger
    logger.setLevel(before)


async def test_every_setting_is_listed_with_allowed_values_and_scope() -> None:
    async with controlled_server(BeamRecordingEngine()) as controlled:
        listed = {each.name: each for each in (await controlled.control.GetConfig(pb.GetConfigRequest())).parameters}
        assert set(listed) == {name.upper() for name in ServerSettings.model_fields}
        beams, slots, port = listed["BEAM_SIZE"], listed["MAX_STREAMS"], listed["DATA_PORT"]
        assert (beams.value, beams.minimum, beams.maximum, beams.scope) == ("5", 1, 10, pb.SCOPE_NEW_STREAMS)
        assert (slots.value, slots.default_value, slots.scope) == ("4", "auto", pb.SCOPE_IMMEDIATE)
        assert (listed["LANGUAGE"].scope, port.scope) == (pb.SCOPE_STREAM, pb.SCOPE_RESTART)


async def test_change_applies_to_streams_opened_later(question: Recording) -> None:
    engine = BeamRecordingEngine()
    async with controlled_server(engine) as controlled:
        before = await controlled.open_stream("before")
        in_force = await update_settings(
            controlled.control, BEAM_SIZE="1", LANGUAGE="en", POST_SPEECH_SILENCE_DURATION="0.7"
        )
        assert in_force["BEAM_SIZE"] == "1"
        after = Call(controlled.speech)
        await after.send(Request(config=stt_pb2.StreamingConfig()), audio(question.pcm()))
        result = await after.end()
        assert set(engine.beams) == {1}
        assert result.responses[0].started.settings.language == "en"
        assert result.responses[0].started.settings.post_speech_silence.nanos == 700_000_000
        engine.beams.clear()
        await before.send_audio(question.pcm())
        await before.end()
        assert set(engine.beams) == {5}


async def test_rejected_change_changes_nothing() -> None:
    async with controlled_server(BeamRecordingEngine()) as controlled:
        before = await controlled.control.GetConfig(pb.GetConfigRequest())
        for values, code in (
            ({"BEAM_SIZE": "1", "IDLE_TIMEOUT": "0"}, StatusCode.INVALID_ARGUMENT),
            ({"BEAM_SIZE": "1", "BEAMS": "1"}, StatusCode.INVALID_ARGUMENT),
            ({"BEAM_SIZE": "1", "DATA_PORT": "9"}, StatusCode.FAILED_PRECONDITION),
        ):
            assert (await rejection(controlled.control.UpdateConfig(pb.UpdateConfigRequest(values=values))))[0] is code
        assert await controlled.control.GetConfig(pb.GetConfigRequest()) == before


async def test_additional_slots_are_available_immediately() -> None:
    async with controlled_server(BeamRecordingEngine(), max_streams=1) as controlled:
        first = await controlled.open_stream("first")
        rejected = await send_requests(controlled.speech, Request(config=stt_pb2.StreamingConfig()))
        assert rejected.code is StatusCode.RESOURCE_EXHAUSTED
        await update_settings(controlled.control, MAX_STREAMS="2")
        second = await controlled.open_stream("second")
        await update_settings(controlled.control, MAX_STREAMS="1")
        assert (await first.end()).code is (await second.end()).code is StatusCode.OK


async def test_language_unknown_to_the_model_is_rejected() -> None:
    async with controlled_server(BeamRecordingEngine(multilingual=False)) as controlled:
        code, message = await rejection(
            controlled.control.UpdateConfig(pb.UpdateConfigRequest(values={"LANGUAGE": "ru"}))
        )
        assert code is StatusCode.INVALID_ARGUMENT
        assert "English only" in message


async def test_log_level_change_applies_immediately(root: logging.Logger) -> None:
    async with controlled_server(BeamRecordingEngine()) as controlled:
        await update_settings(controlled.control, LOG_LEVEL="debug")
        assert logging.getLogger("stt_service.control.service").isEnabledFor(logging.DEBUG)
        await update_settings(controlled.control, LOG_LEVEL="error")
        assert not logging.getLogger("stt_service.control.service").isEnabledFor(logging.WARNING)
