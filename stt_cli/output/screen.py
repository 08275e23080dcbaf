"""Where a running recognition tells what it does: the text on stdout, all else on stderr.

`PlainScreen` is for pipes and files; `live.py` and `bars.py` draw on terminals.
"""

from __future__ import annotations

from typing import Protocol, TextIO

from stt_client.events import AudioFormat, Connection, ConnectionState, Event, Notice, Partial
from stt_client.sanitize import sanitize_message, sanitize_text


class Screen(Protocol):
    @property
    def live(self) -> bool:
        """Whether a partial is worth asking for."""

    def part(self, name: str) -> Screen:
        """Return the screen of the source of that name, one of several that may run at once."""

    def begin(self, paced: bool) -> None:
        """A source begins; `paced`: at the speed of speech."""

    def lasts(self, duration_ms: float | None) -> None:
        """The source has opened, and promises to be so long."""

    def finishing(self) -> None:
        """The sources are being ended by a signal; what is owed will come."""

    def write(self, text: str) -> None:
        """Write to stdout, at once.

        Raises:
            BrokenPipeError: when nobody reads it any more.
        """

    def warn(self, sentence: str) -> None:
        """Write a line to stderr."""

    def aside(self, sentence: str) -> None:
        """Write a line of less weight to stderr."""

    def rescue(self, text: str) -> None:
        """Write rendered text to stderr, whole: its output could not take it."""

    def partial(self, partial: Partial) -> None: ...

    def notice(self, notice: Notice) -> None:
        """Tell what the server wants to be known."""

    def heard(self, chunk: bytes, audio_format: AudioFormat) -> None: ...

    def follow(self, event: Event) -> None:
        """Learn from any event how far the server is, and how it stands with it."""

    def close(self) -> None: ...


class PlainScreen:
    live = False

    def __init__(self, stdout: TextIO, stderr: TextIO) -> None:
        self._stdout = stdout
        self._stderr = stderr
        self._is_lost = False
        self._has_waited = False

    def part(self, name: str) -> PlainScreen:
        return self

    def begin(self, paced: bool) -> None: ...
    def lasts(self, duration_ms: float | None) -> None: ...
    def finishing(self) -> None: ...

    def write(self, text: str) -> None:
        self._stdout.write(text)
        self._stdout.flush()

    def warn(self, sentence: str) -> None:
        self._line(sanitize_message(sentence))

    def _line(self, line: str) -> None:
        self._stderr.write(f"{line}\n")
        self._stderr.flush()

    def aside(self, sentence: str) -> None:
        self.warn(sentence)

    def rescue(self, text: str) -> None:
        self._stderr.write(text)
        self._stderr.flush()

    def partial(self, partial: Partial) -> None:
        self._line(sanitize_text(partial.stable + partial.unstable))

    def notice(self, notice: Notice) -> None:
        self.warn(f"Notice: {notice.message}")

    def heard(self, chunk: bytes, audio_format: AudioFormat) -> None: ...

    def follow(self, event: Event) -> None:
        match event:
            case Connection(state=ConnectionState.WAITING, message=message) if not self._has_waited:
                self.warn(f"{message} Waiting for a free slot.")
                self._has_waited = True  # once is enough for all recordings of a run
            case Connection(state=ConnectionState.RECONNECTING, message=message) if not self._is_lost:
                self.warn(f"{message} What is said is kept, and the server tried again.")
                self._is_lost = True
            case Connection(state=ConnectionState.RESUMED):
                self.warn("A server is there again.")
                self._is_lost = False

    def close(self) -> None: ...
