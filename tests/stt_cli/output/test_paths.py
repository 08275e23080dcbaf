"""The kind of the file at a path, for any name."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from stt_cli.output.paths import exists, is_folder, is_regular, is_same

NAMES = ["n" * 300, "a\0b", os.fsdecode(b"caf\xe9"), "loop"]


@pytest.mark.parametrize("name", NAMES)
def test_path_of_any_name_does_not_raise(tmp_path: Path, name: str) -> None:
    (tmp_path / "loop").symlink_to("loop")
    path = tmp_path / name
    assert (exists(path), is_folder(path), is_regular(path), is_same(path, tmp_path)) == (False, False, False, False)


def test_links_to_files_and_folders_are_distinguished(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("file")
    assert (is_regular(tmp_path / "link"), is_folder(tmp_path / "link"), is_folder(tmp_path)) == (True, False, True)
    assert is_same(tmp_path / "link", tmp_path / "file")
