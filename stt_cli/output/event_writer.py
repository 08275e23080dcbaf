"""Tells of one source's events: to the screen, to the output, and, sentence by sentence, to the clipboard."""

from __future__ import annotations

from collections.abc import Callable

from stt_cli.arguments.request import OutputOptions
from stt_cli.output.formats import renderer
from stt_cli.output.screen import Screen
from stt_cli.output.writers import Write
from stt_client.events import Event, Final, Notice, Partial, Started, Suppressed
from stt_client.sanitize import sanitize_text


class EventWriter:
    def __init__(
        self, writing: OutputOptions, file: str | None, screen: Screen, write: Write, copy: Callable[[str], None]
    ) -> None:
        self._writing = writing
        self._screen = screen
        self._write = write
        self._copy = copy
        self._rendered = renderer(writing.format, file, writing.words)
        self.has_words = False

    @property
    def opening(self) -> str:
        """What precedes the first text."""
        return self._rendered.opening()

    def handle_event(self, event: Event) -> None:
        screen, writing = self._screen, self._writing
        match event:
            case Partial():
                if writing.format == "json" and writing.partials:
                    self._write(self._rendered.render(event))
                if screen.live or writing.format != "json":
                    screen.partial(event)
            case Final(text=text):
                self.has_words = True
                self._write(self._rendered.render(event))
                self._copy(sanitize_text(text))
            case Suppressed(reason=reason, text=text):
                self._write(self._rendered.render(event))
                self.has_words |= bool(text)
                lost = text and writing.format != "json"  # JSON has the event itself
                if lost or screen.live or writing.verbose:
                    screen.aside(f"Suppressed ({reason}): {text}")
            case Notice():
                screen.notice(event)
            case Started(model=model, settings=settings) if writing.verbose:
                screen.aside(f"Model {model}, language {settings.language}")
