"""ReloadingFile: changed files are reloaded, and invalid content is ignored."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path, PosixPath

import pytest

from stt_service.access.file_watcher import MAX_UNSTABLE_S, STABLE_AFTER_S, ReloadingFile
from stt_service.errors import ConfigError


class CountingReader:
    """Reads the file and counts the reads; the content `bad` is invalid."""

    def __init__(self, path: Path) -> None:
        self.path, self.reads = path, 0

    def __call__(self) -> str:
        self.reads += 1
        try:
            text = self.path.read_text()
        except OSError as error:
            raise ConfigError(f"{self.path} cannot be read.") from error
        if text == "bad":
            raise ConfigError(f"{self.path} is bad.")
        return text


@pytest.fixture
def read(tmp_path: Path) -> CountingReader:
    path = tmp_path / "file"
    path.write_text("one")
    return CountingReader(path)


def rewrite(path: Path, text: str) -> None:
    """Write the file until its ctime changes: the clock of a file system may advance only every few milliseconds.

    In production the difference is covered by STABLE_AFTER_S; `watch` turns that off by a clock that is an hour ahead.
    """
    before = path.stat().st_ctime_ns if path.exists() else 0
    path.write_text(text)
    while path.stat().st_ctime_ns == before:
        path.write_text(text)


def watch(read: CountingReader) -> ReloadingFile[str]:
    """Watch the file at a time at which it has long been stable."""
    return ReloadingFile((read.path,), read, now=lambda: time.time() + 3600)


def test_unchanged_file_is_read_once(read: CountingReader) -> None:
    watched = watch(read)
    assert [watched.value() for _ in range(3)] == ["one"] * 3
    assert read.reads == 1


def test_changed_file_is_reloaded(read: CountingReader) -> None:
    watched = watch(read)
    rewrite(read.path, "three")
    assert watched.value() == "three"


def test_replaced_file_with_the_same_size_and_mtime_is_reloaded(read: CountingReader) -> None:
    watched = watch(read)
    other = read.path.with_name("other")
    other.write_text("two")
    times = read.path.stat()
    os.utime(other, ns=(times.st_atime_ns, times.st_mtime_ns))
    other.replace(read.path)
    assert watched.value() == "two"


def test_redirected_symlink_is_reloaded_as_kubernetes_updates_secrets(read: CountingReader, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(read.path)
    read.path = link
    watched = watch(read)
    (tmp_path / "new").write_text("two")
    (tmp_path / "next").symlink_to(tmp_path / "new")
    (tmp_path / "next").replace(link)
    assert watched.value() == "two"


@pytest.mark.parametrize("damage", [lambda path: rewrite(path, "bad"), Path.unlink], ids=["invalid", "missing"])
def test_invalid_or_missing_file_keeps_the_previous_value_and_is_logged_once(
    read: CountingReader, caplog: pytest.LogCaptureFixture, damage: object
) -> None:
    watched = watch(read)
    assert callable(damage)
    damage(read.path)
    assert [watched.value() for _ in range(3)] == ["one"] * 3
    (message,) = caplog.messages
    assert message.startswith(f'file reload failed, previous content stays in use error="{read.path} ')
    rewrite(read.path, "fixed")
    assert watched.value() == "fixed"


def test_file_that_is_invalid_at_first_is_an_error(read: CountingReader) -> None:
    read.path.write_text("bad")
    with pytest.raises(ConfigError):
        ReloadingFile((read.path,), read)


def at(read: CountingReader, seconds: list[float]) -> Callable[[], float]:
    """Return a clock at the file's last change plus the last number of seconds in the list.

    It computes as ReloadingFile does: st_ctime is rounded differently, and less than STABLE_AFTER_S may appear to pass.
    """
    return lambda: read.path.stat().st_ctime_ns / 1e9 + seconds[-1]


def test_recently_changed_value_is_merged_with_the_previous_one_until_stable(
    read: CountingReader,
) -> None:
    later = [0.0]
    watched = ReloadingFile((read.path,), read, merge="{}+{}".format, now=at(read, later))
    read.path.write_text("two")
    assert watched.value() == "one+two"
    later.append(STABLE_AFTER_S)
    assert watched.value() == "two"


def test_half_written_file_is_no_error_until_stable(read: CountingReader, caplog: pytest.LogCaptureFixture) -> None:
    later = [0.0]
    watched = ReloadingFile((read.path,), read, now=at(read, later))
    read.path.write_text("bad")
    assert [watched.value(), watched.value()] == ["one", "one"]
    assert caplog.messages == []
    later.append(STABLE_AFTER_S)
    assert [watched.value(), watched.value()] == ["one", "one"]
    assert len(caplog.messages) == 1


class ChangingFile(PosixPath):
    """A file that always changed 0.1 s ago."""

    clock = 0.0

    def stat(self, *, follow_symlinks: bool = True) -> os.stat_result:
        times = dict.fromkeys(("st_ctime_ns", "st_mtime_ns", "st_atime_ns"), int((ChangingFile.clock - 0.1) * 1e9))
        return os.stat_result(tuple(super().stat()), times)


def test_file_that_keeps_changing_is_accepted_after_the_maximum_wait(read: CountingReader) -> None:
    ChangingFile.clock = 1e9
    watched = ReloadingFile((ChangingFile(read.path),), read, merge="{}+{}".format, now=lambda: ChangingFile.clock)
    read.path.write_text("two")
    assert watched.value() == "one+two"
    ChangingFile.clock += MAX_UNSTABLE_S
    assert watched.value() == "two"
