"""Response bodies of transcriptions and translations. Pure: finals in, JSON objects and text out.

Source: the response models of the package `openai`, which require every field of a verbose segment.
"""

from __future__ import annotations

import math
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from stt_service.http.openai.json_input import JsonObject, invalid
from stt_service.http.openai.languages import LANGUAGE_NAMES
from stt_service.session.events import Final

MIN_PROBABILITY = 1e-9  # of a word, so that its logarithm is finite


class ResponseFormat(StrEnum):
    """Formats of a response."""

    JSON = "json"
    VERBOSE_JSON = "verbose_json"
    TEXT = "text"
    SRT = "srt"
    VTT = "vtt"


MEDIA_TYPES = {
    ResponseFormat.TEXT: "text/plain; charset=utf-8",
    ResponseFormat.SRT: "application/x-subrip; charset=utf-8",
    ResponseFormat.VTT: "text/vtt; charset=utf-8",
}


@dataclass(frozen=True, slots=True)
class Transcription:
    """A recognized recording."""

    finals: Sequence[Final]
    duration_s: float
    task: str  # transcribe or translate

    @property
    def text(self) -> str:
        """The text of all finals, joined by spaces."""
        return " ".join(final.text.strip() for final in self.finals if final.text.strip())


def parse_format(name: str) -> ResponseFormat:
    """Return the format of that name.

    Raises:
        InvalidRequestError: the format is unknown, or needs speaker diarization.
    """
    if name == "diarized_json":
        raise invalid(
            "response_format",
            name,
            "speakers are not distinguished; must be json, verbose_json, text, srt or vtt",
        )
    try:
        return ResponseFormat(name)
    except ValueError:
        valid = ", ".join(each.value for each in ResponseFormat)
        raise invalid("response_format", name, f"must be one of {valid}") from None


def usage(duration_s: float) -> JsonObject:
    """Return the usage of a request: seconds of audio, rounded up."""
    return {"type": "duration", "seconds": math.ceil(duration_s)}


def as_json(result: Transcription, *, with_logprobs: bool = False) -> JsonObject:
    """Return the body of `json`."""
    body: JsonObject = {
        "text": result.text,
        "languages": languages(final.language for final in result.finals),
        "usage": usage(result.duration_s),
    }
    if with_logprobs:
        body["logprobs"] = [
            entry
            for number, final in enumerate(result.finals)
            for entry in logprobs(*scored(final), " " if number else "")
        ]
    return body


def as_verbose_json(result: Transcription, *, segments: bool, words: bool) -> JsonObject:
    """Return the body of `verbose_json`, with the requested timestamps."""
    body: JsonObject = {
        "task": result.task,
        "language": language_name(result.finals[0].language) if result.finals else "",
        "duration": round(result.duration_s, 3),
        "text": result.text,
        "usage": usage(result.duration_s),
    }
    if segments:
        body["segments"] = [segment(number, final) for number, final in enumerate(result.finals)]
    if words:
        body["words"] = [
            {"word": word.text.strip(), "start": round(word.start_s, 3), "end": round(word.end_s, 3)}
            for final in result.finals
            for word in final.words
        ]
    return body


def segment(number: int, final: Final) -> JsonObject:
    """Return a verbose segment: one final."""
    text = final.text.encode()
    return {
        "id": number,
        "seek": round(final.start_ms / 10),  # in frames of 10 ms
        "start": final.start_ms / 1000,
        "end": final.end_ms / 1000,
        "text": final.text,
        "tokens": [],
        "temperature": 0.0,
        "avg_logprob": math.log(max(final.confidence, MIN_PROBABILITY)),
        "compression_ratio": len(text) / len(zlib.compress(text)) if text else 0.0,
        "no_speech_prob": 0.0,
    }


def scored(final: Final) -> tuple[str, list[tuple[str, float]]]:
    """Return the text of a final and its words with their probabilities, for `logprobs`."""
    return final.text, [(word.text, word.probability) for word in final.words]


def logprobs(text: str, words: Iterable[tuple[str, float]], before: str = "") -> Iterator[JsonObject]:
    """Yield an entry for each word, with the log probability of its tokens; the entries together are the text.

    Args:
        text: Text of a final.
        words: Its words and their probabilities.
        before: Text between the final before it and this one.
    """
    text, at = text.strip(), 0
    for word, probability in words:
        spoken = word.strip()
        start = text.find(spoken, at)
        end = at if start < 0 else start + len(spoken)
        token, at, before = before + (spoken if start < 0 else text[at:end]), end, ""
        yield {
            "token": token,
            "logprob": math.log(max(probability, MIN_PROBABILITY)),
            "bytes": list(token.encode()),
        }


def languages(codes: Iterable[str]) -> list[JsonObject]:
    """Return the languages of the finals, the most frequent first."""
    return [{"code": code} for code, _ in Counter(filter(None, codes)).most_common()]


def language_name(code: str) -> str:
    """Return the English name of a language in lower case, as OpenAI does; the code if it has none."""
    return LANGUAGE_NAMES.get(code, code)
