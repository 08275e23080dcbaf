"""What files say is read again when they change, and a broken file changes nothing."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path, PosixPath

import pytest

from stt_service.access.file_watcher import MAX_UNSETTLED_S, SETTLED_S, ReloadingFile
from stt_service.errors import ConfigError


class Read:
    """Counts how often the file was read; `bad` in it will not do."""

    def __init__(self, path: Path) -> None:
        self.path, self.times = path, 0

    def __call__(self) -> str:
        self.times += 1
        try:
            text = self.path.read_text()
        except OSError as error:
            raise ConfigError(f"{self.path} cannot be read.") from error
        if text == "bad":
            raise ConfigError(f"{self.path} is bad.")
        return text


@pytest.fixture
def read(tmp_path: Path) -> Read:
    path = tmp_path / "file"
    path.write_text("one")
    return Read(path)


def watch(read: Read) -> ReloadingFile[str]:
    """Watch the file at a time at which it was left alone for long."""
    return ReloadingFile((read.path,), read, now=lambda: time.time() + 3600)


def test_a_file_that_stays_is_read_once(read: Read) -> None:
    watched = watch(read)
    assert [watched.value() for _ in range(3)] == ["one"] * 3
    assert read.times == 1


def test_a_file_that_is_written_is_read_again(read: Read) -> None:
    watched = watch(read)
    read.path.write_text("three")
    assert watched.value() == "three"


def test_a_file_that_is_replaced_is_read_again_though_its_size_and_time_are_the_same(read: Read) -> None:
    watched = watch(read)
    other = read.path.with_name("other")
    other.write_text("two")
    times = read.path.stat()
    os.utime(other, ns=(times.st_atime_ns, times.st_mtime_ns))
    other.replace(read.path)
    assert watched.value() == "two"


def test_a_link_that_points_elsewhere_is_read_again_as_kubernetes_changes_secrets(read: Read, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(read.path)
    read.path = link
    watched = watch(read)
    (tmp_path / "new").write_text("two")
    (tmp_path / "next").symlink_to(tmp_path / "new")
    (tmp_path / "next").replace(link)
    assert watched.value() == "two"


@pytest.mark.parametrize("harm", [lambda path: path.write_text("bad"), Path.unlink], ids=["broken", "gone"])
def test_what_held_before_holds_on_and_the_log_tells_it_once(
    read: Read, caplog: pytest.LogCaptureFixture, harm: object
) -> None:
    watched = watch(read)
    assert callable(harm)
    harm(read.path)
    assert [watched.value() for _ in range(3)] == ["one"] * 3
    (told,) = caplog.messages
    assert told.startswith(str(read.path))
    assert told.endswith("What held before goes on to hold.")
    read.path.write_text("mended")
    assert watched.value() == "mended"


def test_what_is_broken_at_first_is_an_error(read: Read) -> None:
    read.path.write_text("bad")
    with pytest.raises(ConfigError):
        ReloadingFile((read.path,), read)


def at(read: Read, seconds: list[float]) -> Callable[[], float]:
    """Return a clock that shows the time of the file's last change and so many seconds, the last of the list."""
    return lambda: read.path.stat().st_ctime + seconds[-1]


def test_a_file_that_was_just_changed_is_merged_with_what_it_said_and_holds_alone_once_it_was_left_alone(
    read: Read,
) -> None:
    later = [0.0]
    watched = ReloadingFile((read.path,), read, merge="{}+{}".format, now=at(read, later))
    read.path.write_text("two")
    assert watched.value() == "one+two"
    later.append(SETTLED_S)
    assert watched.value() == "two"


def test_a_file_that_is_half_written_is_no_error_until_it_was_left_alone(
    read: Read, caplog: pytest.LogCaptureFixture
) -> None:
    later = [0.0]
    watched = ReloadingFile((read.path,), read, now=at(read, later))
    read.path.write_text("bad")
    assert [watched.value(), watched.value()] == ["one", "one"]
    assert caplog.messages == []
    later.append(SETTLED_S)
    assert [watched.value(), watched.value()] == ["one", "one"]
    assert len(caplog.messages) == 1


class Restless(PosixPath):
    """A file that is always a tenth of a second old."""

    clock = 0.0

    def stat(self, *, follow_symlinks: bool = True) -> os.stat_result:
        times = dict.fromkeys(("st_ctime_ns", "st_mtime_ns", "st_atime_ns"), int((Restless.clock - 0.1) * 1e9))
        return os.stat_result(tuple(super().stat()), times)


def test_a_file_that_is_never_left_alone_holds_after_a_while(read: Read) -> None:
    Restless.clock = 1e9
    watched = ReloadingFile((Restless(read.path),), read, merge="{}+{}".format, now=lambda: Restless.clock)
    read.path.write_text("two")
    assert watched.value() == "one+two"
    Restless.clock += MAX_UNSETTLED_S
    assert watched.value() == "two"
