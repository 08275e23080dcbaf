"""Control over HTTP: the same operations as over gRPC, with the same tokens, as proto3 JSON.

The server is in this process; its engine returns the names of streams.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import pytest_asyncio
from google.protobuf import json_format
from grpc import StatusCode
from stt.v1 import control_pb2 as pb
from stt.v1 import stt_pb2

from benchmarks.recordings import Recording
from stt_service.access import tokens
from stt_service.access.credentials import ServerCredentials
from stt_service.http.control.routes import MAX_BODY_BYTES, MAX_WATCHES
from stt_service.server import Server
from stt_service.settings.schema import ServerSettings
from tests.support.clients.control_client import models, status
from tests.support.clients.control_http import ControlHttp
from tests.support.models.beam_recording_engine import BeamRecordingEngine
from tests.support.servers.controlled_server import ControlledServer, controlled_server
from tests.support.servers.in_process_server import running_server

pytestmark = pytest.mark.timeout(60)

CONTROL_TOKEN, DATA_TOKEN = tokens.new_token(), tokens.new_token()
CHANGES = (
    ("PATCH", "/settings"),
    ("POST", "/models/load"),
    ("POST", "/models/unload"),
    ("POST", "/sessions/1/finalize"),
    ("POST", "/sessions/1/terminate"),
    ("POST", "/drain"),
    ("POST", "/drain/cancel"),
)
READS = ("/status", "/status/events", "/history", "/settings", "/models", "/sessions")


def token_file(path: Path, token: str) -> str:
    path.write_text(tokens.line("ann", token), encoding="utf-8")
    return str(path)


@pytest_asyncio.fixture
async def controlled() -> AsyncIterator[ControlledServer]:
    async with controlled_server(BeamRecordingEngine(), others={"tiny": BeamRecordingEngine()}) as running:
        yield running


@pytest_asyncio.fixture
async def http(controlled: ControlledServer) -> ControlHttp:
    return ControlHttp(controlled.server.http.address)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def protected(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """The HTTP address of a server that requires tokens for both ports."""
    folder = tmp_path_factory.mktemp("tokens")
    more = {
        "auth_tokens_file": token_file(folder / "data", DATA_TOKEN),
        "control_tokens_file": token_file(folder / "control", CONTROL_TOKEN),
    }
    async with running_server(BeamRecordingEngine(), 2, more=more) as server:
        yield server.http.address


async def test_status_is_that_of_grpc(controlled: ControlledServer, http: ControlHttp) -> None:
    answer = await http.get("/status")
    sent = json_format.ParseDict(answer.content, pb.GetStatusResponse()).status
    expected = await status(controlled.control)
    assert (answer.status, answer.headers["Cache-Control"]) == (200, "no-store")
    assert answer.content["status"]["load"]["streams"] == 0
    for changing in ("uptime", "resources"):
        sent.ClearField(changing)
        expected.ClearField(changing)
    assert sent == expected


async def test_status_events_follow_the_server(controlled: ControlledServer, http: ControlHttp) -> None:
    async with http.events("/status/events?interval=0.2s") as events:
        first = await anext(events)
        call = await controlled.open_stream("one")
        while (later := await anext(events))["status"]["load"]["streams"] == 0:
            pass
        await call.end()
    assert first["status"]["state"] == "STATE_SERVING"
    assert later["status"]["load"]["streams"] == 1


async def test_too_short_interval_is_rejected(http: ControlHttp) -> None:
    answer = await http.get("/status/events?interval=0.1s")
    assert (answer.status, answer.message) == (400, "Invalid interval=0.1 s: must be 0.2 to 60 s.")


async def test_number_of_watches_is_bounded_and_a_closed_one_is_free_again(http: ControlHttp) -> None:
    async with AsyncExitStack() as watches:
        for _ in range(MAX_WATCHES):
            await anext(await watches.enter_async_context(http.events()))
        rejected = await http.get("/status/events")
        assert (rejected.status, rejected.headers["Retry-After"]) == (429, "5")
    async with http.events() as again:
        assert "status" in await anext(again)


async def test_events_end_when_the_server_stops(caplog: pytest.LogCaptureFixture) -> None:
    async with running_server(BeamRecordingEngine(), 1) as server, ControlHttp(server.http.address).events() as events:
        await anext(events)
        draining = asyncio.create_task(server.drain())
        async for _ in events:
            pass
        await draining
    assert not [record for record in caplog.records if record.name == "uvicorn.error"]


async def test_history_fills_and_a_reader_gets_each_sample_once(http: ControlHttp) -> None:
    first = (await http.get("/history")).content["history"]
    assert (first["interval"], first["maxStreams"], first["finalLatencyP50S"]) == ("5s", [4], ["NaN"])
    latest, more = first["timeS"][-1], list[float]()
    while not more:
        more = (await http.get(f"/history?after_s={latest}")).content["history"]["timeS"]
    assert len(more) == 1
    assert more[0] - latest == pytest.approx(5, abs=2)


async def test_settings_have_types_ranges_and_scopes(http: ControlHttp) -> None:
    listed = {each["name"]: each for each in (await http.get("/settings")).content["parameters"]}
    assert set(listed) == {name.upper() for name in ServerSettings.model_fields}
    beams, level = listed["BEAM_SIZE"], listed["LOG_LEVEL"]
    assert (beams["type"], beams["minimum"], beams["maximum"]) == ("PARAMETER_TYPE_INTEGER", 1, 10)
    assert (beams["value"], beams["scope"]) == ("5", "SCOPE_NEW_STREAMS")
    assert (level["type"], level["choices"]) == ("PARAMETER_TYPE_CHOICE", ["debug", "info", "warning", "error"])


async def test_changed_setting_applies_to_new_streams(
    controlled: ControlledServer, http: ControlHttp, recordings: Mapping[str, Recording]
) -> None:
    answer = await http.patch({"LANGUAGE": "en", "POST_SPEECH_SILENCE_DURATION": "0.7"})
    assert answer.status == 200
    assert {each["name"]: each["value"] for each in answer.content["parameters"]}["LANGUAGE"] == "en"
    call = await controlled.open_stream("later")
    assert call.responses[0].started.settings.post_speech_silence.nanos == 700_000_000
    await call.end()


async def test_each_invalid_setting_has_an_error_and_nothing_is_changed(http: ControlHttp) -> None:
    answer = await http.patch({"BEAM_SIZE": "50", "IDLE_TIMEOUT": "never", "REALTIME_BEAM_SIZE": "2"})
    assert answer.status == 400
    assert answer.content["failure"]["reason"] == "INVALID_ARGUMENT"
    assert answer.content["fields"] == {
        "BEAM_SIZE": "Invalid BEAM_SIZE='50': must be at most 10.",
        "IDLE_TIMEOUT": "Invalid IDLE_TIMEOUT='never': must be a number.",
    }
    values = {each["name"]: each["value"] for each in (await http.get("/settings")).content["parameters"]}
    assert values["REALTIME_BEAM_SIZE"] == "1"


async def test_setting_of_the_start_is_a_conflict(http: ControlHttp) -> None:
    answer = await http.patch({"DATA_PORT": "9", "BEAM_SIZE": "1"})
    assert (answer.status, set(answer.content["fields"])) == (409, {"DATA_PORT"})


async def test_language_unknown_to_the_model_has_an_error_at_its_field() -> None:
    async with controlled_server(BeamRecordingEngine(multilingual=False)) as controlled:
        answer = await ControlHttp(controlled.server.http.address).patch({"LANGUAGE": "ru"})
        assert (answer.status, set(answer.content["fields"])) == (400, {"LANGUAGE"})


async def test_session_is_listed_finalized_and_terminated(
    controlled: ControlledServer, http: ControlHttp, recordings: Mapping[str, Recording]
) -> None:
    call = await controlled.open_stream("word")
    await call.send_audio(recordings["en/brooklyn-bridge"].pcm())
    await call.sync()
    [session] = (await http.get("/sessions")).content["sessions"]
    assert (session["clientId"], session["phase"]) == ("word", "SESSION_PHASE_SPEECH")
    finalized = await http.post(f"/sessions/{session['id']}/finalize")
    assert finalized.content["session"]["id"] == session["id"]
    assert (await call.until("final")).final.endpoint == stt_pb2.ENDPOINT_FINALIZE
    terminated = await http.post(f"/sessions/{session['id']}/terminate")
    assert terminated.content["session"]["phase"] == "SESSION_PHASE_TERMINATING"
    assert (await call.read_to_end()).code is StatusCode.ABORTED
    gone = await http.post(f"/sessions/{session['id']}/terminate")
    assert (gone.status, gone.content["failure"]["reason"]) == (404, "NOT_FOUND")


async def test_model_is_loaded_for_a_role_and_unloaded(controlled: ControlledServer, http: ControlHttp) -> None:
    answer = await http.post("/models/load", {"name": "tiny", "roles": ["ROLE_FINALS"]})
    assert answer.content["model"]["state"] == "MODEL_STATE_LOADING"
    while (await models(controlled.control))["tiny"].state != pb.MODEL_STATE_LOADED:
        pass
    assert await controlled.model_of_new_stream("word") == "tiny"
    in_use = await http.post("/models/unload", {"name": "tiny"})
    assert (in_use.status, in_use.content["failure"]["reason"]) == (409, "FAILED_PRECONDITION")
    listed = (await http.get("/models")).content["models"]
    assert {model["name"] for model in listed} == {"base", "tiny"}


async def test_server_drains_and_admits_streams_again(controlled: ControlledServer, http: ControlHttp) -> None:
    assert (await http.post("/drain")).content == {"state": "STATE_DRAINING", "streams": 0}
    assert (await http.post("/drain/cancel")).content["state"] == "STATE_SERVING"
    assert await controlled.model_of_new_stream("word") == "base"


@pytest.mark.parametrize("token", ["", "wrong", DATA_TOKEN], ids=["none", "wrong", "data"])
async def test_every_request_needs_a_token_of_control(protected: str, token: str) -> None:
    http = ControlHttp(protected, token)
    answers = [await http.get(path) for path in READS] + [await http.send(*change, "{}") for change in CHANGES]
    assert {answer.status for answer in answers} == {401}
    assert answers[0].message.startswith("A valid token is required")


async def test_token_of_control_is_accepted(protected: str) -> None:
    http = ControlHttp(protected, CONTROL_TOKEN)
    assert (await http.get("/status")).status == 200
    assert (await http.patch({"BEAM_SIZE": "4"})).status == 200
    async with http.events() as events:
        assert "status" in await anext(events)


async def test_control_beyond_loopback_is_closed_without_tokens() -> None:
    more = {"server_bind": "0.0.0.0", "allow_insecure": True}  # noqa: S104  (the setting that is tested)
    async with running_server(BeamRecordingEngine(), 1, more=more) as server:
        http = ControlHttp(f"127.0.0.1:{server.http.number}")
        for answer in (await http.get("/status"), await http.post("/drain")):
            assert (answer.status, answer.content["failure"]["reason"]) == (409, "FAILED_PRECONDITION")
            assert answer.message == "Control over HTTP needs CONTROL_TOKENS_FILE with SERVER_BIND=0.0.0.0."


@pytest.mark.parametrize(("method", "path"), CHANGES)
async def test_form_of_another_site_changes_nothing(http: ControlHttp, method: str, path: str) -> None:
    for kind in ("text/plain", "application/x-www-form-urlencoded", ""):
        answer = await http.send(method, path, "{}", {"Content-Type": kind})
        assert (answer.status, answer.message) == (415, f"Invalid Content-Type={kind!r}: must be application/json.")
    foreign = await http.send(method, path, "{}", {"Origin": "https://evil.example"})
    assert foreign.status == 403
    assert (await http.send("GET", path.replace("/settings", "/drain"))).status == 405


async def test_name_of_another_site_is_rejected(http: ControlHttp) -> None:
    assert (await http.get("/status", Host="evil.example")).status == 400
    assert (await http.get("/status", Origin=f"http://{http.address}")).status == 200


async def test_preflight_of_another_site_gets_no_permission(http: ControlHttp) -> None:
    headers = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    answer = await http.send("OPTIONS", "/drain", headers=headers)
    assert answer.status == 403
    assert "Access-Control-Allow-Origin" not in answer.headers


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("[", "Invalid body: must be a JSON object."),
        ("[]", "Invalid body: must be a JSON object."),
        ("[" * 60_000, "Invalid body: must be a JSON object."),
        ('{"name": 1}', "Invalid LoadModelRequest: "),
        ('{"size": "tiny"}', "Invalid LoadModelRequest: "),
        ('{"roles": ["ROLE_NONE"]}', "Invalid LoadModelRequest: "),
    ],
)
async def test_malformed_body_is_rejected(http: ControlHttp, body: str, message: str) -> None:
    answer = await http.send("POST", "/models/load", body)
    assert answer.status == 400
    assert answer.message.startswith(message)


async def test_body_over_the_limit_is_rejected(http: ControlHttp) -> None:
    assert (await http.send("POST", "/drain", " " * (MAX_BODY_BYTES + 1))).status == 413


async def test_unknown_path_and_method_have_the_shape_of_other_errors(http: ControlHttp) -> None:
    unknown, method = await http.get("/nothing"), await http.send("DELETE", "/settings")
    assert (unknown.status, unknown.content["failure"]["reason"]) == (404, "NOT_FOUND")
    assert (method.status, method.headers["Allow"]) == (405, "GET, HEAD, PATCH")


async def test_loading_server_reports_its_status_and_changes_nothing() -> None:
    ports = {"data_port": 0, "control_port": 0, "http_port": 0}
    server = Server(ServerSettings.model_validate(ports), ServerCredentials())
    await server.start()
    try:
        http = ControlHttp(server.http.address)
        assert (await http.get("/status")).content["status"]["state"] == "STATE_LOADING"
        assert (await http.get("/history")).content["history"]["timeS"] == []
        assert (await http.patch({"BEAM_SIZE": "1"})).status == 503
    finally:
        await server.drain()


async def test_surface_page_includes_control() -> None:
    async with running_server(BeamRecordingEngine(), 1, more={"http_surfaces": "metrics,openai"}) as server:
        assert (await ControlHttp(server.http.address).get("/status")).status == 404
