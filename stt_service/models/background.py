"""Work that would block the event loop."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TypeVar

from stt_service.errors import InvalidModelError, ModelNotFoundError
from stt_service.models.loader import open_model
from stt_service.models.store import resolve
from stt_service.models.trial import MAX_REASON, TrialRequest, TrialStep
from stt_service.whisper.engine import Engine, Placement

CHECK_TIMEOUT_S = 600.0  # large-v3 takes a minute from a disk of 50 MB/s, and some decodes on one slow core
MAX_LINE_BYTES = 8 * MAX_REASON
PROGRAM = ("-m", "stt_service.models.trial")


@dataclass(frozen=True, slots=True)
class TrialLoader:
    """Loads models into a place, in two steps."""

    models_dir: Path
    placement: Placement
    on_loading: Callable[[str], None]
    program: Sequence[str] = PROGRAM
    timeout_s: float = CHECK_TIMEOUT_S

    async def check(self, name: str) -> Path:
        """Return the folder of a model that works. A cancellation kills the process, and with it a download.

        Raises:
            StartFailed: the weights are missing or damaged.
        """
        place = asdict(replace(self.placement, device_indices=self.placement.device_indices[:1], workers=1))
        del place["folder"]
        async with _answers(TrialRequest(name, str(self.models_dir), place), self.program) as steps:
            await steps.next()
            return Path((await steps.next(self.timeout_s)).folder)

    def open(self, name: str, folder: Path) -> Engine:
        """Load the model that was checked. Blocks.

        Raises:
            StartFailed: it does not load.
        """
        self.on_loading(name)
        return open_model(name, replace(self.placement, folder=folder))


async def fetch_weights(name: str, models_dir: Path) -> Path:
    """Return the folder of the model's weights. A cancellation kills the process that fetches them.

    Raises:
        ModelNotFound: they are nowhere to be had.
    """
    with suppress(ModelNotFoundError):
        return resolve(name, models_dir, fetch=False)
    async with _answers(TrialRequest(name, str(models_dir))) as steps:
        return Path((await steps.next()).folder)


class _Steps:
    """What the process answers, line by line."""

    def __init__(self, process: asyncio.subprocess.Process, name: str) -> None:
        self._process, self._name = process, name

    async def next(self, timeout_s: float | None = None) -> TrialStep:
        """Return the next step. Without a time limit it waits until it is cancelled: a download takes any time.

        Raises:
            StartFailed: the model cannot be had or does not work.
        """
        assert self._process.stdout
        try:
            async with asyncio.timeout(timeout_s):
                line = await self._process.stdout.readline()
                if not line:
                    raise InvalidModelError(_ended(self._name, await self._process.wait()))
        except TimeoutError as error:
            raise InvalidModelError(f"{self._name} was not tried within {timeout_s:g} s.") from error
        step = TrialStep(**json.loads(line))
        if step.error:
            raise InvalidModelError(step.error)
        return step


@asynccontextmanager
async def _answers(request: TrialRequest, program: Sequence[str] = PROGRAM) -> AsyncIterator[_Steps]:
    """Start the process; it and those that it started are killed at the end."""
    root = str(Path(__file__).parents[2])
    paths = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", *program),  # -P: a folder named stt_service where the server was started is not it
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": paths},
        start_new_session=True,  # a group of its own to kill, and Ctrl-C on the terminal is the server's
        limit=MAX_LINE_BYTES,
    )
    try:
        assert process.stdin
        process.stdin.write(request.line())
        yield _Steps(process, request.name)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()


def _ended(name: str, code: int) -> str:
    """Return the sentence for a process that ended without an answer."""
    if code >= 0:
        return f"{name} was not tried: its process ended with exit code {code}."
    how = signal.Signals(-code).name
    advice = (
        "is there enough memory?" if code == -signal.SIGKILL else "its files are damaged or do not belong together."
    )
    return f"{name} does not work: the process that tried it ended with {how}: {advice}"


T = TypeVar("T")
NAME = "work"


async def in_thread(work: Callable[[], T]) -> T:
    """Return what the work returns. A cancellation leaves the thread behind, and its outcome unheard."""
    loop = asyncio.get_running_loop()
    outcome: asyncio.Future[T] = loop.create_future()

    def settle(settled: Callable[[], None]) -> None:
        if not outcome.done():
            settled()

    def run() -> None:
        settled: Callable[[], None]
        try:
            value = work()
            settled = lambda: outcome.set_result(value)  # noqa: E731
        except Exception as error:  # goes to whoever waits
            failure = error
            settled = lambda: outcome.set_exception(failure)  # noqa: E731
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(settle, settled)

    threading.Thread(target=run, daemon=True, name=NAME).start()
    return await outcome


def has_abandoned_threads() -> bool:
    """Tell whether work still runs. It may compute outside of Python, so the interpreter must not be finalized."""
    return any(thread.name == NAME for thread in threading.enumerate())
