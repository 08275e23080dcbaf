"""What the commands for operators ask of Control, and the text that they print."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar, cast

from google.protobuf.message import Message
from stt.v1 import control_pb2 as pb

from stt_cli.control.connection import TIMEOUT_S, operating
from stt_cli.output.table import columns, count, span
from stt_client.errors import ServiceError
from stt_client.sanitize import to_json
from stt_client.target import Target
from stt_client.transport.channel import require_message
from stt_client.transport.message_values import UNKNOWN, name_of, seconds, to_json_object

POLL_S = 0.5  # while a model loads
ROLES = {
    "finals": (pb.ROLE_FINALS,),
    "partials": (pb.ROLE_PARTIALS,),
    "both": (pb.ROLE_FINALS, pb.ROLE_PARTIALS),
}
SCOPES = {
    pb.SCOPE_STREAM: "holds for new streams, and for an open one by its client",
    pb.SCOPE_NEW_STREAMS: "holds for new streams",
    pb.SCOPE_IMMEDIATE: "holds at once",
    pb.SCOPE_RESTART: "holds from a restart on",
}
Answer = TypeVar("Answer", bound=Message)


def settings(control: Target, names: Sequence[str], as_json: bool) -> str:
    """Return the settings of these names, all if there are none."""
    answer = asyncio.run(_ask(control, "GetConfig", pb.GetConfigRequest(), pb.GetConfigResponse))
    wanted = {name.upper() for name in names}
    if unknown := wanted - {each.name for each in answer.parameters}:
        raise ServiceError(f"{min(unknown)} is no setting of the server.", "NOT_FOUND")
    return _settings([each for each in answer.parameters if not wanted or each.name in wanted], as_json)


def change(control: Target, values: Mapping[str, str], as_json: bool) -> str:
    """Change settings; return them as they are in force then."""
    request = pb.UpdateConfigRequest(values=values)
    answer = asyncio.run(_ask(control, "UpdateConfig", request, pb.UpdateConfigResponse))
    return _settings([each for each in answer.parameters if each.name in values], as_json)


def sessions(control: Target, as_json: bool) -> str:
    answer = asyncio.run(_ask(control, "ListSessions", pb.ListSessionsRequest(), pb.ListSessionsResponse))
    if as_json:
        return as_objects(answer.sessions)
    if not answer.sessions:
        return "No stream is open."
    return "\n".join(columns(session_rows(answer.sessions)))


def finalize(control: Target, session_id: str) -> str:
    request = pb.FinalizeSessionRequest(session_id=session_id)
    asyncio.run(_ask(control, "FinalizeSession", request, pb.FinalizeSessionResponse))
    return f"{session_id}: the open utterance, if there was one, is ended."


def terminate(control: Target, session_id: str) -> str:
    request = pb.TerminateSessionRequest(session_id=session_id)
    asyncio.run(_ask(control, "TerminateSession", request, pb.TerminateSessionResponse))
    return f"{session_id}: ends once its client has what it is owed."


def models(control: Target, as_json: bool) -> str:
    answer = asyncio.run(_ask(control, "ListModels", pb.ListModelsRequest(), pb.ListModelsResponse))
    return as_objects(answer.models) if as_json else "\n".join(columns(model_rows(answer.models)))


def load(control: Target, name: str, purpose: str) -> str:
    """Have new streams get the model; return once they do.

    Raises:
        ServiceError: it does not load.
    """
    model = asyncio.run(_load(control, pb.LoadModelRequest(name=name, roles=ROLES[purpose])))
    if model.state != pb.MODEL_STATE_LOADED:
        raise ServiceError(model.reason or f"{name} is not there any more.", "FAILED_PRECONDITION")
    return f"{name} is loaded: new streams get it for {_roles(model)}."


def unload(control: Target, name: str) -> str:
    answer = asyncio.run(_ask(control, "UnloadModel", pb.UnloadModelRequest(name=name), pb.UnloadModelResponse))
    users = answer.model.streams
    return f"{name} is unloaded" + (f" once the {count(users, 'stream')} that have it end." if users else ".")


def drain(control: Target, cancel: bool) -> str:
    if cancel:
        asyncio.run(_ask(control, "CancelDrain", pb.CancelDrainRequest(), pb.CancelDrainResponse))
        return "serving: streams are admitted again."
    answer = asyncio.run(_ask(control, "Drain", pb.DrainRequest(), pb.DrainResponse))
    return f"draining: {count(answer.streams, 'stream')} still open, no more are admitted."


async def _ask(control: Target, call: str, request: Message, kind: type[Answer]) -> Answer:
    async with operating(control) as (stub, metadata):
        answer = await getattr(stub, call)(request, timeout=TIMEOUT_S, metadata=metadata)
        return require_message(cast("Answer | None", answer), str(control))


async def _load(control: Target, request: pb.LoadModelRequest) -> pb.Model:
    async with operating(control) as (stub, metadata):
        begun = await stub.LoadModel(request, timeout=TIMEOUT_S, metadata=metadata)
        model = require_message(begun, str(control)).model
        while model.state == pb.MODEL_STATE_LOADING:
            await asyncio.sleep(POLL_S)
            listed = await stub.ListModels(pb.ListModelsRequest(), timeout=TIMEOUT_S, metadata=metadata)
            model = next(
                (each for each in require_message(listed, str(control)).models if each.name == request.name), pb.Model()
            )
        return cast("pb.Model", model)


def as_objects(messages: Iterable[Message]) -> str:
    """Return messages as a list in protobuf's JSON, fields at their defaults included."""
    return to_json([to_json_object(message) for message in messages], indent=2)


def _settings(parameters: Sequence[pb.Parameter], as_json: bool) -> str:
    return as_objects(parameters) if as_json else settings_table(parameters)


def settings_table(parameters: Iterable[pb.Parameter]) -> str:
    """Return lines that could stand in an `.env`, each with the valid values behind a #."""
    rows = [(f"{each.name}={each.value}", f"# {_accepted(each)}; {_scope(each)}") for each in parameters]
    return "\n".join(columns(rows))


def _scope(parameter: pb.Parameter) -> str:
    return SCOPES.get(parameter.scope, f"it is {UNKNOWN} to this client when a change holds")


def _accepted(parameter: pb.Parameter) -> str:
    return f"{parameter.allowed_values} {parameter.unit}".rstrip()


def session_rows(sessions: Iterable[pb.Session]) -> list[tuple[str, ...]]:
    """Return a heading and a row for each session."""
    heading = ("ID", "CLIENT", "PEER", "AGE", "HEARD", "PHASE", "LAG", "UTTERANCES", "WORDS", "LANGUAGE", "MODEL")
    return [heading, *map(_session_row, sessions)]


def _session_row(session: pb.Session) -> tuple[str, ...]:
    return (
        session.id,
        session.client_id or "-",
        session.peer,
        span(session.age),
        span(session.audio_received),
        name_of(pb.SessionPhase, session.phase, "SESSION_PHASE_"),
        f"{seconds(session.oldest_decode_wait):.1f} s",
        str(session.utterances),
        str(session.words),
        session.language,
        session.model,
    )


def model_rows(models: Iterable[pb.Model]) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [("NAME", "STATE", "NEW STREAMS USE IT FOR", "STREAMS", "COMPUTES IN", "")]
    for model in models:
        state = name_of(pb.ModelState, model.state, "MODEL_STATE_")
        cells = (_roles(model) or "-", str(model.streams), model.compute_type or "-", model.reason)
        rows.append((model.name, state, *cells))
    return rows


def _roles(model: pb.Model) -> str:
    return " and ".join(name_of(pb.Role, role, "ROLE_") for role in model.roles)
