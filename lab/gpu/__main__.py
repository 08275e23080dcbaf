"""Agreement of a GPU with the CPU, its speed, and its capacity in streams.

`python -m lab.gpu [--models base,tiny.en,tiny,medium,large-v3-turbo,large-v3]` uses the weights on this machine. A
model without weights is replaced by a synthetic one, of the same shape and with random weights, that recites as many
words as are spoken in the time: only its speed and its memory are printed. Ends with exit code 2 and a message if there
is no GPU, with 1 if a limit is missed. `--device cpu --models base --recordings 1 --batches 1` tries it all without
one.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory

import ctranslate2

from benchmarks.recordings import RECORDINGS, Recording
from lab.gpu import agreement, speed
from lab.gpu.agreement import ModelResult, transcribe
from lab.gpu.speed import Candidate, Speed
from lab.gpu.synthetic_models import SHAPES, make
from stt_service.errors import InferenceError, ModelNotFoundError, StartupError
from stt_service.models.devices import Device, choose_device
from stt_service.models.store import models_folder, resolve
from stt_service.settings.schema import ServerSettings
from stt_service.telemetry.banner import memory
from stt_service.whisper.engine import Engine, Placement

NO_GPU = 2
MODELS = "base,tiny.en,tiny,medium,large-v3-turbo,large-v3"
COMPUTE_TYPES = {"cuda": "float16,int8_float16", "cpu": "int8"}
PARTIALS = "tiny"  # as REALTIME_MODEL=auto on a GPU
SOURCE = "base"  # its tokenizer is used
# 30 tokens: as many as our Russian dictations, the denser ones, have in 6 s.
TEXT = (
    "This model was never trained, so it writes the same sentence for any audio, "
    "and takes as long for it as one that can recognize."
)


def in_folder(name: str) -> Path:
    return resolve(name, models_folder(os.environ.get("MODELS_DIR", "")), fetch=False)


@contextmanager
def candidate(name: str) -> Iterator[Candidate]:
    """Yield the model; a synthetic one for the length of a `with` if its weights are not on this machine.

    Raises:
        ModelNotFoundError: there are no weights, and its shape is unknown too.
    """
    try:
        yield Candidate(name, in_folder(name), "real")
        return
    except ModelNotFoundError:
        if name not in SHAPES:
            raise
    print_status(f"Creating a synthetic model of the shape of {name} ...")
    with TemporaryDirectory() as made:
        folder = Path(made) / name
        make(SHAPES[name], TEXT, in_folder(SOURCE), folder)
        yield Candidate(name, folder, "random")


def chosen(count: int | None) -> list[Recording]:
    """Return the recorded utterances, or so many of each language."""
    spoken = sorted((each for each in RECORDINGS if each.kind == "utterance"), key=lambda each: each.language)
    return [each for _, some in groupby(spoken, key=lambda each: each.language) for each in list(some)[:count]]


def checked(
    names: Sequence[str], device: Device, compute_types: Sequence[str], recordings: Sequence[Recording]
) -> Iterator[ModelResult]:
    """Transcribe with each model: on the CPU, then on the device."""
    devices = [("cpu", "int8"), *((device.active, compute_type) for compute_type in compute_types)]
    for name in names:
        for where, compute_type in dict.fromkeys(devices):
            print_status(f"Transcribing with {name} on {where} in {compute_type} ...")
            engine = Engine(Placement(in_folder(name), where, device.indices, compute_type))
            yield transcribe(engine, name, f"{where}, {compute_type}", recordings)


def timed(
    names: Sequence[str], device: Device, compute_types: Sequence[str], batches: Sequence[int]
) -> Iterator[Speed]:
    """Time each model in the role of finals, with the model of partials that the service would choose."""
    with ExitStack() as shared_models:
        shared = shared_models.enter_context(candidate(PARTIALS)) if PARTIALS in names else None
        for name in names:
            with ExitStack() as own_models:
                finals = shared if shared and name == PARTIALS else own_models.enter_context(candidate(name))
                for compute_type in compute_types:
                    print_status(f"Timing {name} in {compute_type} ...")
                    parameters = ServerSettings.model_validate({"compute_type": compute_type, "device": device.active})
                    yield speed.speed(finals, shared or finals, parameters, device, batches)


def measured(options: argparse.Namespace, device: Device) -> list[str]:
    """Measure and print, row by row; return the missed limits, or a message about the failure."""
    names = options.models.split(",")
    compute_types = (options.compute_types or COMPUTE_TYPES[device.active]).split(",")
    results: list[ModelResult] = []
    rows: list[str] = []
    failed = []
    try:
        print(agreement.HEADER)
        for one in checked(list(filter(is_here, names)), device, compute_types, chosen(options.recordings)):
            results.append(one)
            print(one.row(), flush=True)
        print("", speed.HEADER, sep="\n")
        batches = [int(batch) for batch in options.batches.split(",")]
        for each in timed([name for name in names if not name.endswith(".en")], device, compute_types, batches):
            rows += each.batch_rows()
            print(each.row(), flush=True)
    except (InferenceError, StartupError) as error:
        failed = [f"FAILED: {error}"]
    print("", speed.BATCH_HEADER, *rows, "", sep="\n")
    return failed + list(agreement.violations(results))


def print_status(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def is_here(name: str) -> bool:
    try:
        in_folder(name)
    except ModelNotFoundError:
        return False
    return True


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=tuple(COMPUTE_TYPES), default="cuda")
    parser.add_argument("--models", default=MODELS, help="separated by commas")
    parser.add_argument("--compute-types", help="separated by commas; else float16 and int8_float16, int8 on a CPU")
    parser.add_argument("--recordings", type=int, help="number per language, else all")
    parser.add_argument("--batches", default="1,2,4,8,16,32", help="separated by commas")
    return parser.parse_args()


def main() -> int:
    """Measure, print, return the exit code."""
    options = parsed()
    device, cuda = choose_device(ServerSettings.model_validate({"device": options.device}))
    if device.active != options.device:
        print_status(f"There is no GPU to measure: {device.reason}.")
        return NO_GPU
    print(f"CTranslate2 {ctranslate2.__version__}", *(f"{gpu.name}" for gpu in cuda.gpus), *memory(cuda), "", sep="\n")
    missed = measured(options, device)
    print(*(missed or ["All limits are met."]), sep="\n")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
