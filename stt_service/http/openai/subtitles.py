"""SRT and WebVTT of a transcription: a cue for each part of a final that is short enough to read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from stt_service.session.events import Final

MAX_CUE_S = 6.0
MAX_CUE_CHARACTERS = 84  # two lines of 42, as in television subtitles


@dataclass(frozen=True, slots=True)
class Cue:
    """Text with its times, in seconds."""

    start_s: float
    end_s: float
    text: str


def srt(finals: Sequence[Final]) -> str:
    """Return the finals as SubRip."""
    return "".join(
        f"{number}\n{_time(cue.start_s, ',')} --> {_time(cue.end_s, ',')}\n{cue.text}\n\n"
        for number, cue in enumerate(cues(finals), 1)
    )


def vtt(finals: Sequence[Final]) -> str:
    """Return the finals as WebVTT."""
    body = "".join(
        f"{_time(cue.start_s, '.')} --> {_time(cue.end_s, '.')}\n{_escaped(cue.text)}\n\n" for cue in cues(finals)
    )
    return f"WEBVTT\n\n{body}"


def cues(finals: Sequence[Final]) -> Iterator[Cue]:
    """Yield the cues in order; a final without words is one cue."""
    for final in finals:
        cue: Cue | None = None
        for piece in _pieces(final):
            joined = Cue(cue.start_s, piece.end_s, cue.text + piece.text) if cue is not None else piece
            if cue is not None and _is_too_long(joined):
                yield _trimmed(cue)
                cue = piece
            else:
                cue = joined
        if cue is not None:
            yield _trimmed(cue)


def _pieces(final: Final) -> Iterator[Cue]:
    """Yield the text of each word up to the next one, so that the pieces together are the text."""
    text, starts = final.text, list[int]()
    for word in final.words:
        start = text.find(word.text.strip(), starts[-1] + 1 if starts else 0)
        if start < 0:
            starts.clear()
            break
        starts.append(start)
    if not starts:
        yield Cue(final.start_ms / 1000, final.end_ms / 1000, text)
        return
    for word, first, end in zip(final.words, [0, *starts[1:]], [*starts[1:], len(text)], strict=True):
        yield Cue(word.start_s, word.end_s, text[first:end])


def _is_too_long(cue: Cue) -> bool:
    return cue.end_s - cue.start_s > MAX_CUE_S or len(cue.text.strip()) > MAX_CUE_CHARACTERS


def _trimmed(cue: Cue) -> Cue:
    return Cue(cue.start_s, max(cue.end_s, cue.start_s + 0.001), _line(cue.text))


def _line(text: str) -> str:
    """Return the text without line breaks, which would end a cue."""
    return " ".join(text.split())


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _time(seconds: float, decimal: str) -> str:
    milliseconds = round(seconds * 1000)
    minutes, milliseconds = divmod(milliseconds, 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{milliseconds // 1000:02}{decimal}{milliseconds % 1000:03}"
