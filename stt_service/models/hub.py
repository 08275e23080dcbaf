"""Downloads models from the hub over plain HTTP and resumes interrupted files.

huggingface_hub provides URLs, tokens, proxies and retries (HF_ENDPOINT, HF_TOKEN, HF_HUB_OFFLINE). Its own
`hf_hub_download` starts a file again after the process was killed, and does not verify the SHA-256. The library takes
half a second to import, so it is imported only for a download.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from shutil import rmtree

from stt_service.errors import ModelNotFoundError

# Names as in faster-whisper; a test compares this table with its own.
HUB_NAMES: Mapping[str, str] = {
    "tiny": "Systran/faster-whisper-tiny",
    "tiny.en": "Systran/faster-whisper-tiny.en",
    "base": "Systran/faster-whisper-base",
    "base.en": "Systran/faster-whisper-base.en",
    "small": "Systran/faster-whisper-small",
    "small.en": "Systran/faster-whisper-small.en",
    "medium": "Systran/faster-whisper-medium",
    "medium.en": "Systran/faster-whisper-medium.en",
    "large": "Systran/faster-whisper-large-v3",
    "large-v1": "Systran/faster-whisper-large-v1",
    "large-v2": "Systran/faster-whisper-large-v2",
    "large-v3": "Systran/faster-whisper-large-v3",
    "large-v3-turbo": "mobiuslabsgmbh/faster-whisper-large-v3-turbo",
    "turbo": "mobiuslabsgmbh/faster-whisper-large-v3-turbo",
    "distil-small.en": "Systran/faster-distil-whisper-small.en",
    "distil-medium.en": "Systran/faster-distil-whisper-medium.en",
    "distil-large-v2": "Systran/faster-distil-whisper-large-v2",
    "distil-large-v3": "Systran/faster-distil-whisper-large-v3",
    "distil-large-v3.5": "distil-whisper/distil-large-v3.5-ct2",
}
FILE_PATTERNS = ("config.json", "preprocessor_config.json", "model.bin", "tokenizer.json", "vocabulary.*")
COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}", re.ASCII)
FILE_NAME = re.compile(r"\w[\w.-]*", re.ASCII)
LISTING_TIMEOUT_S = 10.0  # the library's own limit for a request


@dataclass(frozen=True, slots=True)
class RemoteFile:
    name: str
    size_bytes: int
    sha256: str  # empty if the hub does not report it, as for small files


@dataclass(frozen=True, slots=True)
class Revision:
    repository: str
    commit: str
    files: tuple[RemoteFile, ...]


class Hub:
    """The hub that HF_ENDPOINT names."""

    def offers(self, name: str) -> bool:
        return name in HUB_NAMES or "/" in name

    def fetch(self, name: str, staging: Path) -> Path:
        """Return a folder in `staging` with the model's files, verified.

        Raises:
            ModelNotFoundError: with the reason only; downloaded files stay in `staging`.
        """
        repository = HUB_NAMES.get(name, name)
        try:
            revision = _revision(repository)
            folder = _folder(staging / "hub", revision.commit)
            for file in revision.files:
                _fetch_file(revision, file, folder)
        except (
            Exception
        ) as error:  # the HTTP client of the library has its own exceptions, and has been replaced before
            raise ModelNotFoundError(_reason(repository, error)) from error
        return folder


def _revision(repository: str) -> Revision:
    """Return the current commit of the repository and its files that a model needs."""
    from huggingface_hub import HfApi

    listing = HfApi().model_info(repository, timeout=LISTING_TIMEOUT_S, files_metadata=True)
    # Names and commits become paths, so the hub's response must not contain a path out of the folder.
    commit = listing.sha or "main"
    if commit != "main" and COMMIT.fullmatch(commit) is None:
        raise ModelNotFoundError(f"{repository} has the revision {commit[:80]!r}, which is not a commit")
    files = tuple(
        RemoteFile(file.rfilename, file.size or 0, file.lfs.sha256 if file.lfs else "")
        for file in listing.siblings or ()
        if FILE_NAME.fullmatch(file.rfilename) and any(fnmatch(file.rfilename, pattern) for pattern in FILE_PATTERNS)
    )
    if not any(file.name == "model.bin" for file in files):
        raise ModelNotFoundError(f"{repository} contains no model.bin: it is not a CTranslate2 model")
    return Revision(repository, commit, files)


def _folder(folder: Path, commit: str) -> Path:
    """Return the folder for the files of this commit; remove those of other commits."""
    for other in folder.glob("*"):
        if other.name != commit:
            rmtree(other, ignore_errors=True)
    (folder / commit).mkdir(parents=True, exist_ok=True)
    return folder / commit


def _fetch_file(revision: Revision, file: RemoteFile, folder: Path) -> None:
    from huggingface_hub import constants, get_token, hf_hub_url
    from huggingface_hub.file_download import http_get

    target, part = folder / file.name, folder / f"{file.name}.part"
    if target.exists():  # only complete files have their final name
        return
    token = None if constants.HF_HUB_DISABLE_IMPLICIT_TOKEN else get_token()
    with part.open("ab") as output:
        http_get(
            hf_hub_url(revision.repository, file.name, revision=revision.commit),
            output,
            resume_size=output.tell(),
            headers={"authorization": f"Bearer {token}"} if token else {},
            expected_size=file.size_bytes or None,
            displayed_filename=file.name,
        )
    _verify(file, part)
    part.replace(target)


def _verify(file: RemoteFile, part: Path) -> None:
    with part.open("rb") as content:
        is_intact = not file.sha256 or hashlib.file_digest(content, "sha256").hexdigest() == file.sha256
    if not is_intact or (file.size_bytes and part.stat().st_size != file.size_bytes):
        part.unlink()
        raise ModelNotFoundError(f"the downloaded {file.name} is damaged")


def _reason(repository: str, error: Exception) -> str:
    from huggingface_hub.constants import ENDPOINT
    from huggingface_hub.errors import GatedRepoError, OfflineModeIsEnabled, RepositoryNotFoundError

    match error:
        case ModelNotFoundError():
            return str(error)
        case OfflineModeIsEnabled():
            return "HF_HUB_OFFLINE is set"
        case GatedRepoError():
            return f"{ENDPOINT} requires a token for {repository}: set HF_TOKEN"
        case RepositoryNotFoundError():
            return f"{ENDPOINT} has no {repository}, or requires HF_TOKEN for it"
    first_line = str(error).strip().partition("\n")[0] or type(error).__name__
    return f"{ENDPOINT} did not provide {repository}: {first_line}"
