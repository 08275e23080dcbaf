"""Downloads from the hub: file by file, resumed after an interruption, rejected with a reason."""

from __future__ import annotations

import json
import random
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from faster_whisper.utils import _MODELS as FASTER_WHISPER_NAMES

from stt_service.models.hub import HUB_NAMES
from tests.support.models.fake_hub import COMMIT, Page, Site, download_command

ROOT = Path(__file__).parents[3]
# Larger than the chunks of 10 MB in which the hub's library writes.
LARGE = random.Random(1).randbytes(12_000_000)
SMALL = {
    "model.bin": b"weights",
    "config.json": b"{}",
    "tokenizer.json": b"{}",
    "vocabulary.txt": b"a",
    "README.md": b"#",
}
LISTING = "/api/models/ann/whisper"


@pytest.fixture
def site() -> Iterator[Site]:
    with Site() as site:
        yield site


def environment(tmp_path: Path, url: str, more: Mapping[str, str]) -> dict[str, str]:
    home = str(tmp_path / "home")
    return {"HF_ENDPOINT": url, "HF_HOME": home, "HOME": home, "PYTHONPATH": str(ROOT), **more}


def start(tmp_path: Path, url: str, name: str = "ann/whisper", **more: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        download_command(name, tmp_path / "models"),
        env=environment(tmp_path, url, more),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def download(tmp_path: Path, url: str, name: str = "ann/whisper", **more: str) -> tuple[str, str]:
    """Return the command's stdout and the last line of its stderr."""
    with start(tmp_path, url, name, **more) as process:
        out, err = process.communicate(timeout=60)
    return out, err.splitlines()[-1]


def fill(folder: Path, files: Mapping[str, bytes]) -> Path:
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


def content(tmp_path: Path) -> dict[str, bytes]:
    folder = tmp_path / "models" / "ann--whisper"
    return {file.name: file.read_bytes() for file in folder.iterdir() if file.name != "sizes.json"}


def test_hub_names_equal_those_of_faster_whisper() -> None:
    assert dict(HUB_NAMES) == FASTER_WHISPER_NAMES


def test_download_contains_only_the_files_of_the_model(tmp_path: Path, site: Site) -> None:
    site.publish("ann/whisper", SMALL)
    out, last = download(tmp_path, site.url)
    assert (out, last) == (f"{tmp_path / 'models' / 'ann--whisper'}\n", "Model ann/whisper downloaded.")
    assert content(tmp_path) == {name: SMALL[name] for name in SMALL if name != "README.md"}


def test_model_size_is_downloaded_from_its_repository(tmp_path: Path, site: Site) -> None:
    site.publish("Systran/faster-whisper-small", SMALL)
    assert download(tmp_path, site.url, "small")[0] == f"{tmp_path / 'models' / 'small'}\n"


def test_download_resumes_after_a_broken_connection(tmp_path: Path, site: Site) -> None:
    site.publish("ann/whisper", {**SMALL, "model.bin": LARGE})
    site.pages[f"/ann/whisper/resolve/{COMMIT}/model.bin"].break_after_bytes = 11_000_000
    download(tmp_path, site.url)
    assert content(tmp_path)["model.bin"] == LARGE
    assert [request.range[:7] for request in site.asked_for("model.bin")] == ["", "bytes=1"]


def test_killed_download_leaves_no_model_and_the_next_one_resumes(tmp_path: Path, site: Site) -> None:
    site.publish("ann/whisper", {**SMALL, "model.bin": LARGE})
    page = site.pages[f"/ann/whisper/resolve/{COMMIT}/model.bin"]
    page.hold_after_bytes = 11_000_000
    part = tmp_path / "models" / ".ann--whisper.partial" / "hub" / COMMIT / "model.bin.part"
    with start(tmp_path, site.url) as process:
        assert site.holding.wait(60)
        wait_for_bytes(part)
        process.kill()
    downloaded_bytes = part.stat().st_size
    assert 0 < downloaded_bytes < len(LARGE)
    assert not (tmp_path / "models" / "ann--whisper").exists()

    page.hold_after_bytes = None
    download(tmp_path, site.url)
    assert content(tmp_path)["model.bin"] == LARGE
    assert site.asked_for("model.bin")[-1].range == f"bytes={downloaded_bytes}-"
    assert not (tmp_path / "models" / ".ann--whisper.partial").exists()


def wait_for_bytes(file: Path) -> None:
    """Wait until the file has content."""
    deadline = time.monotonic() + 60
    while not (file.exists() and file.stat().st_size):
        assert time.monotonic() < deadline
        threading.Event().wait(0.005)


def test_two_processes_download_a_model_once(tmp_path: Path, site: Site) -> None:
    site.publish("ann/whisper", SMALL)
    site.pages[f"/ann/whisper/resolve/{COMMIT}/model.bin"].hold_after_bytes = 3
    with start(tmp_path, site.url) as first:
        assert site.holding.wait(60)
        with start(tmp_path, site.url) as second:
            assert second.stderr is not None
            assert second.stderr.readline().startswith("Waiting for another process")
            site.released.set()
            assert first.communicate(timeout=60)[0] == second.communicate(timeout=60)[0] != ""
    assert len(site.asked_for("model.bin")) == 1


def test_damaged_file_is_downloaded_again(tmp_path: Path, site: Site) -> None:
    site.publish("ann/whisper", SMALL)
    page = site.pages[f"/ann/whisper/resolve/{COMMIT}/model.bin"]
    page.content = b"wEights"
    assert "the downloaded model.bin is damaged" in download(tmp_path, site.url)[1]
    assert not (tmp_path / "models" / "ann--whisper").exists()
    page.content = b"weights"
    download(tmp_path, site.url)
    assert content(tmp_path)["model.bin"] == b"weights"


def test_unreachable_hub_is_reported_with_the_next_step(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
    out, message = download(tmp_path, url)
    models = tmp_path / "models"
    assert out == ""
    assert message.startswith(f"The model ann/whisper is not in {models} and could not be downloaded ({url} did not")
    assert message.endswith(
        "run `stt-server download ann/whisper` on a machine with network access and copy the folder that it prints "
        f"to {models / 'ann--whisper'}."
    )


def test_offline_mode_sends_no_request_to_the_hub(tmp_path: Path, site: Site) -> None:
    site.publish("ann/whisper", SMALL)
    assert "(HF_HUB_OFFLINE is set)" in download(tmp_path, site.url, HF_HUB_OFFLINE="1")[1]
    assert site.requests == []


def test_missing_repository_is_reported(tmp_path: Path, site: Site) -> None:
    assert f"({site.url} has no ann/whisper, or requires HF_TOKEN" in download(tmp_path, site.url)[1]


def test_gated_repository_is_reported(tmp_path: Path, site: Site) -> None:
    site.pages[LISTING] = Page(b"{}", 403, {"X-Error-Code": "GatedRepo"})
    assert "set HF_TOKEN" in download(tmp_path, site.url)[1]


def test_repository_without_a_model_is_reported(tmp_path: Path, site: Site) -> None:
    site.publish("ann/whisper", {"config.json": b"{}", "model.safetensors": b"other"})
    assert "ann/whisper contains no model.bin" in download(tmp_path, site.url)[1]
    assert site.asked_for("config.json") == []


@pytest.mark.parametrize("revision", ["../../../victim", "/victim", "a/b", "..", "main/../..", "A" * 40, "0" * 39])
def test_revision_that_is_not_a_commit_is_rejected(tmp_path: Path, site: Site, revision: str) -> None:
    victim = fill(tmp_path / "victim", SMALL)
    site.publish("ann/whisper", SMALL)
    listing = json.loads(site.pages[LISTING].content)
    site.pages[LISTING].content = json.dumps({**listing, "sha": revision}).encode()
    assert "which is not a commit" in download(tmp_path, site.url)[1]
    assert victim.is_dir()
    assert not (tmp_path / "models" / "ann--whisper").exists()


@pytest.mark.parametrize(
    "name", ["vocabulary./../../../../victim", "vocabulary.\\x", "/victim/model.bin", "../config.json"]
)
def test_file_name_with_a_path_is_not_downloaded(tmp_path: Path, site: Site, name: str) -> None:
    site.publish("ann/whisper", {**SMALL, name: b"pwned"})
    download(tmp_path, site.url)
    assert set(content(tmp_path)) == set(SMALL) - {"README.md"}
    assert not any(b"pwned" in file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())
