"""What a person sees while many recordings run at once: a bar for each that runs, and one for all."""

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
NARROW = 60  # cells; a wider terminal has room for the time that is left


class ProgressBars:
    """Keeps the bars at the bottom of the terminal; text and messages go above them."""

    live = False

    def __init__(self, console: Console, stdout: TextIO, count: int) -> None:
        self._stdout = stdout
        self._console = console
        columns: list[ProgressColumn] = [TextColumn("{task.description}"), BarColumn(), TaskProgressColumn()]
        if console.width >= NARROW:
            columns.append(TimeRemainingColumn())
        self._progress = Progress(
            *columns, console=console, transient=True, redirect_stdout=False, redirect_stderr=False
        )
        self._all = self._progress.add_task(f"all {count}", total=count)

    def part(self, name: str) -> Bar:
        self._progress.start()
        return Bar(self, self._progress, name)

    def done(self) -> None:
        self._progress.advance(self._all)

    def write(self, text: str) -> None:
        if not self._stdout.isatty():
            self._stdout.write(text)
            self._stdout.flush()
            return
        self._progress.stop()  # erases the bars: stdout knows nothing of them
        self._stdout.write(text)
        self._stdout.flush()
        self._progress.start()

    def warn(self, sentence: str) -> None:
        self._print(Text(sanitize_message(sentence)))

    def aside(self, sentence: str) -> None:
        self._print(Text(sanitize_message(sentence), style="dim"))

    def rescue(self, text: str) -> None:
        self._print(Text(text.rstrip("\n")))

    def notice(self, notice: Notice) -> None:
        if not notice.reason.startswith("PARTIALS"):
            self.warn(f"Notice: {notice.message}")

    def finishing(self) -> None:
        self.aside("Finishing: what is owed will come.")

    def begin(self, paced: bool) -> None: ...
    def lasts(self, duration_ms: float | None) -> None: ...
    def partial(self, partial: Partial) -> None: ...
    def heard(self, chunk: bytes, audio_format: AudioFormat) -> None: ...
    def follow(self, event: Event) -> None: ...

    def close(self) -> None:
        self._progress.stop()

    def _print(self, text: Text) -> None:
        self._console.print(text, highlight=False, soft_wrap=True)


class Bar:
    """One recording's part of the screen."""

    live = False

    def __init__(self, bars: ProgressBars, progress: Progress, name: str) -> None:
        self._bars = bars
        self._progress = progress
        self._name = Path(name).name
        self._is_waiting = False
        self._task: TaskID | None = None

    def part(self, name: str) -> Bar:
        return self

    def begin(self, paced: bool) -> None:
        self._task = self._progress.add_task(self._description(), total=None)

    def lasts(self, duration_ms: float | None) -> None:
        if self._task is not None:
            self._progress.update(self._task, total=duration_ms)

    def follow(self, event: Event) -> None:
        if self._task is not None and event.received_ms:
            self._progress.update(self._task, completed=event.received_ms)
        if isinstance(event, Connection):
            self._follow_connection(event)

    def _follow_connection(self, connection: Connection) -> None:
        self._is_waiting = connection.state is ConnectionState.WAITING
        if self._task is not None:
            self._progress.update(self._task, description=self._description())
        if connection.state is ConnectionState.RECONNECTING:
            self.warn(f"{self._name}: {connection.message}")

    def _description(self) -> str:
        shown = Text(sanitize_text(f"waiting: {self._name}" if self._is_waiting else self._name))
        shown.truncate(NAME_CELLS, overflow="ellipsis")
        return shown.markup

    def write(self, text: str) -> None:
        self._bars.write(text)

    def warn(self, sentence: str) -> None:
        self._bars.warn(sentence)

    def aside(self, sentence: str) -> None:
        self._bars.aside(sentence)

    def rescue(self, text: str) -> None:
        self._bars.rescue(text)

    def notice(self, notice: Notice) -> None:
        self._bars.notice(notice)

    def finishing(self) -> None: ...
    def partial(self, partial: Partial) -> None: ...
    def heard(self, chunk: bytes, audio_format: AudioFormat) -> None: ...

    def close(self) -> None:
        if self._task is not None:
            self._progress.remove_task(self._task)
            self._bars.done()
            self._task = None
