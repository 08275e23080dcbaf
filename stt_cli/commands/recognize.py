"""Runs `stt-cli recognize`: sources to a server, events to screen, outputs and clipboard.

Knows neither gRPC nor decoding nor the terminal: those are behind `client`, `sources` and `screen`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import aclosing, closing
from dataclasses import dataclass, replace
from enum import Enum, IntEnum, auto

from stt_cli.arguments.request import Request
from stt_cli.commands.capture import CaptureMonitor
from stt_cli.commands.signals import SignalHandler
from stt_cli.output.clipboard import Clipboard, CopyResult
from stt_cli.output.event_writer import EventWriter
from stt_cli.output.formats import CAPTION_FORMATS
from stt_cli.output.ordered import OrderedOutput, OutputSlot
from stt_cli.output.screen import Screen
from stt_cli.output.writers import Outputs
from stt_client import client
from stt_client.audio.journal import Journal
from stt_client.audio.silence_timeout import SilenceTimeout
from stt_client.audio.sources import Source
from stt_client.concurrency import task_group
from stt_client.errors import OutputError, ServiceError, SourceError, UnsupportedAudioError
from stt_client.events import AudioFormat, StreamOptions
from stt_client.recovery.retry import DEFAULT_RETRY_POLICY, RetryPolicy

# A batch may have more jobs than the server has slots; a slot is free again when a long recording has ended.
BATCH = RetryPolicy(free_slot_s=24 * 3600.0)


class ExitCode(IntEnum):
    OK = 0
    FAILED = 1


@dataclass(frozen=True, slots=True)
class Item:
    """A source and what is known of it before it opens."""

    source: Source
    file: str | None = None  # None: no file
    in_folder: bool = False  # named by its folder only: passed over when it is no audio
    ends_by_signal: bool = False  # a microphone may have no other end
    journal: Journal | None = None
    silence: SilenceTimeout | None = None


class Result(Enum):
    DONE = auto()
    SKIPPED = auto()
    FAILED = auto()


async def recognize(
    request: Request, items: Sequence[Item], screen: Screen, outputs: Outputs, clipboard: Clipboard | None = None
) -> int:
    """Recognise all sources; tell of those that fail and go on with the others; return the exit code.

    Raises:
        ServiceError, SourceError: when there is no point in going on.
        BrokenPipeError: when nobody reads stdout any more.
    """
    recognition = _Recognition(request, screen, clipboard)
    try:
        return await recognition.run(items, outputs)
    finally:
        screen.close()


class _Report:
    """What the outputs have to report goes to the screen."""

    def __init__(self, screen: Screen, with_headers: bool) -> None:
        self._screen = screen
        self._with_headers = with_headers

    def begins(self, name: str) -> None:
        if self._with_headers:
            self._screen.aside(f"# {name}")

    def note(self, sentence: str) -> None:
        self._screen.warn(sentence)

    def failed(self, error: OutputError) -> None:
        self._screen.warn(f"Error: {error} The text that it does not hold follows here.")

    def rescue(self, text: str) -> None:
        self._screen.rescue(text)


class _Recognition:
    """One run of the command."""

    def __init__(self, request: Request, screen: Screen, clipboard: Clipboard | None) -> None:
        self._request = request
        self._writing = request.writing
        self._screen = screen
        self._clipboard = clipboard
        self._interruption = SignalHandler(screen.finishing)
        self._copy_failed = False
        self._lost: ServiceError | None = None  # with the server: no more sources are begun
        self._options = StreamOptions(
            settings=request.settings,
            partials=screen.live if self._writing.partials is None else self._writing.partials,
            word_times=self._writing.words or self._writing.format in CAPTION_FORMATS,
        )

    async def run(self, items: Sequence[Item], outputs: Outputs) -> int:
        with self._interruption.watching():
            try:
                async with task_group() as self._copies:
                    results = await self._all(items, outputs)
            except asyncio.CancelledError:
                if self._interruption.signal is None:
                    raise
                return self._interruption.exit_code
        if self._interruption.signal is not None and not items[-1].ends_by_signal:
            return self._interruption.exit_code
        if Result.DONE not in results and Result.FAILED not in results:
            raise SourceError("none of these files has sound in it.")
        return ExitCode.FAILED if Result.FAILED in results else ExitCode.OK

    async def _all(self, items: Sequence[Item], outputs: Outputs) -> list[Result]:
        """Recognize the sources, as many at once as was asked for."""
        report = _Report(self._screen, with_headers=len(items) > 1 and self._writing.format == "text")
        turns, waiting, results = OrderedOutput(outputs, len(items), report), iter(enumerate(items)), list[Result]()

        async def work() -> None:
            for place, item in waiting:
                if self._interruption.signal is None and self._lost is None:
                    with turns.turn(place) as turn:
                        results.append(await self._attempt(item, turn))

        with closing(turns):
            async with task_group() as group:
                for _ in range(self._request.audio.jobs):
                    group.create_task(work())
        if self._lost is not None:
            raise self._lost
        return [*results, Result.FAILED] if turns.has_failed else results

    async def _attempt(self, item: Item, turn: OutputSlot) -> Result:
        try:
            await self._recognize(item, turn)
        except UnsupportedAudioError as error:
            self._screen.warn(f"Skipped: {error}" if item.in_folder else f"Error: {error}")
            return Result.SKIPPED if item.in_folder else Result.FAILED
        except SourceError as error:
            self._screen.warn(f"Error: {error}")
            return Result.FAILED
        except ServiceError as error:
            self._tell_of_the_journal(item)
            if error.status == "UNAVAILABLE":
                self._lost = self._lost or error  # it will be so for the next one too
                return Result.FAILED
            self._screen.warn(f"Error: {item.source.name}: {error}")
            return Result.FAILED
        return Result.DONE

    def _tell_of_the_journal(self, item: Item) -> None:
        for file in item.journal.files if item.journal is not None else ():
            self._screen.warn(f"What was said is in {file}: `stt-cli recover {file}` recognises it.")

    async def _recognize(self, item: Item, turn: OutputSlot) -> None:
        """Open the source, then the connection; what is said meanwhile waits."""
        source, screen = item.source, self._screen.part(item.source.name)
        hearing = CaptureMonitor(screen, source.stop, item.journal, item.silence)
        screen.begin(source.is_real_time)
        try:
            audio_format = await source.open(hearing)
            screen.lasts(source.duration_ms)
            if item.ends_by_signal and screen.live:
                screen.aside(f"Listening to {source.name}; Ctrl-C ends.")
            telling = EventWriter(self._writing, item.file, screen, turn.write, self._copy)
            turn.begin(item.file or source.name, telling.opening)
            with self._interruption.ending(source):
                await self._stream(item, audio_format, hearing, telling)
            turn.complete()
            if not telling.has_words:
                self._report_silence(item, hearing, screen)
        finally:
            source.close()
            hearing.close()
            screen.close()

    async def _stream(
        self, item: Item, audio_format: AudioFormat, hearing: CaptureMonitor, telling: EventWriter
    ) -> None:
        options = replace(self._options, format=audio_format)
        patience = DEFAULT_RETRY_POLICY if item.ends_by_signal else BATCH
        chunks = item.source.chunks()
        async with aclosing(client.recognize(self._request.target, chunks, options, patience)) as events:
            async for event in events:
                hearing.follow(event)
                telling.handle_event(event)

    def _report_silence(self, item: Item, hearing: CaptureMonitor, screen: Screen) -> None:
        name = item.source.name
        if item.ends_by_signal and not hearing.has_signal:
            screen.warn(f"The microphone {name} delivered only silence: is it muted?")
        elif item.ends_by_signal or self._interruption.signal is None:
            screen.warn(f"No speech found in {name}.")

    def _copy(self, text: str) -> None:
        if self._clipboard is not None:
            self._copies.create_task(self._copy_with(self._clipboard, text))

    async def _copy_with(self, clipboard: Clipboard, text: str) -> None:
        if await clipboard.copy(text) is CopyResult.NOWHERE and not self._copy_failed:
            self._copy_failed = True
            self._screen.warn("No clipboard takes the sentences: see `stt-cli doctor`.")
