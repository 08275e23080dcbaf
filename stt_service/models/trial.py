"""Fetches a model and tries it, in a process of its own: `python -m stt_service.models.trial`.

Damaged weights can end the process that runs them, and a download can hang; here neither harms anybody, and the server
stops both by killing the process. It reads a request from stdin, one line of JSON, and writes to stdout one line for
each step: the folder once the weights are there, then whether the model works. It ends when stdin does.
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
NICENESS = 10  # behind the server, whose streams go first


@dataclass(frozen=True, slots=True)
class TrialRequest:
    """The model to fetch, and where to try it; None: it is only fetched."""

    name: str
    models_dir: str
    placement: Mapping[str, object] | None = None  # the fields of engine.ModelPlace, which takes long to import

    def line(self) -> bytes:
        return json.dumps(asdict(self)).encode() + b"\n"


@dataclass(frozen=True, slots=True)
class TrialStep:
    """What a line of the answer says: a folder, or why there is none or its model does not work."""

    folder: str = ""
    error: str = ""

    def line(self) -> bytes:
        return json.dumps(asdict(self)).encode() + b"\n"


def main() -> None:
    """Answer the request on stdin."""
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)  # what libraries print is no answer
    line = sys.stdin.buffer.readline()
    threading.Thread(target=_end_with_the_server, daemon=True).start()
    try:
        _answer(TrialRequest(**json.loads(line)), answers.write)
    except SttError as error:
        answers.write(TrialStep(error=str(error)[:MAX_REASON]).line())
    except Exception as error:  # goes to the server, which lists it
        answers.write(TrialStep(error=f"The model does not load: {error!r}"[:MAX_REASON]).line())


def _answer(request: TrialRequest, write: Callable[[bytes], object]) -> None:
    folder = resolve(request.name, Path(request.models_dir))
    write(TrialStep(folder=str(folder)).line())
    if request.placement is None:
        return
    check_files(folder)
    os.nice(NICENESS)
    _try(folder, request.placement)
    write(TrialStep(folder=str(folder)).line())


def _try(folder: Path, place: Mapping[str, object]) -> None:
    from stt_service.models.devices import load_cublas
    from stt_service.models.loader import check_decodes
    from stt_service.whisper.engine import Engine, Placement

    if place["device"] == "cuda":
        load_cublas()
    try:
        check_decodes(Engine(Placement(folder, **place)))  # type: ignore[arg-type]  # as asdict made them
    except InferenceError as error:
        raise InvalidModelError(f"The model in {folder} does not work: {error}.") from error


def _end_with_the_server() -> None:
    """Kill this process and those that it started, once nobody waits for the answer."""
    sys.stdin.buffer.read()
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    main()
