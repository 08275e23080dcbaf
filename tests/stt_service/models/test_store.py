"""Weights are found where they lie, or put there whole."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from stt_service.errors import ModelNotFoundError
from stt_service.models.store import Source, models_folder, resolve

WHOLE = {"model.bin": b"weights", "config.json": b"{}", "tokenizer.json": b"{}", "vocabulary.txt": b"a\n"}


class Shelf:
    """A source that has every model, unless told otherwise."""

    def __init__(self, files: dict[str, bytes] | None = None, *, failure: str = "") -> None:
        self._files = WHOLE if files is None else files
        self._failure = failure
        self.asked: list[str] = []

    def offers(self, name: str) -> bool:
        return name != "nobodys"

    def fetch(self, name: str, staging: Path) -> Path:
        self.asked.append(name)
        fill(staging / "files", self._files)
        if self._failure:
            raise ModelNotFoundError(self._failure)
        return staging / "files"


def fill(folder: Path, files: dict[str, bytes]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


def refusal(name: str, models_dir: Path, *sources: Source, fetch: bool = True) -> str:
    with pytest.raises(ModelNotFoundError) as refused:
        resolve(name, models_dir, fetch=fetch, sources=sources)
    return str(refused.value)


def test_a_folder_with_a_model_is_itself_the_weights(tmp_path: Path) -> None:
    folder = fill(tmp_path / "my model", {"model.bin": b"weights"})
    assert resolve(str(folder), tmp_path / "models", sources=()) == folder


def test_weights_in_the_models_folder_are_not_fetched(tmp_path: Path) -> None:
    folder = fill(tmp_path / "base", WHOLE)
    assert resolve("base", tmp_path, sources=()) == folder


def test_a_hub_name_lies_in_a_folder_of_one_level(tmp_path: Path) -> None:
    folder = fill(tmp_path / "ann--whisper-ru", WHOLE)
    assert resolve("ann/whisper-ru", tmp_path, sources=()) == folder


def test_weights_are_fetched_once_and_nothing_else_is_left(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    shelf, models_dir = Shelf(), tmp_path / "cache" / "models"
    assert resolve("medium", models_dir, sources=[shelf]) == models_dir / "medium"
    assert resolve("medium", models_dir, sources=[shelf]) == models_dir / "medium"
    assert shelf.asked == ["medium"]
    assert {path.name for path in models_dir.iterdir()} == {"medium", ".medium.lock"}
    assert (models_dir / "medium" / "model.bin").read_bytes() == b"weights"
    output = capfd.readouterr()
    assert output.out == ""
    assert output.err.splitlines() == [
        f"Fetching the model medium into {models_dir / 'medium'}.",
        "The model medium is there.",
    ]


def test_an_empty_folder_is_filled(tmp_path: Path) -> None:
    (tmp_path / "medium").mkdir()
    assert (resolve("medium", tmp_path, sources=[Shelf()]) / "model.bin").exists()


def test_where_one_source_fails_the_next_is_tried(tmp_path: Path) -> None:
    broken, good = Shelf(failure="the line is dead"), Shelf()
    assert (resolve("base", tmp_path, sources=[broken, good]) / "model.bin").exists()
    assert (broken.asked, good.asked) == (["base"], ["base"])


def test_where_all_sources_fail_the_sentence_tells_why_and_how_to_copy(tmp_path: Path) -> None:
    sentence = refusal("base", tmp_path, Shelf(failure="no pip"), Shelf(failure="no network"))
    assert sentence == (
        f"The model base is not in {tmp_path} and could not be fetched (no pip; no network): fetch it with "
        f"`stt-server download base` on a machine that has a network and copy the folder it prints to "
        f"{tmp_path / 'base'}."
    )
    assert not (tmp_path / "base").exists()


def test_without_fetching_the_sentence_tells_how_to_fetch(tmp_path: Path) -> None:
    shelf = Shelf()
    sentence = refusal("medium", tmp_path, shelf, fetch=False)
    assert sentence.startswith(f"The model medium is not in {tmp_path}: fetch it with `stt-server download medium`")
    assert shelf.asked == []


def test_an_unknown_name_is_answered_with_its_neighbours(tmp_path: Path) -> None:
    assert "there is none of that name: try medium" in refusal("meduim", tmp_path)
    assert "large-v3-turbo" in refusal("nobodys", tmp_path, Shelf())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "name", ["../base", "/nowhere/at/all", "a/b/c", ".", "", "~/nothing", "~nobody-at-all/x", "a\0b"]
)
def test_what_can_be_no_name_is_refused(name: str, tmp_path: Path) -> None:
    assert "is neither a folder with a model.bin nor the name of a model" in refusal(name, tmp_path, Shelf())


@pytest.mark.parametrize(
    ("missing", "said"),
    [
        ("model.bin", "there is no model.bin"),
        ("config.json", "there is no config.json"),
        ("tokenizer.json", "there is no tokenizer.json"),
        ("vocabulary.txt", "there is no vocabulary.json or vocabulary.txt"),
    ],
)
def test_a_folder_that_lacks_something_is_refused(missing: str, said: str, tmp_path: Path) -> None:
    fill(tmp_path / "base", {name: content for name, content in WHOLE.items() if name != missing})
    sentence = refusal("base", tmp_path, Shelf())
    assert sentence.startswith(f"{tmp_path / 'base'} is not whole ({said}): copy it there again, or delete it")


def test_a_copy_that_broke_off_is_noticed_by_its_sizes(tmp_path: Path) -> None:
    folder = resolve("base", tmp_path, sources=[Shelf()])
    (folder / "model.bin").write_bytes(b"weigh")
    assert "model.bin has 5 bytes instead of 7" in refusal("base", tmp_path, Shelf())


def test_what_was_fetched_but_is_no_model_is_not_put_in_place(tmp_path: Path) -> None:
    sentence = refusal("base", tmp_path, Shelf({"config.json": b"{}"}))
    assert "no model for CTranslate2: there is no model.bin" in sentence
    assert not (tmp_path / "base").exists()


def test_a_models_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    sentence = refusal("base", tmp_path / "file" / "models", Shelf())
    assert sentence.startswith(f"{tmp_path / 'file' / 'models' / 'base'} cannot be read: Not a directory")


def test_weights_that_cannot_be_written_are_told(tmp_path: Path) -> None:
    (tmp_path / ".base.partial").touch()  # where the staging folder should be
    assert "and cannot be put there: " in refusal("base", tmp_path, Shelf())


def test_the_models_folder_is_the_settings_or_the_platforms() -> None:
    assert models_folder("/data/models") == Path("/data/models")
    assert models_folder("~/models") == Path.home() / "models"
    assert models_folder("").parts[-2:] == ("realtime-stt", "models")


@pytest.mark.parametrize("setting", ["", "~nobody-at-all/models"])
def test_a_user_without_a_home_folder_is_told_what_to_set(setting: str) -> None:
    def cache(name: str) -> Path:
        raise RuntimeError("could not determine the home directory")

    with pytest.raises(ModelNotFoundError, match=r"this user .* has none: set MODELS_DIR to a folder, or HOME"):
        models_folder(setting, cache)


def test_looking_for_weights_loads_no_engine() -> None:
    loaded = subprocess.run(
        [sys.executable, "-c", "import sys, stt_service.models.store; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[3],
    ).stdout.split()
    assert "stt_service.models.store" in loaded
    assert {"faster_whisper", "ctranslate2", "huggingface_hub"}.isdisjoint(loaded)
