"""Responses of a stream → events of Wyoming. Pure.

Clients append chunks, so together they must be the transcript (Home Assistant's wyoming-faster-whisper tests the same).
Therefore a chunk is the final of an utterance. The stable text of an open utterance is not sent: it never changes, but
the final may differ from it, and no event takes a chunk back.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from stt.v1 import stt_pb2 as pb
from wyoming.asr import Transcript, TranscriptChunk, TranscriptStart, TranscriptStop
from wyoming.event import Event

from stt_service.settings.schema import AUTO


@dataclass(slots=True)
class GrowingTranscript:
    """The transcript of one stream."""

    text: str = ""
    _languages: set[str] = field(default_factory=set)  # of the finals

    def events(self, response: pb.StreamingRecognizeResponse) -> Iterator[Event]:
        """Yield the events of a response."""
        match response.WhichOneof("event"):
            case "started":
                language = response.started.settings.language
                yield TranscriptStart(language=None if language == AUTO else language).event()
            case "final" if text := response.final.text.strip():
                self._languages.add(response.final.language)
                yield TranscriptChunk(self._append(text)).event()

    def finish(self) -> Iterator[Event]:
        """Yield the events at the end of the stream. The transcript names its language if all utterances have one."""
        language = next(iter(self._languages)) if len(self._languages) == 1 else None
        yield Transcript(self.text, language=language).event()
        yield TranscriptStop().event()

    def _append(self, text: str) -> str:
        chunk = f" {text}" if self.text else text
        self.text += chunk
        return chunk
