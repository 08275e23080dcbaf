"""The editor running: one loop for the terminal, the keys and gRPC.

The screen comes first; what is slow to load waits until it is drawn.
"""

from __future__ import annotations

import asyncio
import errno
import signal
from asyncio import TaskGroup
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager, redirect_stderr, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import urwid
from urwid.display.common import InputClosedError

from stt_cli.output.clipboard import Clipboard, CopyResult, tools
from stt_cli.output.terminal import undisturbed
from stt_client.events import StreamOptions
from stt_tui.audio_journal import AudioJournal, retry_command
from stt_tui.dictation_controller import Backends, DictationController
from stt_tui.editor import Editor
from stt_tui.failures import describe
from stt_tui.files import TextFile
from stt_tui.input_handler import Action, InputHandler
from stt_tui.keys import Command
from stt_tui.lines import CRLF, LF
from stt_tui.persistence import Persistence, words
from stt_tui.screen import PALETTE, EditorScreen
from stt_tui.status import Status
from stt_tui.terminal import Terminal
from stt_tui.transcript_presenter import TranscriptPresenter

OWED_S = 10.0  # waited for the last words when one quits; what was heard of them stays in the journal
CHORES_S = 5.0  # waited for a copy or a save that was asked for
MAX_ERRORS = 20  # of our own, each told in the status line; then the editor ends, as one that cannot draw would go on
GONE = {errno.EIO, errno.ENXIO, errno.EPIPE, errno.EBADF}  # what a terminal that was closed answers


@dataclass(frozen=True, slots=True)
class EditorOptions:
    """What there is to edit, and how."""

    file: TextFile | None
    text: str
    options: StreamOptions
    device: str | None
    records_at_once: bool
    state: Path  # the folder of what is to outlive the session


@dataclass(frozen=True, slots=True)
class Outcome:
    """How the editor ended."""

    farewell: str  # what there is to say then
    failure: str = ""  # a sentence about the error that ended it


async def run(work: EditorOptions, means: Backends) -> Outcome:
    """Edit until one quits. Whatever goes wrong, the terminal is as it was, and what is not saved is kept."""
    app = App(work, means)
    try:
        async with app.on_screen():
            await app.live()
    except Exception as error:  # the last resort
        app.end_by(error)
    failure = app.failure and describe(app.failure, work.state)
    return Outcome(app.farewell, failure or "")


class App:
    def __init__(self, work: EditorOptions, means: Backends) -> None:
        self._loop = asyncio.get_running_loop()
        self._work = work
        self._status = Status()
        self._editor = Editor(work.text)
        self._keeping = Persistence(self._editor.document, work.file, work.state, self._status, self._tell)
        self._scribe = TranscriptPresenter(self._editor.dictation, self._status, self._copy, self._follow)
        self._spoken = AudioJournal(work.state / "speech", work.options.settings, self._tell)
        self._speech = DictationController(means, work.options, work.device, self._scribe, self._spoken)
        self._clipboard = Clipboard(tools(), self._write)
        self._hands = InputHandler(self._editor, self._orders(), self._copy, self._loop.time)
        self._terminal = Terminal(self._editor.paste)
        self._main = urwid.MainLoop(
            EditorScreen(self._editor, self._current_status, self._hands),
            PALETTE,
            self._terminal,
            event_loop=urwid.AsyncioEventLoop(loop=self._loop),
        )
        self._tasks: TaskGroup | None = None
        self._chores = set[asyncio.Task[None]]()
        self._quit = asyncio.Event()
        self._hurry: Callable[[], object] = self._quit.set  # do not wait for what is owed
        self._is_quitting = False
        self._errors = 0
        self.failure: BaseException | None = None  # what has ended it
        self._is_drawing = False  # soon
        self._has_terminal = True
        self.farewell = ""

    @asynccontextmanager
    async def on_screen(self) -> AsyncIterator[None]:
        """Take the terminal, and give it back as it was."""
        self._loop.set_exception_handler(self._fail)
        with self._signals(), undisturbed(), redirect_stderr(None):
            self._main.start()
            try:
                yield
            finally:
                with suppress(OSError):  # of a terminal that is gone
                    self._main.stop()
                self._has_terminal = False

    async def live(self) -> None:
        """Edit until one quits, and wait for the last words for a while."""
        try:
            async with TaskGroup() as self._tasks:
                await asyncio.sleep(0)  # the first screen
                self._begin(self._look())
                if self._work.records_at_once:
                    self._record()
                await self._quit.wait()
                await self._last_words()
                if self._chores:
                    await asyncio.wait(self._chores, timeout=CHORES_S)
                self._tasks.create_task(_leave())
        except* _Left:
            pass
        finally:
            self._tasks = None
            self.farewell = "\n".join(self._kept())

    def _kept(self) -> Iterator[str]:
        if kept := self._keeping.close():
            yield kept
        for path in self._spoken.close():
            yield f"What was not recognised is kept: {retry_command(path)}"
        if self._spoken.risk:
            yield f"Not all of what was said is recognised or kept: {self._spoken.failure}."
        yield from self._keeping.speech_left()

    async def _last_words(self) -> None:
        self._speech.stop()
        if self._speech.is_owed:
            self._scribe.warn("Waiting for the last words; Ctrl+Q again quits now")
            with suppress(TimeoutError):
                async with asyncio.timeout(OWED_S) as patience:
                    self._hurry = lambda: patience.reschedule(0)
                    await self._speech.settled()

    # Orders

    def _orders(self) -> dict[Command, Action]:
        return {
            Command.RECORD: self._record,
            Command.COPY_ALL: lambda: self._copy(self._editor.document.text()),
            Command.QUIT: self._leave_soon,
            Command.SAVE: lambda: self._do(self._keeping.save()),
            Command.RESTORE: self._keeping.restore,
            Command.DISCARD: self._keeping.discard,
        }

    def _record(self) -> None:
        if self._speech.is_on:
            self._speech.stop()
        else:
            self._begin(self._speech.dictate())

    async def _look(self) -> None:
        await self._keeping.look()
        self._redraw()

    def _copy(self, text: str) -> None:
        self._do(self._copied(text.replace(CRLF, LF)))

    async def _copied(self, text: str) -> None:
        match await self._clipboard.copy(text):
            case CopyResult.SUPERSEDED:
                return
            case CopyResult.NOWHERE:
                self._scribe.tell("Not copied: no clipboard takes it", words(text))
            case way:
                self._scribe.tell(f"Copied {words(text)}", f"to {way.value}")

    def _leave_soon(self) -> None:
        if self._quit.is_set():
            self._hurry()
        elif not self._is_quitting:
            self._is_quitting = True
            self._begin(self._leave_if_kept())

    async def _leave_if_kept(self) -> None:
        try:
            if await self._keeping.may_quit():
                self._quit.set()
            else:
                self._scribe.tell("")  # room for the question
        finally:
            self._is_quitting = False
            self._redraw()

    def _do(self, chore: Coroutine[object, object, None]) -> None:
        """Begin what one waits for before the end: F3 and Ctrl+Q, pressed at once, copy and quit."""
        if (task := self._begin(chore)) is not None:
            self._chores.add(task)
            task.add_done_callback(self._chores.discard)

    def _begin(self, work: Coroutine[object, object, None]) -> asyncio.Task[None] | None:
        if self._tasks is None:
            work.close()
            return None
        return self._tasks.create_task(self._guarded(work))

    async def _guarded(self, work: Coroutine[object, object, None]) -> None:
        """Do it; an error of ours ends that work, and not the editor."""
        try:
            await work
        except Exception as error:
            self._report(error)

    def _report(self, error: BaseException) -> None:
        """Show the error in the status line; too many of them end the editor."""
        self._errors += 1
        if self._errors > MAX_ERRORS:
            self.end_by(error)
        else:
            self._scribe.tell(describe(error, self._work.state))

    def end_by(self, error: BaseException) -> None:
        self.failure = self.failure or error
        self._quit.set()

    # The screen

    def _current_status(self) -> Status:
        self._status.risk = self._keeping.risk or self._spoken.risk
        return self._status

    def _tell(self, sentence: str, detail: str = "") -> None:
        """Show a sentence in the status line; from any thread."""
        with suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(self._scribe.tell, sentence, detail)

    def _follow(self) -> None:
        self._keeping.journal.say(self._editor.dictation.ghosts())
        self._redraw()

    def _redraw(self) -> None:
        """Draw soon, once for all that happens until then."""
        if not self._is_drawing:
            self._is_drawing = True
            self._loop.call_soon(self._draw)

    def _draw(self) -> None:
        self._is_drawing = False
        if self._has_terminal:
            self._main.draw_screen()

    def _write(self, sequence: str) -> None:
        """Write to the terminal between two drawings; from any thread."""
        self._loop.call_soon_threadsafe(self._terminal.write, sequence)
        self._loop.call_soon_threadsafe(self._terminal.flush)

    # What ends it

    @contextmanager
    def _signals(self) -> Iterator[None]:
        handlers = {signal.SIGINT: self._quit.set, signal.SIGTERM: self._quit.set, signal.SIGHUP: self._hang_up}
        for number, handler in handlers.items():
            self._loop.add_signal_handler(number, handler)
        try:
            yield
        finally:
            for number in handlers:
                self._loop.remove_signal_handler(number)

    def _hang_up(self) -> None:
        """The terminal is gone: write down what is owed, and end."""
        if self._has_terminal:
            self._has_terminal = False
            self._terminal.unhook_event_loop(self._main.event_loop)
        self._quit.set()

    def _fail(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Hear of what went wrong in a callback of the loop."""
        error = context.get("exception")
        if isinstance(error, InputClosedError) or (isinstance(error, OSError) and error.errno in GONE):
            self._hang_up()
        elif error is not None:
            self._report(error)


class _Left(Exception):
    """Ends the tasks that are still at work."""


async def _leave() -> None:
    raise _Left
