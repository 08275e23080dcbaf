"""Output of a running recognition: text on stdout, everything else on stderr.

`PlainScreen` is for pipes and files; `live_line.py` and `progress.py` draw on terminals.
"""

from __future__ import annotations

from typing import Protocol, TextIO

from stt_client.events import AudioFormat, Connection, ConnectionState, Event, Notice, Partial
from stt_client.sanitize import sanitize_message, sanitize_text


class Screen(Protocol):
    @property
    def is_live(self) -> bool:
        """Whether partials are displayed as they change."""

    def for_source(self, name: str) -> Screen:
        """Return the screen of one source; several may be active at the same time."""

    def start_source(self, is_paced: bool) -> None:
        """Reset for a new source. `is_paced`: its audio arrives in real time."""

    def set_duration(self, duration_ms: float | None) -> None:
        """Set the expected duration of the opened source; None: unknown."""

    def show_finishing(self) -> None:
        """Show that a signal stopped the sources and pending text is awaited."""

    def write(self, text: str) -> None:
        """Write to stdout without buffering.

        Raises:
            BrokenPipeError: The reader of stdout closed it.
        """

    def warn(self, message: str) -> None:
        """Write a line to stderr."""

    def info(self, message: str) -> None:
        """Write a less important line to stderr."""

    def write_fallback(self, text: str) -> None:
        """Write rendered text to stderr because its output failed."""

    def show_partial(self, partial: Partial) -> None: ...

    def show_notice(self, notice: Notice) -> None:
        """Show a notice of the server."""

    def on_audio(self, chunk: bytes, audio_format: AudioFormat) -> None: ...

    def on_event(self, event: Event) -> None:
        """Update the position and the connection state from any event."""

    def close(self) -> None: ...


class PlainScreen:
    is_live = False

    def __init__(self, stdout: TextIO, stderr: TextIO) -> None:
        self._stdout = stdout
        self._stderr = stderr
        self._is_disconnected = False
        self._has_waited = False

    def for_source(self, name: str) -> PlainScreen:
        return self

    def start_source(self, is_paced: bool) -> None: ...
    def set_duration(self, duration_ms: float | None) -> None: ...
    def show_finishing(self) -> None: ...

    def write(self, text: str) -> None:
        self._stdout.write(text)
        self._stdout.flush()

    def warn(self, message: str) -> None:
        self._print(sanitize_message(message))

    def _print(self, line: str) -> None:
        self._stderr.write(f"{line}\n")
        self._stderr.flush()

    def info(self, message: str) -> None:
        self.warn(message)

    def write_fallback(self, text: str) -> None:
        self._stderr.write(text)
        self._stderr.flush()

    def show_partial(self, partial: Partial) -> None:
        self._print(sanitize_text(partial.stable + partial.unstable))

    def show_notice(self, notice: Notice) -> None:
        self.warn(f"Notice: {notice.message}")

    def on_audio(self, chunk: bytes, audio_format: AudioFormat) -> None: ...

    def on_event(self, event: Event) -> None:
        match event:
            case Connection(state=ConnectionState.WAITING, message=message) if not self._has_waited:
                self.warn(f"{message} Waiting for a free slot.")
                self._has_waited = True  # printed once per run
            case Connection(state=ConnectionState.RECONNECTING, message=message) if not self._is_disconnected:
                self.warn(f"{message} Audio is buffered until the connection is restored.")
                self._is_disconnected = True
            case Connection(state=ConnectionState.RESUMED):
                self.warn("The connection is restored.")
                self._is_disconnected = False

    def close(self) -> None: ...
