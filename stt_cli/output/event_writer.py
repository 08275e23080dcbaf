"""Writes the events of one source to the screen, to its output and, sentence by sentence, to the clipboard."""

from __future__ import annotations

from collections.abc import Callable

from stt_cli.arguments.request import OutputOptions
from stt_cli.output.formats import create_renderer
from stt_cli.output.screen import Screen
from stt_cli.output.writers import Write
from stt_client.events import Event, Final, Notice, Partial, Started, Suppressed
from stt_client.sanitize import sanitize_text


class EventWriter:
    def __init__(
        self, options: OutputOptions, file: str | None, screen: Screen, write: Write, copy: Callable[[str], None]
    ) -> None:
        self._options = options
        self._screen = screen
        self._write = write
        self._copy = copy
        self._renderer = create_renderer(options.format, file, options.word_times)
        self.has_words = False

    @property
    def header(self) -> str:
        """The text before the first event."""
        return self._renderer.header()

    def handle_event(self, event: Event) -> None:
        screen, options = self._screen, self._options
        match event:
            case Partial():
                if options.format == "json" and options.partials:
                    self._write(self._renderer.render(event))
                if screen.is_live or options.format != "json":
                    screen.show_partial(event)
            case Final(text=text):
                self.has_words = True
                self._write(self._renderer.render(event))
                self._copy(sanitize_text(text))
            case Suppressed(reason=reason, text=text):
                self._write(self._renderer.render(event))
                self.has_words |= bool(text)
                is_unwritten = text and options.format != "json"  # JSON contains the event
                if is_unwritten or screen.is_live or options.verbose:
                    screen.info(f"Suppressed ({reason}): {text}")
            case Notice():
                screen.show_notice(event)
            case Started(model=model, settings=settings) if options.verbose:
                screen.info(f"Model {model}, language {settings.language}")
