"""Runs a recognition: sends sources to the server, and events to the screen, the outputs and the clipboard.

gRPC, audio decoding and the terminal are behind `client`, `sources` and `screen`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import aclosing, closing
from dataclasses import dataclass, replace
from enum import Enum, IntEnum, auto

from stt_cli.arguments.request import Request
from stt_cli.commands.capture import CaptureMonitor, SilenceTimeout
from stt_cli.commands.signals import SignalHandler
from stt_cli.output.clipboard import Clipboard, CopyResult
from stt_cli.output.event_writer import EventWriter
from stt_cli.output.formats import CAPTION_FORMATS
from stt_cli.output.ordered import OrderedOutput, OutputSlot
from stt_cli.output.screen import Screen
from stt_cli.output.writers import Outputs
from stt_client import client
from stt_client.audio.journal import Journal
from stt_client.audio.sources import Source
from stt_client.concurrency import task_group
from stt_client.errors import OutputError, ServiceError, SourceError, UnsupportedAudioError
from stt_client.events import AudioFormat, StreamOptions
from stt_client.recovery.retry import DEFAULT_RETRY_POLICY, RetryPolicy

# A batch may run more jobs than the server has slots. A long recording occupies its slot for hours.
BATCH_RETRY_POLICY = RetryPolicy(free_slot_s=24 * 3600.0)


class ExitCode(IntEnum):
    OK = 0
    FAILED = 1


@dataclass(frozen=True, slots=True)
class SourceItem:
    """A source with its origin, and the journal and silence watch of a microphone."""

    source: Source
    file: str | None = None  # None: microphone or standard input
    in_folder: bool = False  # found in a named folder: skipped, not failed, if it is not audio
    ends_by_signal: bool = False  # a microphone: Ctrl-C is its normal end
    journal: Journal | None = None
    silence_timeout: SilenceTimeout | None = None


class Result(Enum):
    DONE = auto()
    SKIPPED = auto()
    FAILED = auto()


async def recognize(
    request: Request, items: Sequence[SourceItem], screen: Screen, outputs: Outputs, clipboard: Clipboard | None = None
) -> int:
    """Recognize all sources; return the exit code. A source that fails is reported, and the others continue.

    Raises:
        ServiceError: The server is unavailable.
        SourceError: No source contains audio.
        BrokenPipeError: The reader of stdout closed it.
    """
    recognition = _Recognition(request, screen, clipboard)
    try:
        return await recognition.run(items, outputs)
    finally:
        screen.close()


class _ScreenReport:
    """Prints reports of the outputs on the screen."""

    def __init__(self, screen: Screen, with_headers: bool) -> None:
        self._screen = screen
        self._with_headers = with_headers

    def source_started(self, name: str) -> None:
        if self._with_headers:
            self._screen.info(f"# {name}")

    def info(self, sentence: str) -> None:
        self._screen.warn(sentence)

    def output_failed(self, error: OutputError) -> None:
        self._screen.warn(f"Error: {error} The unwritten text follows:")

    def write_fallback(self, text: str) -> None:
        self._screen.write_fallback(text)


class _Recognition:
    """One run of the command."""

    def __init__(self, request: Request, screen: Screen, clipboard: Clipboard | None) -> None:
        self._request = request
        self._output_options = request.output_options
        self._screen = screen
        self._clipboard = clipboard
        self._signals = SignalHandler(screen.show_finishing)
        self._copy_failed = False
        self._server_error: ServiceError | None = None  # the server is unavailable: start no more sources
        self._options = StreamOptions(
            settings=request.settings,
            partials=screen.is_live if self._output_options.partials is None else self._output_options.partials,
            word_times=self._output_options.word_times or self._output_options.format in CAPTION_FORMATS,
        )

    async def run(self, items: Sequence[SourceItem], outputs: Outputs) -> int:
        with self._signals.installed():
            try:
                async with task_group() as self._copies:
                    results = await self._recognize_all(items, outputs)
            except asyncio.CancelledError:
                if self._signals.signal is None:
                    raise
                return self._signals.exit_code
        if self._signals.signal is not None and not items[-1].ends_by_signal:
            return self._signals.exit_code
        if Result.DONE not in results and Result.FAILED not in results:
            raise SourceError("none of these files contains audio.")
        return ExitCode.FAILED if Result.FAILED in results else ExitCode.OK

    async def _recognize_all(self, items: Sequence[SourceItem], outputs: Outputs) -> list[Result]:
        """Recognize the sources with `jobs` concurrent tasks."""
        report = _ScreenReport(self._screen, with_headers=len(items) > 1 and self._output_options.format == "text")
        output, queue, results = OrderedOutput(outputs, len(items), report), iter(enumerate(items)), list[Result]()

        async def work() -> None:
            for index, item in queue:
                if self._signals.signal is None and self._server_error is None:
                    with output.slot(index) as slot:
                        results.append(await self._recognize_item(item, slot))

        with closing(output):
            async with task_group() as group:
                for _ in range(self._request.input_options.jobs):
                    group.create_task(work())
        if self._server_error is not None:
            raise self._server_error
        return [*results, Result.FAILED] if output.has_failed else results

    async def _recognize_item(self, item: SourceItem, slot: OutputSlot) -> Result:
        try:
            await self._transcribe(item, slot)
        except UnsupportedAudioError as error:
            self._screen.warn(f"Skipped: {error}" if item.in_folder else f"Error: {error}")
            return Result.SKIPPED if item.in_folder else Result.FAILED
        except SourceError as error:
            self._screen.warn(f"Error: {error}")
            return Result.FAILED
        except ServiceError as error:
            self._report_saved_audio(item)
            if error.status == "UNAVAILABLE":
                self._server_error = self._server_error or error  # the next source would fail too
                return Result.FAILED
            self._screen.warn(f"Error: {item.source.name}: {error}")
            return Result.FAILED
        return Result.DONE

    def _report_saved_audio(self, item: SourceItem) -> None:
        for file in item.journal.files if item.journal is not None else ():
            self._screen.warn(f"The audio is saved in {file}. To recognize it, run `stt-cli recover {file}`.")

    async def _transcribe(self, item: SourceItem, slot: OutputSlot) -> None:
        """Open the source, then the connection; audio captured meanwhile is buffered."""
        source, screen = item.source, self._screen.for_source(item.source.name)
        monitor = CaptureMonitor(screen, source.stop, item.journal, item.silence_timeout)
        screen.start_source(source.is_real_time)
        try:
            audio_format = await source.open(monitor)
            screen.set_duration(source.duration_ms)
            if item.ends_by_signal and screen.is_live:
                screen.info(f"Listening to {source.name}. Press Ctrl-C to stop.")
            writer = EventWriter(self._output_options, item.file, screen, slot.write, self._copy)
            slot.start(item.file or source.name, writer.header)
            with self._signals.stopping(source):
                await self._stream(item, audio_format, monitor, writer)
            slot.complete()
            if not writer.has_words:
                self._report_silence(item, monitor, screen)
        finally:
            source.close()
            monitor.close()
            screen.close()

    async def _stream(
        self, item: SourceItem, audio_format: AudioFormat, monitor: CaptureMonitor, writer: EventWriter
    ) -> None:
        options = replace(self._options, format=audio_format)
        retry_policy = DEFAULT_RETRY_POLICY if item.ends_by_signal else BATCH_RETRY_POLICY
        chunks = item.source.chunks()
        async with aclosing(client.recognize(self._request.target, chunks, options, retry_policy)) as events:
            async for event in events:
                monitor.on_event(event)
                writer.handle_event(event)

    def _report_silence(self, item: SourceItem, monitor: CaptureMonitor, screen: Screen) -> None:
        name = item.source.name
        if item.ends_by_signal and not monitor.has_signal:
            screen.warn(f"The microphone {name} delivered only silence: is it muted?")
        elif item.ends_by_signal or self._signals.signal is None:
            screen.warn(f"No speech found in {name}.")

    def _copy(self, text: str) -> None:
        if self._clipboard is not None:
            self._copies.create_task(self._copy_with(self._clipboard, text))

    async def _copy_with(self, clipboard: Clipboard, text: str) -> None:
        if await clipboard.copy(text) is CopyResult.NOWHERE and not self._copy_failed:
            self._copy_failed = True
            self._screen.warn("Cannot copy to a clipboard: see `stt-cli doctor`.")
