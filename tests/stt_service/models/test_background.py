"""Trial loads in a separate process: rejected models, crashes, time limits and cancellation."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from stt_service.errors import InvalidModelError
from stt_service.models.background import CHECK_TIMEOUT_S, TrialLoader
from stt_service.models.store import resolve
from stt_service.models.trial import TrialStep
from stt_service.whisper.engine import Placement
from tests.support.models.damaged_models import config, copy_of, flipped, patched
from tests.support.models.fake_hub import COMMIT, Site

PLACEMENT = Placement(Path(), threads=1)
STEP = TrialStep(folder="/models/tiny").line().decode()
DOWNLOADED = f"import sys; sys.stdin.readline(); print({STEP!r}, end='', flush=True); "


def loader(models_dir: Path, program: str = "", timeout_s: float = CHECK_TIMEOUT_S) -> TrialLoader:
    """Return a loader; with a program, it runs instead of the real one."""
    loader = TrialLoader(models_dir, PLACEMENT, lambda name: None, timeout_s=timeout_s)
    return TrialLoader(models_dir, PLACEMENT, lambda name: None, ("-c", program), timeout_s) if program else loader


async def error_of(loader: TrialLoader, name: str) -> str:
    with pytest.raises(InvalidModelError) as caught:
        await loader.check(name)
    return str(caught.value)


@pytest.fixture
def tiny(models_dir: Path) -> Path:
    return resolve("tiny.en", models_dir, fetch=False)


@pytest.mark.model
async def test_working_model_passes_the_check_and_can_be_opened(models_dir: Path) -> None:
    tiny = loader(models_dir)
    folder = await tiny.check("tiny.en")
    engine = tiny.open("tiny.en", folder)
    assert (folder.name, engine.multilingual) == ("tiny.en", False)


@pytest.mark.model
async def test_damaged_weights_are_rejected_by_their_transcript_of_speech(tiny: Path, tmp_path: Path) -> None:
    folder = copy_of(tiny, tmp_path / "model", flipped(tiny))
    message = await error_of(loader(tmp_path), str(folder))
    assert message.startswith(f"The model in {folder} does not work: it does not recognize recorded speech")


@pytest.mark.model
async def test_weights_of_zeros_are_rejected(tiny: Path, tmp_path: Path) -> None:
    zeros = patched(tiny, 5_000_000, bytes(60_000_000))
    folder = copy_of(tiny, tmp_path / "model", {"model.bin": zeros})
    assert str(folder) in await error_of(loader(tmp_path), str(folder))


@pytest.mark.model
async def test_files_of_different_models_are_rejected(tiny: Path, tmp_path: Path) -> None:
    folder = copy_of(tiny, tmp_path / "model", config(tiny, suppress_ids_begin=[99_999_999]))
    assert "suppress_ids_begin must be token ids" in await error_of(loader(tmp_path), str(folder))


async def test_invalid_name_is_rejected_with_the_message_of_the_store(tmp_path: Path) -> None:
    assert "is neither a folder with a model.bin nor the name of a model" in await error_of(loader(tmp_path), "../x")


@pytest.mark.parametrize(
    ("end", "message"),
    [
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "ended with SIGSEGV: its files are damaged"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "ended with SIGKILL: is there enough memory?"),
        ("import os; os._exit(3)", "its process ended with exit code 3"),
    ],
)
@pytest.mark.parametrize("first_step", ["import sys; sys.stdin.readline(); ", DOWNLOADED])
async def test_process_that_ends_without_a_result_means_a_model_that_does_not_work(
    tmp_path: Path, first_step: str, end: str, message: str
) -> None:
    assert message in await error_of(loader(tmp_path, first_step + end), "tiny")


async def test_process_that_exceeds_the_time_limit_is_killed(tmp_path: Path) -> None:
    forever = DOWNLOADED + "import signal; signal.pause()"
    assert "did not finish within 0.01 s" in await error_of(loader(tmp_path, forever, timeout_s=0.01), "tiny")
    assert children(forever) == []


@pytest.fixture
def site() -> Iterator[Site]:
    with Site() as site:
        yield site


async def test_cancellation_ends_a_download_that_hangs(
    tmp_path: Path, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.publish("ann/whisper", {"model.bin": b"weights", "config.json": b"{}", "vocabulary.txt": b"a"})
    site.pages[f"/ann/whisper/resolve/{COMMIT}/model.bin"].hold_after_bytes = 3
    monkeypatch.setenv("HF_ENDPOINT", site.url)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    checking = asyncio.create_task(loader(tmp_path).check("ann/whisper"))
    assert await asyncio.to_thread(site.holding.wait, 60)
    assert children("stt_service.models.trial") != []
    checking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await checking
    assert children("stt_service.models.trial") == []


async def test_process_ends_when_its_server_is_gone(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        *(
            sys.executable,
            "-c",
            "from stt_service.models import trial; trial._handle = lambda *_: __import__('signal').pause(); "
            "trial.main()",
        ),
        stdin=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stdin
    process.stdin.write(json.dumps({"name": "x", "models_dir": str(tmp_path)}).encode() + b"\n")
    process.stdin.close()
    async with asyncio.timeout(60):
        assert await process.wait() == -9


def children(command_part: str) -> Sequence[psutil.Process]:
    """Return the child processes of this one whose command line contains the text."""
    found = []
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            found += [child] if any(command_part in part for part in child.cmdline()) else []
    return found
