"""Whatever operators ask of the models in any order: nothing raises, and no stream gets a model that was not checked.

FUZZ_CASES sets the number of cases for a long run.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import pytest
import pytest_asyncio
from hypothesis import given, settings
from hypothesis import strategies as st

from stt_service.errors import FailedPreconditionError, InvalidModelError, InvalidRequestError, NotFoundError, SttError
from stt_service.models.loader import ComputePlan, LoadedModels, ModelNames
from stt_service.models.registry import BOTH, MAX_FAILED, ModelLease, ModelRegistry, ModelState, Role
from stt_service.scheduling.executor import BatchExecutor
from stt_service.whisper import engine

CASES = int(os.environ.get("FUZZ_CASES", "150"))
NAMES = ("first", "one", "two", "three")
ROLES = (BOTH, frozenset({Role.FINALS}), frozenset({Role.PARTIALS}))


@dataclass(eq=False)
class StandIn:
    """An engine that knows whether it was checked, and whether it is closed."""

    name: str
    multilingual: bool = True
    compute_type: str = "int8"
    is_closed: bool = False

    def transcribe(self, windows: object) -> list[object]:
        raise AssertionError("no stream decodes here")

    def close(self) -> None:
        assert not self.is_closed
        self.is_closed = True


@dataclass
class Checks:
    """A loader whose checks end when they are told to, as they are told to."""

    running: dict[str, asyncio.Future[bool]] = field(default_factory=dict)
    checked: list[str] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)
    engines: list[StandIn] = field(default_factory=list)
    may_open: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.may_open.set()

    async def check(self, name: str) -> Path:
        assert not self.running, "one is loaded at a time"
        self.running[name] = asyncio.get_running_loop().create_future()
        try:
            if not await self.running[name]:
                raise InvalidModelError(f"{name} is damaged.")
        except asyncio.CancelledError:
            self.cancelled.append(name)
            raise
        finally:
            del self.running[name]
        self.checked.append(name)
        return Path(name)

    def open(self, name: str, folder: Path) -> engine.Engine:
        assert str(folder) == name == self.checked[-1]
        self.may_open.wait()
        self.engines.append(StandIn(name, multilingual=name != "three"))
        return cast("engine.Engine", self.engines[-1])

    def end(self, works: bool) -> None:
        for check in self.running.values():
            if not check.done():
                check.set_result(works)


class Operated:
    """A registry, its loader, and the streams that have its models."""

    def __init__(self) -> None:
        self.checks, self.first = Checks(), StandIn("first")
        model = cast("engine.Engine", self.first)
        self.checks.engines.append(self.first)
        plan = ComputePlan(workers=1, slots=1, threads=1)
        models = LoadedModels(ModelNames("first", "first"), model, model, plan)
        self.registry = ModelRegistry(models, BatchExecutor(1, 1), self.checks, lambda: "ru")
        self.streams: list[tuple[ExitStack, ModelLease]] = []

    def open_stream(self) -> None:
        stack = ExitStack()
        self.streams.append((stack, stack.enter_context(self.registry.lease())))

    def close_stream(self) -> None:
        if self.streams:
            self.streams.pop(0)[0].close()

    def check_laws(self) -> None:
        open_names = {engine.name for engine in self.checks.engines if not engine.is_closed}
        for _, lent in self.streams:
            assert {lent.names.finals, lent.names.partials} <= open_names
        names = self.registry.names
        assert {names.finals, names.partials} <= open_names
        assert {names.finals, names.partials} <= {"first", *self.checks.checked}
        listed = list(self.registry)
        assert sum(model.state is ModelState.FAILED for model in listed) <= MAX_FAILED
        assert all(not model.roles for model in listed if model.state is ModelState.FAILED)


async def settled() -> None:
    """Let the registry do what it can do now, its threads included."""
    for _ in range(30):
        await asyncio.sleep(0)
    await asyncio.to_thread(lambda: None)
    for _ in range(30):
        await asyncio.sleep(0)


Action = Callable[[Operated], object]
loads = st.builds(
    lambda name, roles: lambda at: at.registry.load(name, roles), st.sampled_from(NAMES), st.sampled_from(ROLES)
)
unloads = st.builds(lambda name: lambda at: at.registry.unload(name), st.sampled_from(NAMES))
ends = st.builds(lambda works: lambda at: at.checks.end(works), st.booleans())
streams = st.sampled_from([Operated.open_stream, Operated.close_stream])
actions = st.lists(st.tuples(st.one_of(loads, unloads, ends, streams), st.booleans()), max_size=25)


@settings(max_examples=CASES, deadline=None)
@given(actions)
def test_in_any_order_nothing_raises_and_no_stream_gets_a_model_that_was_not_checked(
    steps: list[tuple[Action, bool]],
) -> None:
    async def operate() -> None:
        at = Operated()
        running = asyncio.create_task(at.registry.run())
        for act, waits in steps:
            with suppress(NotFoundError, FailedPreconditionError, InvalidRequestError):
                act(at)
            if waits:
                await settled()
            assert not running.done()
            at.check_laws()
        for _ in range(len(steps) + 1):
            at.checks.end(True)
            at.close_stream()
            await settled()
        at.check_laws()
        assert not running.done()
        running.cancel()
        await asyncio.wait([running])

    asyncio.run(operate())


@pytest_asyncio.fixture
async def at() -> AsyncIterator[Operated]:
    operated = Operated()
    running = asyncio.create_task(operated.registry.run())
    yield operated
    assert not running.done()
    running.cancel()
    await asyncio.wait([running])


async def brought(at: Operated, name: str, works: bool = True) -> None:
    """Have a model loaded, or not."""
    at.registry.load(name, BOTH)
    await settled()
    at.checks.end(works)
    while any(model.state is ModelState.LOADING for model in at.registry):
        await settled()


async def test_failed_models_can_be_unloaded_while_another_one_is_freed(at: Operated) -> None:
    await brought(at, "one")
    await brought(at, "two", works=False)
    at.registry.load("first", BOTH)
    at.registry.unload("one")
    await asyncio.sleep(0)  # it is being freed
    at.registry.unload("two")
    await settled()
    assert [model.name for model in at.registry] == ["first"]


async def test_a_model_that_is_being_loaded_can_be_unloaded_and_another_one_loaded_at_once(at: Operated) -> None:
    at.registry.load("one", BOTH)
    await settled()
    assert at.registry.unload("one").state is ModelState.UNLOADING
    at.registry.load("two", BOTH)
    await settled()
    assert at.checks.cancelled == ["one"]
    at.checks.end(True)
    while at.registry.names.finals != "two":
        await settled()
    assert [model.name for model in at.registry] == ["first", "two"]


async def test_a_model_that_is_unloaded_while_it_is_opened_is_closed_and_no_stream_gets_it(at: Operated) -> None:
    at.checks.may_open.clear()
    at.registry.load("one", BOTH)
    await settled()
    at.checks.end(True)
    await settled()
    at.registry.unload("one")
    at.registry.load("two", BOTH)
    at.checks.may_open.set()
    while "two" not in at.checks.running:
        await settled()
    assert [(engine.name, engine.is_closed) for engine in at.checks.engines] == [("first", False), ("one", True)]
    assert at.registry.names == ModelNames("first", "first")
    at.checks.end(False)


async def test_the_latest_failures_are_listed(at: Operated) -> None:
    for number in range(MAX_FAILED + 5):
        await brought(at, f"m{number}", works=False)
    failed = [model.name for model in at.registry if model.state is ModelState.FAILED]
    assert failed == [f"m{number}" for number in range(5, MAX_FAILED + 5)]
    assert at.registry.unload("m20").state is ModelState.UNLOADING
    with pytest.raises(SttError):
        at.registry.unload("m20")
