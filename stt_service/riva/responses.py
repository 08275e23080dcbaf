"""Responses of the service → responses of Riva. Pure.

A Riva text ends with a blank, because clients concatenate texts. Riva has no counterpart of suppressions, notices and
positions: they are not sent.
"""

from __future__ import annotations

from stt.riva.v1 import riva_pb2 as riva
from stt.v1 import stt_pb2 as pb

CHANNEL = 1  # channels are mixed
STABLE = 1.0


def stream_response(message: pb.StreamingRecognizeResponse, *, words: bool) -> riva.StreamResponse | None:
    """Return the response with the text of a partial or a final, with its words if requested; None for other events."""
    match message.WhichOneof("event"):
        case "partial":
            result = _interim(message.partial)
        case "final":
            result = riva.StreamResult(
                hypotheses=[_hypothesis(message.final, words=words)], final=True, stability=STABLE
            )
        case _:
            return None
    result.channel, result.received_s = CHANNEL, message.received_ms / 1000
    return riva.StreamResponse(results=[result])


def recording_response(message: pb.RecognizeResponse, *, words: bool) -> riva.RecordingResponse:
    """Return the response with a result for each final, with its words if requested."""
    length = message.audio_duration
    received_s = length.seconds + length.nanos / 1e9
    return riva.RecordingResponse(
        results=[
            riva.RecordingResult(hypotheses=[_hypothesis(final, words=words)], channel=CHANNEL, received_s=received_s)
            for final in message.utterances
        ]
    )


def models_response(name: str, language: str) -> riva.ModelsResponse:
    """Return the model of the server, once for streams and once for recordings.

    Args:
        name: Name of the model; empty while it loads, then there is none.
        language: Language of calls that declare none.
    """
    kinds = ("online", "offline") if name else ()
    return riva.ModelsResponse(
        models=[
            riva.ModelsResponse.Model(name=name, properties={"type": kind, "language_code": language}) for kind in kinds
        ]
    )


def _interim(partial: pb.Partial) -> riva.StreamResult:
    text = f"{partial.stable}{partial.unstable}".strip()
    stable = len(partial.stable.strip()) / len(text) if text else 0.0
    return riva.StreamResult(hypotheses=[riva.Hypothesis(text=_spaced(text))], stability=min(STABLE, stable))


def _hypothesis(final: pb.Final, *, words: bool) -> riva.Hypothesis:
    timed = [
        riva.Word(
            start_ms=word.start_ms,
            end_ms=word.end_ms,
            text=word.text.strip(),
            confidence=word.confidence,
            language=final.language,
        )
        for word in (final.words if words else ())
    ]
    languages = [final.language] if final.language else []
    return riva.Hypothesis(text=_spaced(final.text), confidence=final.confidence, words=timed, languages=languages)


def _spaced(text: str) -> str:
    return f"{text.strip()} "
