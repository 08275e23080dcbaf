"""Texts of a recording in the page and from stt-cli, and the words in which they differ."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator, Mapping, Sequence
from difflib import SequenceMatcher
from pathlib import Path

from benchmarks.harness.dictations import Dictation, dictations
from benchmarks.recordings import FOLDER
from benchmarks.service import ServiceError

STT_CLI = str(Path(sys.executable).with_name("stt-cli"))
CLI_TIMEOUT_S = 300.0
MODELS: Mapping[str, Mapping[str, str]] = {
    "en": {"WHISPER_MODEL": "base", "REALTIME_MODEL": "tiny.en"},
    "ru": {"WHISPER_MODEL": "base", "REALTIME_MODEL": "base"},
}


def dictation_of(language: str, max_seconds: float | None) -> Dictation:
    """Return the dictation of a language in tests/recordings, truncated after a whole utterance."""
    return dictations(FOLDER, language, max_seconds)[0]


def server_settings(language: str) -> dict[str, str]:
    """Return the settings of the server; it recognizes the language without a choice in the page."""
    return {
        **MODELS[language],
        "DEVICE": "cpu",
        "LANGUAGE": language,
        "POST_SPEECH_SILENCE_DURATION": "0.7",
        "LOG_LEVEL": "warning",
    }


async def cli_text(address: str, recording: Path) -> str:
    """Return the text that stt-cli prints for a recording.

    Raises:
        ServiceError: stt-cli failed.
    """
    command = [STT_CLI, "recognize", str(recording), "--server", address, "--no-partials"]
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        output, errors = await asyncio.wait_for(process.communicate(), CLI_TIMEOUT_S)
    except TimeoutError:
        process.kill()
        await process.wait()
        raise
    if process.returncode:
        raise ServiceError(f"stt-cli ended with exit code {process.returncode}: {errors.decode()}")
    return output.decode()


def changes(expected: Sequence[str], found: Sequence[str]) -> Iterator[str]:
    """Yield the differences between two lists of words, each with its position."""
    match = SequenceMatcher(a=expected, b=found, autojunk=False)
    for name, start, end, found_start, found_end in match.get_opcodes():
        if name != "equal":
            before, after = " ".join(expected[start:end]), " ".join(found[found_start:found_end])
            yield f"word {start}: {before!r} → {after!r}"
