"""The models that are loaded, and which of them new streams get.

A stream keeps what it was lent until it ends, whatever becomes of the model meanwhile.
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
from stt_service.scheduling.executor import BatchExecutor, ExecutorModel, ModelPair
from stt_service.settings.schema import AUTO
from stt_service.whisper.engine import Engine

log = logging.getLogger(__name__)

MAX_NAME = 200  # characters
MAX_FAILED = 16  # models that did not load are listed, the latest ones


class Loader(Protocol):
    """Loads a model in two steps."""

    async def check(self, name: str) -> Path:
        """Return the folder of a model that was tried where it harms nothing. Can be cancelled."""

    def open(self, name: str, folder: Path) -> Engine:
        """Load the model that was checked. Blocks, and cannot be cancelled."""


class Role(Enum):
    """What new streams use a model for."""

    FINALS = auto()
    PARTIALS = auto()


BOTH = frozenset(Role)


class State(Enum):
    """What becomes of a model."""

    LOADING = auto()  # its weights are fetched if need be
    LOADED = auto()
    UNLOADING = auto()  # once the streams that have it end
    FAILED = auto()  # to load: the reason says why


@dataclass(slots=True, eq=False)
class ModelEntry:
    """A model by its name, loaded or not."""

    name: str
    state: State
    roles: Set[Role] = frozenset()  # while it loads: that it shall have
    reason: str = ""
    users: int = 0  # streams that have it, and recordings
    engine: Engine | None = field(default=None, repr=False)
    model: ExecutorModel | None = field(default=None, repr=False)
    checking: asyncio.Task[Path] | None = field(default=None, repr=False)

    @property
    def compute_type(self) -> str:
        """What it really computes in; empty until it is loaded."""
        return self.engine.compute_type if self.engine else ""


@dataclass(frozen=True, slots=True)
class ModelLease:
    """The models that a stream has from its beginning to its end."""

    names: ModelNames
    decoding: ModelPair


class ModelRegistry:
    """The models of a server. One is loaded at a time, beside those that are in use."""

    def __init__(self, models: LoadedModels, lane: BatchExecutor, loader: Loader, language: Callable[[], str]) -> None:
        """`language` tells what streams speak unless they say otherwise: a model of finals has to know it."""
        self._lane, self._loader, self._language, self._places = lane, loader, language, models.plan.places
        self._shelved: dict[str, ModelEntry] = {}
        self._roles: dict[Role, ModelEntry] = {}
        self._wanted, self._unwanted = asyncio.Event(), asyncio.Event()
        for name, engine, role in (
            (models.names.finals, models.finals, Role.FINALS),
            (models.names.partials, models.partials, Role.PARTIALS),
        ):
            shelved = self._shelved.setdefault(name, ModelEntry(name, State.LOADING))
            if shelved.model is None:
                self._register(shelved, engine)
            self._assign_role(shelved, {role})

    def __iter__(self) -> Iterator[ModelEntry]:
        return iter(tuple(self._shelved.values()))

    @property
    def names(self) -> ModelNames:
        """What new streams get."""
        return ModelNames(self._roles[Role.FINALS].name, self._roles[Role.PARTIALS].name)

    @property
    def decoding(self) -> ModelPair:
        """What new streams decode with."""
        return self._decoding(self._roles[Role.FINALS], self._roles[Role.PARTIALS])

    @contextmanager
    def lease(self) -> Iterator[ModelLease]:
        """Lend the models of today for the length of a stream."""
        finals, partials = self._roles[Role.FINALS], self._roles[Role.PARTIALS]
        used = {finals, partials}
        for shelved in used:
            shelved.users += 1
        try:
            yield ModelLease(ModelNames(finals.name, partials.name), self._decoding(finals, partials))
        finally:
            for shelved in used:
                shelved.users -= 1
            self._unwanted.set()

    def load(self, name: str, roles: Set[Role]) -> ModelEntry:
        """Give new streams the model for these roles: at once if it is there, else once it is loaded.

        Raises:
            InvalidRequest: the name will not do.
            Untimely: another one is being loaded, or it does not know the language of the settings.
        """
        shelved = self._shelved.get(name)
        if shelved is None or shelved.state is State.FAILED:
            return self._request_load(name, roles)
        if shelved.state is State.LOADING:
            shelved.roles |= roles
            return shelved
        self._assign_role(shelved, roles)
        shelved.state = State.LOADED
        return shelved

    def unload(self, name: str) -> ModelEntry:
        """Free the model once no stream has it any more; cancel its loading; forget that it failed.

        Raises:
            Unknown: there is no such model.
            Untimely: new streams need it.
        """
        shelved = self._shelved.get(name)
        if shelved is None:
            raise NotFoundError(f"name={name[:MAX_NAME]!r} is no model that is loaded: see ListModels.")
        if shelved.state in (State.LOADING, State.FAILED):
            return self._drop(shelved)
        if shelved.roles:
            raise FailedPreconditionError(
                f"{name} is what new streams get for {_told(shelved.roles)}: load another for that first."
            )
        shelved.state = State.UNLOADING
        self._unwanted.set()
        return shelved

    def _drop(self, shelved: ModelEntry) -> ModelEntry:
        """Take a model off the list that has no engine yet, and stop what is done to load it."""
        del self._shelved[shelved.name]
        shelved.state, shelved.roles = State.UNLOADING, frozenset()
        if shelved.checking is not None:
            shelved.checking.cancel()
        return shelved

    async def run(self) -> None:
        """Load what is wanted and free what is not, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._load_wanted())
            tasks.create_task(self._free_unwanted())

    async def _load_wanted(self) -> None:
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            while shelved := self._first(State.LOADING):
                await self._load_entry(shelved)

    async def _load_entry(self, shelved: ModelEntry) -> None:
        try:
            folder = await self._checked(shelved)
            if shelved.state is not State.LOADING:
                log.info("loading of model %s cancelled", shelved.name)
                return
            engine = await in_thread(lambda: self._loader.open(shelved.name, folder))
            await self._offer(shelved, engine)
        except Exception as error:  # told by ListModels; the server serves on with what it has
            self._failed(shelved, error)

    async def _checked(self, shelved: ModelEntry) -> Path:
        """Return the model's folder, or any once its loading was cancelled."""
        shelved.checking = asyncio.create_task(self._loader.check(shelved.name))
        try:
            await asyncio.wait([shelved.checking])
            return Path() if shelved.checking.cancelled() else shelved.checking.result()
        finally:  # it is done, unless the server ends
            shelved.checking.cancel()
            await asyncio.wait([shelved.checking])

    async def _offer(self, shelved: ModelEntry, engine: Engine) -> None:
        """Give new streams the model, unless its loading was cancelled meanwhile."""
        try:
            if shelved.state is State.LOADING:
                self._register(shelved, engine)
                self._assign_role(shelved, shelved.roles)
                log.info("model %s loaded for %s", shelved.name, _told(shelved.roles))
                return
        except FailedPreconditionError as error:
            shelved.engine = shelved.model = None
            self._failed(shelved, error)
        await in_thread(engine.close)

    def _failed(self, shelved: ModelEntry, error: Exception) -> None:
        if self._shelved.get(shelved.name) is not shelved:  # its loading was cancelled
            return
        reason = str(error) if isinstance(error, SttError) else f"{shelved.name} does not load: {error!r}"
        log.warning("model %s not loaded: %s", shelved.name, reason)
        del self._shelved[shelved.name]  # to be the latest
        self._shelved[shelved.name] = ModelEntry(shelved.name, State.FAILED, reason=reason)
        failed = [other for other in self if other.state is State.FAILED]
        for other in failed[:-MAX_FAILED]:
            del self._shelved[other.name]

    async def _free_unwanted(self) -> None:
        while True:
            await self._unwanted.wait()
            self._unwanted.clear()
            # Looked for afresh each time: while one is freed, others come and go.
            while shelved := self._first(State.UNLOADING):
                del self._shelved[shelved.name]
                assert shelved.engine is not None
                await in_thread(shelved.engine.close)
                log.info("model %s unloaded", shelved.name)

    def _first(self, state: State) -> ModelEntry | None:
        """Return the first model in that state that no stream has."""
        return next((shelved for shelved in self if shelved.state is state and not shelved.users), None)

    def _request_load(self, name: str, roles: Set[Role]) -> ModelEntry:
        if not 0 < len(name) <= MAX_NAME or not name.isprintable():
            raise InvalidRequestError(f"Invalid name of {len(name)} characters: must be a model's, as tiny or base.")
        for other in self:
            if other.state is State.LOADING:
                raise FailedPreconditionError(f"{other.name} is being loaded: one at a time, ask again once it is.")
        shelved = self._shelved[name] = ModelEntry(name, State.LOADING, roles)
        self._wanted.set()
        return shelved

    def _register(self, shelved: ModelEntry, engine: Engine) -> None:
        shelved.engine = engine
        shelved.model = ExecutorModel(engine.transcribe, self._places, engine.multilingual)
        shelved.state = State.LOADED

    def _assign_role(self, shelved: ModelEntry, roles: Set[Role]) -> None:
        """Let new streams have the model for these roles, in the place of another one."""
        assert shelved.model is not None
        if Role.FINALS in roles and not shelved.model.multilingual and self._language() not in ("en", AUTO):
            raise FailedPreconditionError(
                f"{shelved.name} knows English only and LANGUAGE is {self._language()}: change that first."
            )
        for role in roles:
            if role in self._roles and self._roles[role] is not shelved:
                self._roles[role].roles -= {role}
            self._roles[role] = shelved
            shelved.roles |= {role}

    def _decoding(self, finals: ModelEntry, partials: ModelEntry) -> ModelPair:
        assert finals.model is not None
        assert partials.model is not None
        return ModelPair(self._lane, finals.model, partials.model)


def _told(roles: Set[Role]) -> str:
    return " and ".join(role.name.lower() for role in Role if role in roles)
