"""Calls to the Control service of a server, with their results as text."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TypeVar, cast

import grpc.aio
from google.protobuf.message import Message
from stt.v1 import control_pb2 as pb
from stt.v1 import control_pb2_grpc

from stt_cli.control.tables import align_columns, model_rows, pluralize, role_names, session_rows, settings_table
from stt_client.errors import ServiceError
from stt_client.sanitize import to_json
from stt_client.target import Target
from stt_client.transport.channel import metadata, open_channel, require_message, to_service_error
from stt_client.transport.message_values import to_json_object

CALL_TIMEOUT_S = 5.0
LOAD_POLL_S = 0.5  # between two ListModels calls while a model is loading
ROLES = {
    "finals": (pb.ROLE_FINALS,),
    "partials": (pb.ROLE_PARTIALS,),
    "both": (pb.ROLE_FINALS, pb.ROLE_PARTIALS),
}
Response = TypeVar("Response", bound=Message)
ControlStub = control_pb2_grpc.ControlStub
_create_stub: Callable[[grpc.aio.Channel], ControlStub] = ControlStub


@asynccontextmanager
async def connect_control(target: Target) -> AsyncIterator[tuple[ControlStub, tuple[tuple[str, str], ...]]]:
    """Yield a stub for Control at the target's first address, and the metadata of each call.

    Raises:
        ServiceError: Control cannot be reached, or a call fails.
    """
    address = target.addresses[0]
    async with open_channel(target, address) as channel:
        try:
            yield _create_stub(channel), metadata(target)
        except grpc.aio.AioRpcError as error:
            raise to_service_error(error, address) from error


def get_settings(control: Target, names: Sequence[str], as_json: bool) -> str:
    """Return the settings with these names; all settings if there are no names."""
    response = asyncio.run(_call(control, "GetConfig", pb.GetConfigRequest(), pb.GetConfigResponse))
    selected = {name.upper() for name in names}
    if unknown := selected - {each.name for each in response.parameters}:
        raise ServiceError(f"the server has no setting {min(unknown)}.", "NOT_FOUND")
    return _format_settings([each for each in response.parameters if not selected or each.name in selected], as_json)


def set_settings(control: Target, values: Mapping[str, str], as_json: bool) -> str:
    """Change settings; return their new values."""
    request = pb.UpdateConfigRequest(values=values)
    response = asyncio.run(_call(control, "UpdateConfig", request, pb.UpdateConfigResponse))
    return _format_settings([each for each in response.parameters if each.name in values], as_json)


def list_sessions(control: Target, as_json: bool) -> str:
    response = asyncio.run(_call(control, "ListSessions", pb.ListSessionsRequest(), pb.ListSessionsResponse))
    if as_json:
        return to_json_array(response.sessions)
    if not response.sessions:
        return "No open streams."
    return "\n".join(align_columns(session_rows(response.sessions)))


def finalize_session(control: Target, session_id: str) -> str:
    request = pb.FinalizeSessionRequest(session_id=session_id)
    asyncio.run(_call(control, "FinalizeSession", request, pb.FinalizeSessionResponse))
    return f"{session_id}: finalized the open utterance, if any."


def terminate_session(control: Target, session_id: str) -> str:
    request = pb.TerminateSessionRequest(session_id=session_id)
    asyncio.run(_call(control, "TerminateSession", request, pb.TerminateSessionResponse))
    return f"{session_id}: terminating after its pending finals."


def list_models(control: Target, as_json: bool) -> str:
    response = asyncio.run(_call(control, "ListModels", pb.ListModelsRequest(), pb.ListModelsResponse))
    return to_json_array(response.models) if as_json else "\n".join(align_columns(model_rows(response.models)))


def load_model(control: Target, name: str, role: str) -> str:
    """Load the model; return when new streams use it.

    Raises:
        ServiceError: The model cannot be loaded.
    """
    model = asyncio.run(_load(control, pb.LoadModelRequest(name=name, roles=ROLES[role])))
    if model.state != pb.MODEL_STATE_LOADED:
        raise ServiceError(model.reason or f"{name} is no longer listed.", "FAILED_PRECONDITION")
    return f"{name} is loaded: new streams use it for {role_names(model)}."


def unload_model(control: Target, name: str) -> str:
    response = asyncio.run(_call(control, "UnloadModel", pb.UnloadModelRequest(name=name), pb.UnloadModelResponse))
    streams = response.model.streams
    return f"{name} is unloading: still used by {pluralize(streams, 'stream')}." if streams else f"{name} is unloaded."


def drain(control: Target, cancel: bool) -> str:
    if cancel:
        asyncio.run(_call(control, "CancelDrain", pb.CancelDrainRequest(), pb.CancelDrainResponse))
        return "serving: new streams are accepted."
    response = asyncio.run(_call(control, "Drain", pb.DrainRequest(), pb.DrainResponse))
    return f"draining: {pluralize(response.streams, 'stream')} open, new streams are rejected."


async def _call(control: Target, method: str, request: Message, response_type: type[Response]) -> Response:
    async with connect_control(control) as (stub, call_metadata):
        response = await getattr(stub, method)(request, timeout=CALL_TIMEOUT_S, metadata=call_metadata)
        return require_message(cast("Response | None", response), str(control))


async def _load(control: Target, request: pb.LoadModelRequest) -> pb.Model:
    async with connect_control(control) as (stub, call_metadata):
        response = await stub.LoadModel(request, timeout=CALL_TIMEOUT_S, metadata=call_metadata)
        model = require_message(response, str(control)).model
        while model.state == pb.MODEL_STATE_LOADING:
            await asyncio.sleep(LOAD_POLL_S)
            listing = await stub.ListModels(pb.ListModelsRequest(), timeout=CALL_TIMEOUT_S, metadata=call_metadata)
            model = next(
                (each for each in require_message(listing, str(control)).models if each.name == request.name),
                pb.Model(),
            )
        return cast("pb.Model", model)


def to_json_array(messages: Iterable[Message]) -> str:
    """Return the messages as an array in protobuf's JSON, with fields at their defaults."""
    return to_json([to_json_object(message) for message in messages], indent=2)


def _format_settings(settings: Sequence[pb.Parameter], as_json: bool) -> str:
    return to_json_array(settings) if as_json else settings_table(settings)
