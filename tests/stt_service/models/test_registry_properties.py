"""Property: requests of operators in any order never crash the registry, and streams only get checked models.

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
class FakeEngine:
    """An engine that records whether it is closed."""

    name: str
    multilingual: bool = True
    compute_type: str = "int8"
    is_closed: bool = False

    def transcribe(self, windows: object) -> list[object]:
        raise AssertionError("streams of this test do not decode")

    def close(self) -> None:
        assert not self.is_closed
        self.is_closed = True


@dataclass
class FakeLoader:
    """A loader whose checks end when the test ends them, with success or failure."""

    running: dict[str, asyncio.Future[bool]] = field(default_factory=dict)
    checked: list[str] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)
    engines: list[FakeEngine] = field(default_factory=list)
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
        self.engines.append(FakeEngine(name, multilingual=name != "three"))
        return cast("engine.Engine", self.engines[-1])

    def end(self, succeeds: bool) -> None:
        for check in self.running.values():
            if not check.done():
                check.set_result(succeeds)


class Scenario:
    """A registry, its loader, and the streams that lease its models."""

    def __init__(self) -> None:
        self.loader, self.first = FakeLoader(), FakeEngine("first")
        model = cast("engine.Engine", self.first)
        self.loader.engines.append(self.first)
        plan = ComputePlan(workers=1, slots=1, threads=1)
        models = LoadedModels(ModelNames("first", "first"), model, model, plan)
        self.registry = ModelRegistry(models, BatchExecutor(1, 1), self.loader, lambda: "ru")
        self.streams: list[tuple[ExitStack, ModelLease]] = []

    def open_stream(self) -> None:
        stack = ExitStack()
        self.streams.append((stack, stack.enter_context(self.registry.lease())))

    def close_stream(self) -> None:
        if self.streams:
            self.streams.pop(0)[0].close()

    def check_invariants(self) -> None:
        open_names = {engine.name for engine in self.loader.engines if not engine.is_closed}
        for _, lease in self.streams:
            assert {lease.names.finals, lease.names.partials} <= open_names
        names = self.registry.names
        assert {names.finals, names.partials} <= open_names
        assert {names.finals, names.partials} <= {"first", *self.loader.checked}
        listed = list(self.registry)
        assert sum(model.state is ModelState.FAILED for model in listed) <= MAX_FAILED
        assert all(not model.roles for model in listed if model.state is ModelState.FAILED)


async def run_until_idle() -> None:
    """Run the tasks and threads of the registry until they wait."""
    for _ in range(30):
        await asyncio.sleep(0)
    await asyncio.to_thread(lambda: None)
    for _ in range(30):
        await asyncio.sleep(0)


Action = Callable[[Scenario], object]
loads = st.builds(
    lambda name, roles: lambda scenario: scenario.registry.load(name, roles),
    st.sampled_from(NAMES),
    st.sampled_from(ROLES),
)
unloads = st.builds(lambda name: lambda scenario: scenario.registry.unload(name), st.sampled_from(NAMES))
ends = st.builds(lambda succeeds: lambda scenario: scenario.loader.end(succeeds), st.booleans())
streams = st.sampled_from([Scenario.open_stream, Scenario.close_stream])
actions = st.lists(st.tuples(st.one_of(loads, unloads, ends, streams), st.booleans()), max_size=25)


@settings(max_examples=CASES, deadline=None)
@given(actions)
def test_requests_in_any_order_keep_the_invariants_of_the_registry(
    steps: list[tuple[Action, bool]],
) -> None:
    async def operate() -> None:
        scenario = Scenario()
        running = asyncio.create_task(scenario.registry.run())
        for act, run_tasks in steps:
            with suppress(NotFoundError, FailedPreconditionError, InvalidRequestError):
                act(scenario)
            if run_tasks:
                await run_until_idle()
            assert not running.done()
            scenario.check_invariants()
        for _ in range(len(steps) + 1):
            scenario.loader.end(True)
            scenario.close_stream()
            await run_until_idle()
        scenario.check_invariants()
        assert not running.done()
        running.cancel()
        await asyncio.wait([running])

    asyncio.run(operate())


@pytest_asyncio.fixture
async def scenario() -> AsyncIterator[Scenario]:
    operated = Scenario()
    running = asyncio.create_task(operated.registry.run())
    yield operated
    assert not running.done()
    running.cancel()
    await asyncio.wait([running])


async def load(scenario: Scenario, name: str, succeeds: bool = True) -> None:
    """Load a model, or let its check fail."""
    scenario.registry.load(name, BOTH)
    await run_until_idle()
    scenario.loader.end(succeeds)
    while any(model.state is ModelState.LOADING for model in scenario.registry):
        await run_until_idle()


async def test_failed_model_can_be_removed_while_another_one_is_unloaded(scenario: Scenario) -> None:
    await load(scenario, "one")
    await load(scenario, "two", succeeds=False)
    scenario.registry.load("first", BOTH)
    scenario.registry.unload("one")
    await asyncio.sleep(0)  # it is being unloaded
    scenario.registry.unload("two")
    await run_until_idle()
    assert [model.name for model in scenario.registry] == ["first"]


async def test_loading_model_can_be_cancelled_and_another_one_loaded_immediately(scenario: Scenario) -> None:
    scenario.registry.load("one", BOTH)
    await run_until_idle()
    assert scenario.registry.unload("one").state is ModelState.UNLOADING
    scenario.registry.load("two", BOTH)
    await run_until_idle()
    assert scenario.loader.cancelled == ["one"]
    scenario.loader.end(True)
    while scenario.registry.names.finals != "two":
        await run_until_idle()
    assert [model.name for model in scenario.registry] == ["first", "two"]


async def test_model_cancelled_while_it_opens_is_closed_and_gets_no_role(scenario: Scenario) -> None:
    scenario.loader.may_open.clear()
    scenario.registry.load("one", BOTH)
    await run_until_idle()
    scenario.loader.end(True)
    await run_until_idle()
    scenario.registry.unload("one")
    scenario.registry.load("two", BOTH)
    scenario.loader.may_open.set()
    while "two" not in scenario.loader.running:
        await run_until_idle()
    assert [(engine.name, engine.is_closed) for engine in scenario.loader.engines] == [("first", False), ("one", True)]
    assert scenario.registry.names == ModelNames("first", "first")
    scenario.loader.end(False)


async def test_only_the_latest_failures_are_listed(scenario: Scenario) -> None:
    for number in range(MAX_FAILED + 5):
        await load(scenario, f"m{number}", succeeds=False)
    failed = [model.name for model in scenario.registry if model.state is ModelState.FAILED]
    assert failed == [f"m{number}" for number in range(5, MAX_FAILED + 5)]
    assert scenario.registry.unload("m20").state is ModelState.UNLOADING
    with pytest.raises(SttError):
        scenario.registry.unload("m20")
