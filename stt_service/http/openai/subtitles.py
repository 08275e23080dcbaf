"""SRT and WebVTT of a transcription: a cue for each part of a final that is short enough to read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from stt_service.session.events import Final
from stt_service.whisper.types import Word

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
        if not final.words:
            yield Cue(final.start_ms / 1000, final.end_ms / 1000, _line(final.text))
            continue
        words: list[Word] = []
        for word in final.words:
            if words and _is_full([*words, word]):
                yield _cue(words)
                words = []
            words.append(word)
        yield _cue(words)


def _is_full(words: Sequence[Word]) -> bool:
    return words[-1].end_s - words[0].start_s > MAX_CUE_S or len(_text(words)) > MAX_CUE_CHARACTERS


def _cue(words: Sequence[Word]) -> Cue:
    return Cue(words[0].start_s, max(words[-1].end_s, words[0].start_s + 0.001), _line(_text(words)))


def _text(words: Sequence[Word]) -> str:
    return "".join(word.text for word in words).strip()


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
