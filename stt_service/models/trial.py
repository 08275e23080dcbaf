"""Downloads and tests a model in a separate process: `python -m stt_service.models.trial`.

Damaged weights can crash the process that runs them, and a download can hang. In a separate process neither affects the
server, which ends both by killing the process. It reads a request from stdin, one line of JSON, and writes one line of
JSON per step to stdout: the folder once the weights are stored, then whether the model works. It ends when stdin ends.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from stt_service.errors import InferenceError, InvalidModelError, SttError
from stt_service.models.file_checks import check_files
from stt_service.models.store import resolve

MAX_REASON = 2000  # characters
NICENESS = 10  # the server's streams have priority


@dataclass(frozen=True, slots=True)
class TrialRequest:
    """The model to download, and where to test it; None: it is only downloaded."""

    name: str
    models_dir: str
    placement: Mapping[str, object] | None = None  # the fields of engine.Placement, which takes long to import

    def line(self) -> bytes:
        return json.dumps(asdict(self)).encode() + b"\n"


@dataclass(frozen=True, slots=True)
class TrialStep:
    """A line of the output: the folder, or the error."""

    folder: str = ""
    error: str = ""

    def line(self) -> bytes:
        return json.dumps(asdict(self)).encode() + b"\n"


def main() -> None:
    """Handle the request on stdin."""
    output = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)  # output of libraries goes to stderr
    line = sys.stdin.buffer.readline()
    threading.Thread(target=_end_with_the_server, daemon=True).start()
    try:
        _handle(TrialRequest(**json.loads(line)), output.write)
    except SttError as error:
        output.write(TrialStep(error=str(error)[:MAX_REASON]).line())
    except Exception as error:  # reported by the server's ListModels
        output.write(TrialStep(error=f"The model does not load: {error!r}"[:MAX_REASON]).line())


def _handle(request: TrialRequest, write: Callable[[bytes], object]) -> None:
    folder = resolve(request.name, Path(request.models_dir))
    write(TrialStep(folder=str(folder)).line())
    if request.placement is None:
        return
    check_files(folder)
    os.nice(NICENESS)
    _test(folder, request.placement)
    write(TrialStep(folder=str(folder)).line())


def _test(folder: Path, placement: Mapping[str, object]) -> None:
    from stt_service.models.devices import load_cublas
    from stt_service.models.loader import check_decodes
    from stt_service.whisper.engine import Engine, Placement

    if placement["device"] == "cuda":
        load_cublas()
    try:
        check_decodes(Engine(Placement(folder, **placement)))  # type: ignore[arg-type]  # as asdict made them
    except InferenceError as error:
        raise InvalidModelError(f"The model in {folder} does not work: {error}.") from error


def _end_with_the_server() -> None:
    """Kill this process and its child processes once the server has closed stdin."""
    sys.stdin.buffer.read()
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    main()
