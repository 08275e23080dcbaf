"""Blocking work, in processes and threads of its own: trial loads of models, downloads, and `in_thread`."""

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
    """Loads models in two steps: a trial load in another process, then the load itself."""

    models_dir: Path
    placement: Placement
    on_loading: Callable[[str], None]
    program: Sequence[str] = PROGRAM
    timeout_s: float = CHECK_TIMEOUT_S

    async def check(self, name: str) -> Path:
        """Return the folder of a model that works. A cancellation kills the process and its download.

        Raises:
            InvalidModelError: the weights are missing or damaged, or the trial took longer than `timeout_s`.
        """
        fields = asdict(replace(self.placement, device_indices=self.placement.device_indices[:1], workers=1))
        del fields["folder"]
        async with _trial_process(TrialRequest(name, str(self.models_dir), fields), self.program) as steps:
            await steps.next()
            return Path((await steps.next(self.timeout_s)).folder)

    def open(self, name: str, folder: Path) -> Engine:
        """Load a checked model. Blocks.

        Raises:
            StartupError: it does not load.
        """
        self.on_loading(name)
        return open_model(name, replace(self.placement, folder=folder))


async def fetch_weights(name: str, models_dir: Path) -> Path:
    """Return the folder of the model's weights. A cancellation kills the process that downloads them.

    Raises:
        InvalidModelError: they are neither stored here nor could be downloaded.
    """
    with suppress(ModelNotFoundError):
        return resolve(name, models_dir, fetch=False)
    async with _trial_process(TrialRequest(name, str(models_dir))) as steps:
        return Path((await steps.next()).folder)


class _Steps:
    """The output of the process, one step per line."""

    def __init__(self, process: asyncio.subprocess.Process, name: str) -> None:
        self._process, self._name = process, name

    async def next(self, timeout_s: float | None = None) -> TrialStep:
        """Return the next step. Without a time limit it waits until canceled: a download can take any time.

        Raises:
            InvalidModelError: the model is missing or does not work.
        """
        assert self._process.stdout
        try:
            async with asyncio.timeout(timeout_s):
                line = await self._process.stdout.readline()
                if not line:
                    raise InvalidModelError(_exit_message(self._name, await self._process.wait()))
        except TimeoutError as error:
            raise InvalidModelError(f"The test of {self._name} did not finish within {timeout_s:g} s.") from error
        step = TrialStep(**json.loads(line))
        if step.error:
            raise InvalidModelError(step.error)
        return step


@asynccontextmanager
async def _trial_process(request: TrialRequest, program: Sequence[str] = PROGRAM) -> AsyncIterator[_Steps]:
    """Start the process; at the end it and its child processes are killed."""
    root = str(Path(__file__).parents[2])
    paths = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
    process = await asyncio.create_subprocess_exec(
        *(
            sys.executable,
            "-P",
            *program,
        ),  # -P: a folder named stt_service in the working directory must not be imported
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": paths},
        start_new_session=True,  # a process group that can be killed, and that Ctrl-C on the terminal does not reach
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


def _exit_message(name: str, code: int) -> str:
    """Return the error message for a process that ended without a result."""
    if code >= 0:
        return f"The test of {name} failed: its process ended with exit code {code}."
    signal_name = signal.Signals(-code).name
    hint = "is there enough memory?" if code == -signal.SIGKILL else "its files are damaged or do not belong together."
    return f"{name} does not work: the process that tested it ended with {signal_name}: {hint}"


T = TypeVar("T")
THREAD_NAME = "work"


async def in_thread(work: Callable[[], T]) -> T:
    """Return the result of the work. After a cancellation the thread runs on, and its result is discarded."""
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def resolve_once(set_outcome: Callable[[], None]) -> None:
        if not future.done():
            set_outcome()

    def run() -> None:
        set_outcome: Callable[[], None]
        try:
            value = work()
            set_outcome = lambda: future.set_result(value)  # noqa: E731
        except Exception as error:  # goes to the caller that awaits the future
            failure = error
            set_outcome = lambda: future.set_exception(failure)  # noqa: E731
        with suppress(RuntimeError):  # the loop is closed, and with it the caller
            loop.call_soon_threadsafe(resolve_once, set_outcome)

    threading.Thread(target=run, daemon=True, name=THREAD_NAME).start()
    return await future


def has_abandoned_threads() -> bool:
    """Return whether work still runs. It may run native code, so the interpreter must not be finalized."""
    return any(thread.name == THREAD_NAME for thread in threading.enumerate())
