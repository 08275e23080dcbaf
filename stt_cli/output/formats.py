"""Renders events as text, JSON lines, SRT or WebVTT. Pure.

docs/recognize.schema.json describes the JSON; a test validates the output against it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from stt_cli.output.captions import Caption, captions
from stt_client.events import Event, Final, Partial, Suppressed, Word
from stt_client.sanitize import sanitize_text, to_json

SUFFIXES = {"text": ".txt", "json": ".jsonl", "srt": ".srt", "vtt": ".vtt"}
CAPTION_FORMATS = frozenset({"srt", "vtt"})

Json = dict[str, object]


class Renderer(Protocol):
    """Renders one source's events."""

    def header(self) -> str:
        """Return the text before the first event."""

    def render(self, event: Event) -> str:
        """Return the text of the event; empty for most events."""


def create_renderer(name: str, file: str | None = None, words: bool = False) -> Renderer:
    """Return the renderer of a format. `file` is added to JSON objects, `words` adds word times."""
    makers: dict[str, Callable[[], Renderer]] = {
        "text": lambda: TextLines(words),
        "json": lambda: JsonLines(file),
        "srt": Srt,
        "vtt": WebVtt,
    }
    return makers[name]()


class TextLines:
    """One line per final; with word times, one line per word: start, end, word, separated by tabs."""

    def __init__(self, words: bool) -> None:
        self._words = words

    def header(self) -> str:
        return ""

    def render(self, event: Event) -> str:
        match event:
            case Final() if self._words:
                whole = Word(event.text, event.start_ms, event.end_ms, event.confidence)
                return "".join(map(self._line, event.words or [whole]))
            case Final(text=text):
                return f"{sanitize_text(text)}\n"
        return ""

    def _line(self, word: Word) -> str:
        return f"{_seconds(word.start_ms):.3f}\t{_seconds(word.end_ms):.3f}\t{sanitize_text(word.text)}\n"


class JsonLines:
    """One object per line; times in seconds."""

    def __init__(self, file: str | None) -> None:
        self._file = file

    def header(self) -> str:
        return ""

    def render(self, event: Event) -> str:
        match event:
            case Final():
                fields = _final(event)
            case Partial():
                fields = _partial(event)
            case Suppressed():
                fields = _suppressed(event)
            case _:
                return ""
        file = {} if self._file is None else {"file": self._file}
        return to_json(file | fields) + "\n"


class Srt:
    def __init__(self) -> None:
        self._number = 0

    def header(self) -> str:
        return ""

    def render(self, event: Event) -> str:
        return "".join(map(self._cue, captions(event))) if isinstance(event, Final) else ""

    def _cue(self, caption: Caption) -> str:
        self._number += 1
        times = f"{_timestamp(caption.start_ms, ',')} --> {_timestamp(caption.end_ms, ',')}"
        return f"{self._number}\n{times}\n{_lines(caption)}\n\n"


class WebVtt:
    def header(self) -> str:
        return "WEBVTT\n\n"

    def render(self, event: Event) -> str:
        return "".join(map(self._cue, captions(event))) if isinstance(event, Final) else ""

    def _cue(self, caption: Caption) -> str:
        times = f"{_timestamp(caption.start_ms, '.')} --> {_timestamp(caption.end_ms, '.')}"
        text = _lines(caption).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        return f"{times}\n{text}\n\n"


def _lines(caption: Caption) -> str:
    return "\n".join(map(sanitize_text, caption.lines))


def _timestamp(position_ms: int, point: str) -> str:
    seconds, ms = divmod(position_ms, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{seconds:02}{point}{ms:03}"


def _seconds(position_ms: int) -> float:
    return position_ms / 1000


def _final(final: Final) -> Json:
    latency = final.latency
    fields: Json = {
        "event": "final",
        "utterance": final.utterance,
        "start": _seconds(final.start_ms),
        "end": _seconds(final.end_ms),
        "text": final.text,
        "language": final.language,
        "language_probability": round(final.language_probability, 4),
        "confidence": round(final.confidence, 4),
        "endpoint": final.endpoint,
        "latency": {
            "endpoint": latency.endpoint_s,
            "queue": latency.queue_s,
            "inference": latency.inference_s,
            "speculative": latency.speculative,
            "batch": latency.batch,
        },
    }
    return fields | ({"words": [_word(word) for word in final.words]} if final.words else {})


def _word(word: Word) -> Json:
    return {
        "text": word.text,
        "start": _seconds(word.start_ms),
        "end": _seconds(word.end_ms),
        "confidence": round(word.confidence, 4),
    }


def _partial(partial: Partial) -> Json:
    return {
        "event": "partial",
        "utterance": partial.utterance,
        "revision": partial.revision,
        "start": _seconds(partial.start_ms),
        "end": _seconds(partial.end_ms),
        "stable": partial.stable,
        "unstable": partial.unstable,
    }


def _suppressed(suppressed: Suppressed) -> Json:
    return {
        "event": "suppressed",
        "utterance": suppressed.utterance,
        "start": _seconds(suppressed.start_ms),
        "end": _seconds(suppressed.end_ms),
        "reason": suppressed.reason,
        "text": suppressed.text,
    }
