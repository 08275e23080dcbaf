"""The operations of an operator, independent of the protocol. control.proto documents them.

Adapters (gRPC, HTTP) translate requests and responses. Each method takes the request of control.proto, answers at once
and raises an SttError if the operation is not possible. Longer operations continue after the response.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import AsyncGenerator
from contextlib import suppress
from time import monotonic

from stt.v1 import control_pb2 as pb

from stt_service.access.admission import AdmissionControl
from stt_service.control import convert, history
from stt_service.control.status import STATES, StatusReporter
from stt_service.errors import InvalidRequestError
from stt_service.models.startup import LoadedServer
from stt_service.recognition.stream_registry import ActiveStream, StreamRegistry
from stt_service.settings.runtime import ActiveSettings, InvalidSettingsError
from stt_service.settings.schema import ServerSettings
from stt_service.vad.types import Endpoint

log = logging.getLogger(__name__)
STATUS_AGE_S = 0.1  # of a status shared by WatchStatus calls: half of the shortest interval


class ControlService:
    """Reports and changes the state of the server."""

    def __init__(
        self,
        config: ActiveSettings,
        admission: AdmissionControl[LoadedServer],
        streams: StreamRegistry,
        reporter: StatusReporter,
    ) -> None:
        self._config, self._admission, self._streams, self._reporter = config, admission, streams, reporter
        self._shared, self._shared_s = pb.Status(), -math.inf
        self._watches_ended = asyncio.Event()
        self.history = history.History()

    async def get_status(self, _request: pb.GetStatusRequest) -> pb.GetStatusResponse:
        return pb.GetStatusResponse(status=self._reporter.status())

    async def watch_status(self, request: pb.WatchStatusRequest) -> AsyncGenerator[pb.WatchStatusResponse]:
        """Yield the status at the interval of the request, until canceled or until `end_watches`."""
        interval_s = convert.interval_s(request)
        while not self._watches_ended.is_set():
            yield pb.WatchStatusResponse(status=self._shared_status())
            with suppress(TimeoutError):
                async with asyncio.timeout(interval_s):
                    await self._watches_ended.wait()

    def end_watches(self) -> None:
        """End all watches, because the server stops."""
        self._watches_ended.set()

    async def get_history(self, request: pb.GetHistoryRequest) -> pb.GetHistoryResponse:
        return pb.GetHistoryResponse(history=history.message(self.history.after(request.after_s)))

    async def get_config(self, _request: pb.GetConfigRequest) -> pb.GetConfigResponse:
        return pb.GetConfigResponse(parameters=convert.parameters(self._config.settings))

    async def update_config(self, request: pb.UpdateConfigRequest) -> pb.UpdateConfigResponse:
        loaded = self._admission.require_loaded()
        changed = self._config.with_changes(request.values)
        _check_language(loaded, changed)
        self._config.settings = changed
        logging.getLogger().setLevel(changed.log_level.upper())
        await self._admission.resize(loaded.max_streams(changed))
        if request.values:
            log.info("settings changed names=%s", ",".join(sorted(request.values)).upper())
        return pb.UpdateConfigResponse(parameters=convert.parameters(changed))

    async def list_models(self, _request: pb.ListModelsRequest) -> pb.ListModelsResponse:
        return pb.ListModelsResponse(
            models=[convert.model(entry) for entry in self._admission.require_loaded().registry]
        )

    async def load_model(self, request: pb.LoadModelRequest) -> pb.LoadModelResponse:
        entry = self._admission.require_loaded().registry.load(request.name, convert.roles(request.roles))
        log.info("model load requested name=%s", entry.name)
        return pb.LoadModelResponse(model=convert.model(entry))

    async def unload_model(self, request: pb.UnloadModelRequest) -> pb.UnloadModelResponse:
        entry = self._admission.require_loaded().registry.unload(request.name)
        log.info("model unload requested name=%s", entry.name)
        return pb.UnloadModelResponse(model=convert.model(entry))

    async def list_sessions(self, _request: pb.ListSessionsRequest) -> pb.ListSessionsResponse:
        return pb.ListSessionsResponse(sessions=self._sessions(*self._streams))

    async def finalize_session(self, request: pb.FinalizeSessionRequest) -> pb.FinalizeSessionResponse:
        stream = self._streams.find(request.session_id)
        stream.recognizer.finalize_now(Endpoint.FINALIZE)
        log.info("stream finalized by operator id=%s", stream.id)
        return pb.FinalizeSessionResponse(session=self._sessions(stream)[0])

    async def terminate_session(self, request: pb.TerminateSessionRequest) -> pb.TerminateSessionResponse:
        stream = self._streams.find(request.session_id)
        stream.terminated.set()
        log.info("stream terminated by operator id=%s", stream.id)
        return pb.TerminateSessionResponse(session=self._sessions(stream)[0])

    async def drain(self, _request: pb.DrainRequest) -> pb.DrainResponse:
        self._admission.require_loaded()
        await self._admission.drain()
        log.info("drain started streams=%d", self._admission.streams)
        return pb.DrainResponse(state=STATES[self._admission.state], streams=self._admission.streams)

    async def cancel_drain(self, _request: pb.CancelDrainRequest) -> pb.CancelDrainResponse:
        self._admission.require_loaded()
        await self._admission.cancel_drain()
        log.info("drain canceled")
        return pb.CancelDrainResponse(state=STATES[self._admission.state], streams=self._admission.streams)

    def _shared_status(self) -> pb.Status:
        """Return a status shared by all watches: it is made at most every STATUS_AGE_S."""
        now_s = monotonic()
        if now_s - self._shared_s >= STATUS_AGE_S:
            self._shared_s, self._shared = now_s, self._reporter.status()
        return self._shared

    def _sessions(self, *streams: ActiveStream) -> list[pb.Session]:
        waits = loaded.executor.queue_snapshot().longest_by_stream_s if (loaded := self._admission.loaded) else {}
        return [convert.session(stream, waits.get(stream.id, 0.0)) for stream in streams]


def _check_language(loaded: LoadedServer, settings: ServerSettings) -> None:
    try:
        loaded.registry.pair.check_language(settings.language)
    except InvalidRequestError as error:
        raise InvalidSettingsError({"LANGUAGE": str(error)}) from error
