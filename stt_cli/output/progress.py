"""Progress bars of concurrent recordings on a terminal: one per running recording and one for all."""

from __future__ import annotations

from pathlib import Path
from typing import TextIO

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    TaskID,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from stt_client.events import AudioFormat, Connection, ConnectionState, Event, Notice, Partial
from stt_client.sanitize import sanitize_message, sanitize_text

NAME_CELLS = 24
NARROW = 60  # columns; a wider terminal also shows the remaining time


class ProgressBars:
    """Draws the bars at the bottom of the terminal; text and messages go above them."""

    is_live = False

    def __init__(self, console: Console, stdout: TextIO, count: int) -> None:
        self._stdout = stdout
        self._console = console
        columns: list[ProgressColumn] = [TextColumn("{task.description}"), BarColumn(), TaskProgressColumn()]
        if console.width >= NARROW:
            columns.append(TimeRemainingColumn())
        self._progress = Progress(
            *columns, console=console, transient=True, redirect_stdout=False, redirect_stderr=False
        )
        self._total_task = self._progress.add_task(f"all {count}", total=count)

    def for_source(self, name: str) -> SourceBar:
        self._progress.start()
        return SourceBar(self, self._progress, name)

    def finish_source(self) -> None:
        self._progress.advance(self._total_task)

    def write(self, text: str) -> None:
        if not self._stdout.isatty():
            self._stdout.write(text)
            self._stdout.flush()
            return
        self._progress.stop()  # erases the bars, since stdout is the same terminal
        self._stdout.write(text)
        self._stdout.flush()
        self._progress.start()

    def warn(self, message: str) -> None:
        self._print(Text(sanitize_message(message)))

    def info(self, message: str) -> None:
        self._print(Text(sanitize_message(message), style="dim"))

    def write_fallback(self, text: str) -> None:
        self._print(Text(text.rstrip("\n")))

    def show_notice(self, notice: Notice) -> None:
        if not notice.reason.startswith("PARTIALS"):
            self.warn(f"Notice: {notice.message}")

    def show_finishing(self) -> None:
        self.info("Finishing: waiting for pending text.")

    def start_source(self, is_paced: bool) -> None: ...
    def set_duration(self, duration_ms: float | None) -> None: ...
    def show_partial(self, partial: Partial) -> None: ...
    def on_audio(self, chunk: bytes, audio_format: AudioFormat) -> None: ...
    def on_event(self, event: Event) -> None: ...

    def close(self) -> None:
        self._progress.stop()

    def _print(self, text: Text) -> None:
        self._console.print(text, highlight=False, soft_wrap=True)


class SourceBar:
    """The bar of one recording."""

    is_live = False

    def __init__(self, bars: ProgressBars, progress: Progress, name: str) -> None:
        self._bars = bars
        self._progress = progress
        self._name = Path(name).name
        self._is_waiting = False
        self._task: TaskID | None = None

    def for_source(self, name: str) -> SourceBar:
        return self

    def start_source(self, is_paced: bool) -> None:
        self._task = self._progress.add_task(self._description(), total=None)

    def set_duration(self, duration_ms: float | None) -> None:
        if self._task is not None:
            self._progress.update(self._task, total=duration_ms)

    def on_event(self, event: Event) -> None:
        if self._task is not None and event.received_ms:
            self._progress.update(self._task, completed=event.received_ms)
        if isinstance(event, Connection):
            self._on_connection(event)

    def _on_connection(self, connection: Connection) -> None:
        self._is_waiting = connection.state is ConnectionState.WAITING
        if self._task is not None:
            self._progress.update(self._task, description=self._description())
        if connection.state is ConnectionState.RECONNECTING:
            self.warn(f"{self._name}: {connection.message}")

    def _description(self) -> str:
        label = Text(sanitize_text(f"waiting: {self._name}" if self._is_waiting else self._name))
        label.truncate(NAME_CELLS, overflow="ellipsis")
        return label.markup

    def write(self, text: str) -> None:
        self._bars.write(text)

    def warn(self, message: str) -> None:
        self._bars.warn(message)

    def info(self, message: str) -> None:
        self._bars.info(message)

    def write_fallback(self, text: str) -> None:
        self._bars.write_fallback(text)

    def show_notice(self, notice: Notice) -> None:
        self._bars.show_notice(notice)

    def show_finishing(self) -> None: ...
    def show_partial(self, partial: Partial) -> None: ...
    def on_audio(self, chunk: bytes, audio_format: AudioFormat) -> None: ...

    def close(self) -> None:
        if self._task is not None:
            self._progress.remove_task(self._task)
            self._bars.finish_source()
            self._task = None
