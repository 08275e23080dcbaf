"""The running editor: one event loop for the terminal, the keys and gRPC.

The first screen is drawn before slow modules are loaded.
"""

from __future__ import annotations

import asyncio
import signal
from asyncio import TaskGroup
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, redirect_stderr, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import urwid

from stt_cli.output.clipboard import Clipboard, CopyResult, clipboard_tools
from stt_cli.output.terminal import silence_library_stderr
from stt_client.events import StreamOptions
from stt_tui.audio_journal import AudioJournal, recover_command
from stt_tui.dictation_controller import Backends, DictationController
from stt_tui.editor import Editor
from stt_tui.failures import describe
from stt_tui.files import TextFile
from stt_tui.input_handler import Action, InputHandler
from stt_tui.keys import Command
from stt_tui.lines import CRLF, LF
from stt_tui.persistence import Persistence, format_word_count
from stt_tui.screen import PALETTE, EditorScreen
from stt_tui.status import Status
from stt_tui.terminal import Terminal, handle_signals, is_terminal_closed
from stt_tui.transcript_presenter import TranscriptPresenter

FINALS_TIMEOUT_S = 10.0  # wait for pending finals before quitting; their partials are in the journal
PENDING_TASKS_TIMEOUT_S = 5.0  # wait for a requested copy or save before quitting
MAX_ERRORS = 20  # internal errors shown in the status line; one more quits, or a broken editor would run forever


@dataclass(frozen=True, slots=True)
class EditorOptions:
    """The text to edit, and how to dictate into it."""

    file: TextFile | None
    text: str
    stream_options: StreamOptions
    device: str | None
    records_at_start: bool
    state_folder: Path  # for data that outlives the session


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of a session."""

    exit_message: str  # lines to print after the screen is restored
    failure: str = ""  # one sentence about the internal error that ended the session


async def run(options: EditorOptions, backends: Backends) -> Outcome:
    """Edit until the user quits. After any error the terminal is restored and unsaved text is in the journal."""
    app = App(options, backends)
    try:
        async with app.on_screen():
            await app.run()
    except Exception as error:  # the last resort
        app.fail(error)
    failure = app.failure and describe(app.failure, options.state_folder)
    return Outcome(app.exit_message, failure or "")


class App:
    def __init__(self, options: EditorOptions, backends: Backends) -> None:
        self._loop = asyncio.get_running_loop()
        self._options = options
        self._status = Status()
        self._editor = Editor(options.text)
        self._persistence = Persistence(
            self._editor.document, options.file, options.state_folder, self._status, self._show_message
        )
        self._presenter = TranscriptPresenter(
            self._editor.dictation, self._status, self._copy, self._on_transcript_change
        )
        self._audio_journal = AudioJournal(
            options.state_folder / "speech", options.stream_options.settings, self._show_message
        )
        self._controller = DictationController(
            backends, options.stream_options, options.device, self._presenter, self._audio_journal
        )
        self._clipboard = Clipboard(clipboard_tools(), self._write_to_terminal)
        self._input_handler = InputHandler(self._editor, self._actions(), self._copy, self._loop.time)
        self._terminal = Terminal(self._editor.paste)
        self._main_loop = urwid.MainLoop(
            EditorScreen(self._editor, self._current_status, self._input_handler),
            PALETTE,
            self._terminal,
            event_loop=urwid.AsyncioEventLoop(loop=self._loop),
        )
        self._tasks: TaskGroup | None = None
        self._pending_tasks = set[asyncio.Task[None]]()
        self._quit = asyncio.Event()
        self._skip_wait: Callable[[], object] = self._quit.set  # stops the wait for pending finals
        self._is_quitting = False
        self._errors = 0
        self.failure: BaseException | None = None  # the error that ended the session
        self._is_draw_scheduled = False
        self._has_terminal = True
        self.exit_message = ""

    @asynccontextmanager
    async def on_screen(self) -> AsyncIterator[None]:
        """Take over the terminal, and restore it at the end."""
        self._loop.set_exception_handler(self._on_loop_error)
        signals = {signal.SIGINT: self._quit.set, signal.SIGTERM: self._quit.set, signal.SIGHUP: self._hang_up}
        with handle_signals(self._loop, signals), silence_library_stderr(), redirect_stderr(None):
            self._main_loop.start()
            try:
                yield
            finally:
                with suppress(OSError):  # the terminal is closed
                    self._main_loop.stop()
                self._has_terminal = False

    async def run(self) -> None:
        """Edit until the user quits, then wait up to `FINALS_TIMEOUT_S` for pending finals."""
        try:
            async with TaskGroup() as self._tasks:
                await asyncio.sleep(0)  # the first screen
                self._start(self._offer_recovered())
                if self._options.records_at_start:
                    self._record()
                await self._quit.wait()
                await self._wait_for_finals()
                if self._pending_tasks:
                    await asyncio.wait(self._pending_tasks, timeout=PENDING_TASKS_TIMEOUT_S)
                self._tasks.create_task(_raise_quit())
        except* _QuitError:
            pass
        finally:
            self._tasks = None
            self.exit_message = "\n".join(self._exit_lines())

    def _exit_lines(self) -> Iterator[str]:
        if message := self._persistence.close():
            yield message
        for path in self._audio_journal.close():
            yield f"Unrecognized audio is kept: {recover_command(path)}"
        if self._audio_journal.risk:
            yield f"Some audio was neither recognized nor saved: {self._audio_journal.failure}."
        yield from self._persistence.recording_lines()

    async def _wait_for_finals(self) -> None:
        self._controller.stop()
        if self._controller.has_pending:
            self._presenter.warn("Waiting for the last words; Ctrl+Q again quits now")
            with suppress(TimeoutError):
                async with asyncio.timeout(FINALS_TIMEOUT_S) as timeout:
                    self._skip_wait = lambda: timeout.reschedule(0)
                    await self._controller.wait_until_idle()

    # Actions

    def _actions(self) -> dict[Command, Action]:
        return {
            Command.RECORD: self._record,
            Command.COPY_ALL: lambda: self._copy(self._editor.document.text()),
            Command.QUIT: self._request_quit,
            Command.SAVE: lambda: self._start_pending(self._persistence.save()),
            Command.RESTORE: self._persistence.restore,
            Command.DISCARD: self._persistence.discard,
        }

    def _record(self) -> None:
        if self._controller.is_recording:
            self._controller.stop()
        else:
            self._start(self._controller.dictate())

    async def _offer_recovered(self) -> None:
        await self._persistence.offer_recovered()
        self._redraw()

    def _copy(self, text: str) -> None:
        self._start_pending(self._copy_to_clipboard(text.replace(CRLF, LF)))

    async def _copy_to_clipboard(self, text: str) -> None:
        match await self._clipboard.copy(text):
            case CopyResult.SUPERSEDED:
                return
            case CopyResult.NOWHERE:
                self._presenter.show("Not copied: no clipboard available", format_word_count(text))
            case way:
                self._presenter.show(f"Copied {format_word_count(text)}", f"to {way.value}")

    def _request_quit(self) -> None:
        if self._quit.is_set():
            self._skip_wait()
        elif not self._is_quitting:
            self._is_quitting = True
            self._start(self._quit_if_safe())

    async def _quit_if_safe(self) -> None:
        try:
            if await self._persistence.may_quit():
                self._quit.set()
            else:
                self._presenter.show("")  # makes room for the question
        finally:
            self._is_quitting = False
            self._redraw()

    def _start_pending(self, chore: Coroutine[object, object, None]) -> None:
        """Start work that quitting waits for: F3 followed at once by Ctrl+Q copies, then quits."""
        if (task := self._start(chore)) is not None:
            self._pending_tasks.add(task)
            task.add_done_callback(self._pending_tasks.discard)

    def _start(self, work: Coroutine[object, object, None]) -> asyncio.Task[None] | None:
        if self._tasks is None:
            work.close()
            return None
        return self._tasks.create_task(self._guarded(work))

    async def _guarded(self, work: Coroutine[object, object, None]) -> None:
        """Run the work; an internal error ends the work, not the editor."""
        try:
            await work
        except Exception as error:
            self._report(error)

    def _report(self, error: BaseException) -> None:
        """Show the error in the status line; more than `MAX_ERRORS` end the session."""
        self._errors += 1
        if self._errors > MAX_ERRORS:
            self.fail(error)
        else:
            self._presenter.show(describe(error, self._options.state_folder))

    def fail(self, error: BaseException) -> None:
        self.failure = self.failure or error
        self._quit.set()

    # The screen

    def _current_status(self) -> Status:
        self._status.risk = self._persistence.risk or self._audio_journal.risk
        return self._status

    def _show_message(self, sentence: str, detail: str = "") -> None:
        """Show a message in the status line. Thread-safe."""
        with suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(self._presenter.show, sentence, detail)

    def _on_transcript_change(self) -> None:
        self._persistence.journal.record_preedits(self._editor.dictation.preedits())
        self._redraw()

    def _redraw(self) -> None:
        """Schedule one drawing for all changes until the loop runs it."""
        if not self._is_draw_scheduled:
            self._is_draw_scheduled = True
            self._loop.call_soon(self._draw)

    def _draw(self) -> None:
        self._is_draw_scheduled = False
        if self._has_terminal:
            self._main_loop.draw_screen()

    def _write_to_terminal(self, sequence: str) -> None:
        """Write to the terminal between two drawings. Thread-safe."""
        self._loop.call_soon_threadsafe(self._terminal.write, sequence)
        self._loop.call_soon_threadsafe(self._terminal.flush)

    # Hang-up and errors

    def _hang_up(self) -> None:
        """Quit because the terminal is closed; pending finals are still awaited."""
        if self._has_terminal:
            self._has_terminal = False
            self._terminal.unhook_event_loop(self._main_loop.event_loop)
        self._quit.set()

    def _on_loop_error(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """Handle an exception from a callback of the event loop."""
        error = context.get("exception")
        if is_terminal_closed(error):
            self._hang_up()
        elif error is not None:
            self._report(error)


class _QuitError(Exception):
    """Cancels the tasks that are still running."""


async def _raise_quit() -> None:
    raise _QuitError
