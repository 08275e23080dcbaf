"""Runs `stt-cli recognize`: sources in order, events to screen and outputs.

Knows neither gRPC nor decoding nor the terminal: those are behind `client`, `sources` and `live`.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, replace
from enum import Enum, IntEnum, auto

from stt_cli import client
from stt_cli.errors import NotAudio, ServiceError, SourceError
from stt_cli.events import AudioFormat, Event, Final, Notice, Partial, Started, StreamOptions, Suppressed
from stt_cli.live import Screen
from stt_cli.outputs import Outputs, Write
from stt_cli.render import CAPTION_FORMATS, Renderer, renderer
from stt_cli.sources import Source


class ExitCode(IntEnum):
    OK = 0
    FAILED = 1
    INTERRUPTED = 130
    TERMINATED = 143


@dataclass(frozen=True, slots=True)
class Item:
    """A source and what is known of it before it opens."""

    source: Source
    file: str | None = None  # None: no file
    in_folder: bool = False  # named by its folder only: passed over when it is no audio
    ends_by_signal: bool = False  # a microphone has no other end


@dataclass(frozen=True, slots=True)
class Request:
    server: str
    options: StreamOptions
    format: str = "text"
    partials: bool | None = None  # None: on a terminal
    words: bool = False
    verbose: bool = False


class Result(Enum):
    DONE = auto()
    SKIPPED = auto()
    FAILED = auto()


class Interruption:
    """What Ctrl-C and SIGTERM do: the first ends the source, or all if none is open; the second ends all."""

    def __init__(self) -> None:
        self.signal: signal.Signals | None = None
        self.source: Source | None = None
        self._task = asyncio.current_task()

    @contextmanager
    def watching(self) -> Iterator[None]:
        loop, signals = asyncio.get_running_loop(), (signal.SIGINT, signal.SIGTERM)
        for number in signals:
            loop.add_signal_handler(number, self.interrupt, number)
        try:
            yield
        finally:
            for number in signals:
                loop.remove_signal_handler(number)

    def interrupt(self, number: signal.Signals) -> None:
        first, self.signal = self.signal is None, number
        if first and self.source is not None:
            self.source.stop()
        elif self._task is not None:
            self._task.cancel()

    @property
    def exit_code(self) -> ExitCode:
        return ExitCode.TERMINATED if self.signal is signal.SIGTERM else ExitCode.INTERRUPTED


async def recognize(request: Request, items: Sequence[Item], screen: Screen, outputs: Outputs) -> ExitCode:
    """Recognise all sources; tell of those that fail and go on with the others.

    Raises:
        ServiceError, SourceError, OutputError: when there is no point in going on.
        BrokenPipeError: when nobody reads stdout any more.
    """
    recognition = _Recognition(request, screen, outputs)
    return await recognition.run(items)


class _Recognition:
    """One run of the command."""

    def __init__(self, request: Request, screen: Screen, outputs: Outputs) -> None:
        self._request = request
        self._screen = screen
        self._outputs = outputs
        self._interruption = Interruption()
        self._with_headers = False
        self._options = replace(
            request.options,
            partials=screen.live if request.partials is None else request.partials,
            word_times=request.words or request.format in CAPTION_FORMATS,
        )

    async def run(self, items: Sequence[Item]) -> ExitCode:
        interruption = self._interruption
        with interruption.watching():
            try:
                return await self._all(items)
            except asyncio.CancelledError:
                if interruption.signal is None:
                    raise
                return interruption.exit_code

    async def _all(self, items: Sequence[Item]) -> ExitCode:
        self._with_headers = len(items) > 1 and self._request.format == "text"
        results = list[Result]()
        for item in items:
            results.append(await self._attempt(item))
            if self._interruption.signal is not None and not item.ends_by_signal:
                return self._interruption.exit_code
        if Result.DONE not in results and Result.FAILED not in results:
            raise SourceError("none of these files has sound in it.")
        return ExitCode.FAILED if Result.FAILED in results else ExitCode.OK

    async def _attempt(self, item: Item) -> Result:
        try:
            await self._recognize(item)
        except NotAudio as error:
            self._screen.warn(f"Skipped: {error}" if item.in_folder else f"Error: {error}")
            return Result.SKIPPED if item.in_folder else Result.FAILED
        except SourceError as error:
            self._screen.warn(f"Error: {error}")
            return Result.FAILED
        except ServiceError as error:
            if error.status == "UNAVAILABLE":
                raise  # it will be so for the next one too
            self._screen.warn(f"Error: {item.source.name}: {error}")
            return Result.FAILED
        return Result.DONE

    async def _recognize(self, item: Item) -> None:
        """Open the source, then the connection; what is said meanwhile waits."""
        self._screen.begin(item.source.live)
        try:
            audio_format = await item.source.open(self._screen)
            if item.ends_by_signal and self._screen.live:
                self._screen.aside(f"Listening to {item.source.name}; Ctrl-C ends.")
            if self._with_headers:
                self._screen.aside(f"# {item.source.name}")
            self._interruption.source = item.source
            await self._stream(item, audio_format)
        finally:
            self._interruption.source = None
            item.source.close()
            self._screen.close()

    async def _stream(self, item: Item, audio_format: AudioFormat) -> None:
        options = replace(self._options, format=audio_format)
        written = renderer(self._request.format, item.file, self._request.words)
        with self._outputs.open(item.file or item.source.name) as write:
            write(written.opening())
            events = client.recognize(self._request.server, item.source.chunks(), options)
            async with aclosing(events):
                async for event in events:
                    self._tell(event, written, write)

    def _tell(self, event: Event, written: Renderer, write: Write) -> None:
        screen, request = self._screen, self._request
        screen.follow(event)
        match event:
            case Partial():
                if request.format == "json" and request.partials:
                    write(written.render(event))
                if screen.live or request.format != "json":
                    screen.partial(event)
            case Final():
                write(written.render(event))
            case Suppressed():
                write(written.render(event))
                if screen.live or request.verbose:
                    screen.aside(f"Suppressed ({event.reason}): {event.text}")
            case Notice():
                screen.notice(event)
            case Started() if request.verbose:
                screen.aside(f"Model {event.model}, language {event.settings.language}")
