"""Weights are found in their folder, or downloaded there completely."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from stt_service.errors import ModelNotFoundError
from stt_service.models.store import Source, models_folder, resolve

COMPLETE = {"model.bin": b"weights", "config.json": b"{}", "tokenizer.json": b"{}", "vocabulary.txt": b"a\n"}


class FakeSource:
    """A source that has every model except `unknown-model`."""

    def __init__(self, files: dict[str, bytes] | None = None, *, failure: str = "") -> None:
        self._files = COMPLETE if files is None else files
        self._failure = failure
        self.requested: list[str] = []

    def offers(self, name: str) -> bool:
        return name != "unknown-model"

    def fetch(self, name: str, staging: Path) -> Path:
        self.requested.append(name)
        fill(staging / "files", self._files)
        if self._failure:
            raise ModelNotFoundError(self._failure)
        return staging / "files"


def fill(folder: Path, files: dict[str, bytes]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


def error_of(name: str, models_dir: Path, *sources: Source, fetch: bool = True) -> str:
    with pytest.raises(ModelNotFoundError) as caught:
        resolve(name, models_dir, fetch=fetch, sources=sources)
    return str(caught.value)


def test_path_of_a_folder_with_a_model_is_returned(tmp_path: Path) -> None:
    folder = fill(tmp_path / "my model", {"model.bin": b"weights"})
    assert resolve(str(folder), tmp_path / "models", sources=()) == folder


def test_weights_in_the_models_folder_are_not_downloaded(tmp_path: Path) -> None:
    folder = fill(tmp_path / "base", COMPLETE)
    assert resolve("base", tmp_path, sources=()) == folder


def test_hub_name_maps_to_a_folder_of_one_level(tmp_path: Path) -> None:
    folder = fill(tmp_path / "ann--whisper-ru", COMPLETE)
    assert resolve("ann/whisper-ru", tmp_path, sources=()) == folder


def test_weights_are_downloaded_once_without_leftovers(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    source, models_dir = FakeSource(), tmp_path / "cache" / "models"
    assert resolve("medium", models_dir, sources=[source]) == models_dir / "medium"
    assert resolve("medium", models_dir, sources=[source]) == models_dir / "medium"
    assert source.requested == ["medium"]
    assert {path.name for path in models_dir.iterdir()} == {"medium", ".medium.lock"}
    assert (models_dir / "medium" / "model.bin").read_bytes() == b"weights"
    output = capfd.readouterr()
    assert output.out == ""
    assert output.err.splitlines() == [
        f"Downloading model medium to {models_dir / 'medium'}.",
        "Model medium downloaded.",
    ]


def test_empty_folder_is_filled(tmp_path: Path) -> None:
    (tmp_path / "medium").mkdir()
    assert (resolve("medium", tmp_path, sources=[FakeSource()]) / "model.bin").exists()


def test_next_source_is_used_after_a_failure(tmp_path: Path) -> None:
    failing, working = FakeSource(failure="no connection"), FakeSource()
    assert (resolve("base", tmp_path, sources=[failing, working]) / "model.bin").exists()
    assert (failing.requested, working.requested) == (["base"], ["base"])


def test_failure_of_all_sources_is_reported_with_reasons_and_the_way_to_copy(tmp_path: Path) -> None:
    message = error_of("base", tmp_path, FakeSource(failure="no pip"), FakeSource(failure="no network"))
    assert message == (
        f"The model base is not in {tmp_path} and could not be downloaded (no pip; no network): run "
        f"`stt-server download base` on a machine with network access and copy the folder that it prints to "
        f"{tmp_path / 'base'}."
    )
    assert not (tmp_path / "base").exists()


def test_missing_weights_without_download_are_reported_with_the_command(tmp_path: Path) -> None:
    source = FakeSource()
    message = error_of("medium", tmp_path, source, fetch=False)
    assert message.startswith(f"The model medium is not in {tmp_path}: run `stt-server download medium`")
    assert source.requested == []


def test_unknown_name_is_rejected_with_similar_names(tmp_path: Path) -> None:
    assert "no source has that name: try medium" in error_of("meduim", tmp_path)
    assert "large-v3-turbo" in error_of("unknown-model", tmp_path, FakeSource())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "name", ["../base", "/nowhere/at/all", "a/b/c", ".", "", "~/nothing", "~no-such-user/x", "a\0b"]
)
def test_invalid_name_is_rejected(name: str, tmp_path: Path) -> None:
    assert "is neither a folder with a model.bin nor the name of a model" in error_of(name, tmp_path, FakeSource())


@pytest.mark.parametrize(
    ("missing", "problem"),
    [
        ("model.bin", "model.bin is missing"),
        ("config.json", "config.json is missing"),
        ("tokenizer.json", "tokenizer.json is missing"),
        ("vocabulary.txt", "vocabulary.json or vocabulary.txt is missing"),
    ],
)
def test_folder_with_a_missing_file_is_rejected(missing: str, problem: str, tmp_path: Path) -> None:
    fill(tmp_path / "base", {name: content for name, content in COMPLETE.items() if name != missing})
    message = error_of("base", tmp_path, FakeSource())
    assert message.startswith(f"{tmp_path / 'base'} is incomplete ({problem}): copy it there again, or delete it")


def test_incomplete_copy_is_detected_by_its_sizes(tmp_path: Path) -> None:
    folder = resolve("base", tmp_path, sources=[FakeSource()])
    (folder / "model.bin").write_bytes(b"weigh")
    assert "model.bin has 5 bytes instead of 7" in error_of("base", tmp_path, FakeSource())


def test_download_that_is_not_a_model_is_not_installed(tmp_path: Path) -> None:
    message = error_of("base", tmp_path, FakeSource({"config.json": b"{}"}))
    assert "is not a CTranslate2 model: model.bin is missing" in message
    assert not (tmp_path / "base").exists()


def test_models_folder_that_cannot_be_created_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    message = error_of("base", tmp_path / "file" / "models", FakeSource())
    assert message.startswith(f"{tmp_path / 'file' / 'models' / 'base'} cannot be read: Not a directory")


def test_weights_that_cannot_be_written_are_reported(tmp_path: Path) -> None:
    (tmp_path / ".base.partial").touch()  # where the staging folder should be
    assert "and cannot be stored there: " in error_of("base", tmp_path, FakeSource())


def test_models_folder_is_that_of_the_settings_or_of_the_platform() -> None:
    assert models_folder("/data/models") == Path("/data/models")
    assert models_folder("~/models") == Path.home() / "models"
    assert models_folder("").parts[-2:] == ("realtime-stt", "models")


@pytest.mark.parametrize("setting", ["", "~no-such-user/models"])
def test_user_without_a_home_folder_gets_the_settings_to_set(setting: str) -> None:
    def cache(name: str) -> Path:
        raise RuntimeError("could not determine the home directory")

    with pytest.raises(ModelNotFoundError, match=r"this user .* has none: set MODELS_DIR to a folder, or HOME"):
        models_folder(setting, cache)


def test_store_does_not_import_the_engine() -> None:
    loaded = subprocess.run(
        [sys.executable, "-c", "import sys, stt_service.models.store; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[3],
    ).stdout.split()
    assert "stt_service.models.store" in loaded
    assert {"faster_whisper", "ctranslate2", "huggingface_hub"}.isdisjoint(loaded)
