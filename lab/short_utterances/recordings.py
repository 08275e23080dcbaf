"""Downloads and unpacks the Debian packages with the recordings, once, into a cache folder."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

from platformdirs import user_cache_path

from benchmarks.recordings import pcm_of
from lab.short_utterances.manifest import ShortUtterance

PACKAGES = {"en": "asterisk-core-sounds-en-wav", "ru": "asterisk-core-sounds-ru-wav"}
VOICES = {"en": "en_US_f_Allison", "ru": "ru_RU_f_IvrvoiceRU"}
SOUNDS = Path("usr/share/asterisk/sounds")
DOWNLOAD_TIMEOUT_S = 300.0


class RecordingsError(Exception):
    """The recordings are unavailable; the message has the reason and the next step."""


def cache_folder() -> Path:
    """Return the folder of the recordings and reference transcripts."""
    return user_cache_path("realtime-stt") / "benchmarks" / "short"


def pcm(utterance: ShortUtterance) -> bytes:
    """Return the audio: 16 kHz, mono, 16 bit.

    Raises:
        RecordingsError: the package cannot be downloaded, or has no such file.
    """
    path = recordings_folder(utterance.language) / utterance.file
    if not path.is_file():
        raise RecordingsError(f"{path} is missing: this version of {PACKAGES[utterance.language]} has no such prompt.")
    return pcm_of(path)


def recordings_folder(language: str) -> Path:
    """Return the folder of a language's recordings; download its package first if it is not there.

    Raises:
        RecordingsError: it cannot be downloaded.
    """
    package = cache_folder() / PACKAGES[language]
    if not package.is_dir():
        _download(PACKAGES[language], package)
    return package / SOUNDS / VOICES[language]


def _download(package: str, target: Path) -> None:
    for tool in ("apt-get", "dpkg-deb"):
        if shutil.which(tool) is None:
            raise RecordingsError(
                f"{tool} is missing, it downloads the recordings. On a system without apt, unpack Debian's package "
                f"{package} (https://packages.debian.org/{package}) into {target}."
            )
    target.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=target.parent) as folder:
        _run(["apt-get", "download", package], Path(folder))
        [archive] = Path(folder).glob("*.deb")
        _run(["dpkg-deb", "--extract", str(archive), "unpacked"], Path(folder))
        (Path(folder) / "unpacked").rename(target)  # in one step: an interrupted download leaves nothing


def _run(command: list[str], folder: Path) -> None:
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=DOWNLOAD_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        raise RecordingsError(f"{' '.join(command)} took longer than {DOWNLOAD_TIMEOUT_S:.0f} s.") from None
    if done.returncode != 0:
        raise RecordingsError(f"{' '.join(command)} failed: {done.stderr.strip() or done.stdout.strip()}")
