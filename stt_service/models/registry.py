"""The models of a server, and which of them new streams use.

States. An entry is LOADING (its weights are downloaded and tested if needed), then LOADED, or FAILED with a reason.
`unload` makes a LOADED entry UNLOADING until its last lease ends, then it is removed; it removes a LOADING or FAILED
entry at once and cancels the load. `load` makes an UNLOADING entry LOADED again.

Invariants. Each role (finals, partials) belongs to exactly one loaded entry, which cannot be unloaded. A stream uses
the models of its lease until it ends, whatever happens to the registry. One model is loaded at a time, because two
may exceed the memory. At most MAX_FAILED failed entries are listed. All state belongs to the event loop; `run` loads
and unloads in the background until canceled.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator, Set
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum, auto
from pathlib import Path
from typing import Protocol

from stt_service.errors import FailedPreconditionError, InvalidRequestError, NotFoundError, SttError
from stt_service.models.background import in_thread
from stt_service.models.loader import LoadedModels, ModelNames
from stt_service.scheduling.executor import BatchExecutor, ModelPair
from stt_service.scheduling.types import ExecutorModel
from stt_service.settings.schema import AUTO
from stt_service.whisper.engine import Engine

log = logging.getLogger(__name__)

MAX_NAME = 200  # characters
MAX_FAILED = 16  # models that did not load are listed, the latest ones


class ModelLoader(Protocol):
    """Loads a model in two steps."""

    async def check(self, name: str) -> Path:
        """Return the folder of a model that passed a trial load in another process. Can be canceled."""

    def open(self, name: str, folder: Path) -> Engine:
        """Load a checked model. Blocks, and cannot be canceled."""


class Role(Enum):
    """The use of a model by new streams."""

    FINALS = auto()
    PARTIALS = auto()


BOTH = frozenset(Role)


class ModelState(Enum):
    """State of a model; the module's docstring has the transitions."""

    LOADING = auto()  # its weights are downloaded if needed
    LOADED = auto()
    UNLOADING = auto()  # until the streams that use it have ended
    FAILED = auto()  # it did not load; the entry has the reason


@dataclass(slots=True, eq=False)
class ModelEntry:
    """A model by its name, loaded or not."""

    name: str
    state: ModelState
    roles: Set[Role] = frozenset()  # while it loads: those that it gets
    reason: str = ""
    leases: int = 0  # streams and recordings that use it
    engine: Engine | None = field(default=None, repr=False)
    model: ExecutorModel | None = field(default=None, repr=False)
    checking: asyncio.Task[Path] | None = field(default=None, repr=False)

    @property
    def compute_type(self) -> str:
        """The type in which the model computes; empty until it is loaded."""
        return self.engine.compute_type if self.engine else ""


@dataclass(frozen=True, slots=True)
class ModelLease:
    """The models of a stream, from its start to its end."""

    names: ModelNames
    pair: ModelPair


class ModelRegistry:
    """The models of a server. One is loaded at a time, in addition to those in use."""

    def __init__(
        self, models: LoadedModels, executor: BatchExecutor, loader: ModelLoader, language: Callable[[], str]
    ) -> None:
        """`language` returns the default language of streams, which a model of finals must support."""
        self._executor, self._loader, self._language, self._slots = executor, loader, language, models.plan.slots
        self._entries: dict[str, ModelEntry] = {}
        self._roles: dict[Role, ModelEntry] = {}
        self._load_requested, self._unload_possible = asyncio.Event(), asyncio.Event()
        for name, engine, role in (
            (models.names.finals, models.finals, Role.FINALS),
            (models.names.partials, models.partials, Role.PARTIALS),
        ):
            entry = self._entries.setdefault(name, ModelEntry(name, ModelState.LOADING))
            if entry.model is None:
                self._register(entry, engine)
            self._assign_role(entry, {role})

    def __iter__(self) -> Iterator[ModelEntry]:
        return iter(tuple(self._entries.values()))

    @property
    def names(self) -> ModelNames:
        """The names of the models of new streams."""
        return ModelNames(self._roles[Role.FINALS].name, self._roles[Role.PARTIALS].name)

    @property
    def pair(self) -> ModelPair:
        """The models of new streams."""
        return self._pair(self._roles[Role.FINALS], self._roles[Role.PARTIALS])

    @contextmanager
    def lease(self) -> Iterator[ModelLease]:
        """Lease the current models for the length of a stream."""
        finals, partials = self._roles[Role.FINALS], self._roles[Role.PARTIALS]
        used = {finals, partials}
        for entry in used:
            entry.leases += 1
        try:
            yield ModelLease(ModelNames(finals.name, partials.name), self._pair(finals, partials))
        finally:
            for entry in used:
                entry.leases -= 1
            self._unload_possible.set()

    def load(self, name: str, roles: Set[Role]) -> ModelEntry:
        """Assign these roles to the model: immediately if it is loaded, else after loading it.

        Raises:
            InvalidRequestError: the name is invalid.
            FailedPreconditionError: another model is being loaded, or it does not support the current LANGUAGE.
        """
        entry = self._entries.get(name)
        if entry is None or entry.state is ModelState.FAILED:
            return self._request_load(name, roles)
        if entry.state is ModelState.LOADING:
            entry.roles |= roles
            return entry
        self._assign_role(entry, roles)
        entry.state = ModelState.LOADED
        return entry

    def unload(self, name: str) -> ModelEntry:
        """Unload the model once no stream uses it; cancel it if it is loading; remove it if it failed.

        Raises:
            NotFoundError: there is no such model.
            FailedPreconditionError: it has a role, so new streams need it.
        """
        entry = self._entries.get(name)
        if entry is None:
            raise NotFoundError(f"Invalid name={name[:MAX_NAME]!r}: must be a loaded model, see ListModels.")
        if entry.state in (ModelState.LOADING, ModelState.FAILED):
            return self._remove(entry)
        if entry.roles:
            roles = " and ".join(_role_names(entry.roles))
            raise FailedPreconditionError(
                f"{name} is the model of new streams for {roles}: load another one for that first."
            )
        entry.state = ModelState.UNLOADING
        self._unload_possible.set()
        return entry

    def _remove(self, entry: ModelEntry) -> ModelEntry:
        """Remove a model without an engine, and cancel its load."""
        del self._entries[entry.name]
        entry.state, entry.roles = ModelState.UNLOADING, frozenset()
        if entry.checking is not None:
            entry.checking.cancel()
        return entry

    async def run(self) -> None:
        """Load requested models and unload unused ones, until canceled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._run_loads())
            tasks.create_task(self._run_unloads())

    async def _run_loads(self) -> None:
        while True:
            await self._load_requested.wait()
            self._load_requested.clear()
            while entry := self._first_unused(ModelState.LOADING):
                await self._load_entry(entry)

    async def _load_entry(self, entry: ModelEntry) -> None:
        try:
            folder = await self._check_folder(entry)
            if entry.state is not ModelState.LOADING:
                log.info("model load canceled name=%s", entry.name)
                return
            engine = await in_thread(lambda: self._loader.open(entry.name, folder))
            await self._activate(entry, engine)
        except Exception as error:  # reported by ListModels; the server continues with its current models
            self._record_failure(entry, error)

    async def _check_folder(self, entry: ModelEntry) -> Path:
        """Return the model's folder; an arbitrary one if its load was canceled."""
        entry.checking = asyncio.create_task(self._loader.check(entry.name))
        try:
            await asyncio.wait([entry.checking])
            return Path() if entry.checking.cancelled() else entry.checking.result()
        finally:  # it is done, unless the server shuts down
            entry.checking.cancel()
            await asyncio.wait([entry.checking])

    async def _activate(self, entry: ModelEntry, engine: Engine) -> None:
        """Assign the model its roles, unless its load was canceled meanwhile."""
        try:
            if entry.state is ModelState.LOADING:
                self._register(entry, engine)
                self._assign_role(entry, entry.roles)
                log.info("model loaded name=%s roles=%s", entry.name, ",".join(_role_names(entry.roles)))
                return
        except FailedPreconditionError as error:
            entry.engine = entry.model = None
            self._record_failure(entry, error)
        await in_thread(engine.close)

    def _record_failure(self, entry: ModelEntry, error: Exception) -> None:
        if self._entries.get(entry.name) is not entry:  # its load was canceled
            return
        reason = str(error) if isinstance(error, SttError) else f"{entry.name} does not load: {error!r}"
        log.warning("model load failed name=%s reason=%s", entry.name, reason)
        del self._entries[entry.name]  # inserted again below, as the latest
        self._entries[entry.name] = ModelEntry(entry.name, ModelState.FAILED, reason=reason)
        failed = [other for other in self if other.state is ModelState.FAILED]
        for other in failed[:-MAX_FAILED]:
            del self._entries[other.name]

    async def _run_unloads(self) -> None:
        while True:
            await self._unload_possible.wait()
            self._unload_possible.clear()
            # Searched again each time: the entries can change while one is unloaded.
            while entry := self._first_unused(ModelState.UNLOADING):
                del self._entries[entry.name]
                assert entry.engine is not None
                await in_thread(entry.engine.close)
                log.info("model unloaded name=%s", entry.name)

    def _first_unused(self, state: ModelState) -> ModelEntry | None:
        """Return the first model in this state that no stream uses."""
        return next((entry for entry in self if entry.state is state and not entry.leases), None)

    def _request_load(self, name: str, roles: Set[Role]) -> ModelEntry:
        if not 0 < len(name) <= MAX_NAME or not name.isprintable():
            raise InvalidRequestError(
                f"Invalid name of {len(name)} characters: must be the name of a model, such as tiny or base."
            )
        for other in self:
            if other.state is ModelState.LOADING:
                raise FailedPreconditionError(
                    f"{other.name} is being loaded, and only one model loads at a time: retry after that."
                )
        entry = self._entries[name] = ModelEntry(name, ModelState.LOADING, roles)
        self._load_requested.set()
        return entry

    def _register(self, entry: ModelEntry, engine: Engine) -> None:
        entry.engine = engine
        entry.model = ExecutorModel(engine.transcribe, self._slots, engine.multilingual)
        entry.state = ModelState.LOADED

    def _assign_role(self, entry: ModelEntry, roles: Set[Role]) -> None:
        """Assign these roles to the model and remove them from the model that has them."""
        assert entry.model is not None
        if Role.FINALS in roles and not entry.model.multilingual and self._language() not in ("en", AUTO):
            raise FailedPreconditionError(
                f"{entry.name} supports English only, but LANGUAGE is {self._language()}: change LANGUAGE first."
            )
        for role in roles:
            if role in self._roles and self._roles[role] is not entry:
                self._roles[role].roles -= {role}
            self._roles[role] = entry
            entry.roles |= {role}

    def _pair(self, finals: ModelEntry, partials: ModelEntry) -> ModelPair:
        assert finals.model is not None
        assert partials.model is not None
        return ModelPair(self._executor, finals.model, partials.model)


def _role_names(roles: Set[Role]) -> list[str]:
    return [role.name.lower() for role in Role if role in roles]
