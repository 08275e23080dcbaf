"""Responses of a stream → events of a Realtime session. Pure.

An item is an utterance when the server ends utterances (`ServerTurns`), and the audio between two commits when the
client does (`ClientTurns`). Speech of an item stops before speech of the next one starts: clients follow one turn at a
time, and the final of an utterance may arrive after the next one has started. Deltas only grow: each is what the stable
text of a partial, or the final, adds to the deltas before it. A final that does not continue them adds none;
`completed` has the whole text.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from stt.v1 import stt_pb2 as pb

from stt_service.http.openai.formats import JsonObject, languages, usage

TRANSCRIPTION = "conversation.item.input_audio_transcription"
BUFFER = "input_audio_buffer"


def new_id(prefix: str) -> str:
    """Return a new identifier."""
    return f"{prefix}_{secrets.token_hex(10)}"


@dataclass(slots=True)
class ItemChain:
    """The items of a session in the order of their commits."""

    last_id: str | None = None

    def commit(self, item_id: str) -> JsonObject:
        """Return the event that commits an item."""
        event: JsonObject = {
            "type": f"{BUFFER}.committed",
            "item_id": item_id,
            "previous_item_id": self.last_id,
        }
        self.last_id = item_id
        return event


@dataclass(slots=True)
class GrowingText:
    """The deltas of one item."""

    item_id: str
    sent: str = ""

    def grow(self, text: str) -> Iterator[JsonObject]:
        """Yield the delta to a longer text; none if the text does not continue the deltas before it."""
        if len(text) > len(self.sent) and text.startswith(self.sent):
            delta, self.sent = text[len(self.sent) :], text
            yield {"type": f"{TRANSCRIPTION}.delta", "item_id": self.item_id, "content_index": 0, "delta": delta}

    def completed(self, transcript: str, audio_ms: int, codes: Sequence[str] = ()) -> JsonObject:
        """Return the event with the whole transcript and the codes of its languages."""
        return {
            "type": f"{TRANSCRIPTION}.completed",
            "item_id": self.item_id,
            "content_index": 0,
            "transcript": transcript,
            "languages": languages(codes),
            "usage": usage(max(0, audio_ms) / 1000),
        }


@dataclass(slots=True)
class Turn:
    """An utterance whose final is pending."""

    text: GrowingText
    committed: bool = False


@dataclass(slots=True)
class ServerTurns:
    """Events of a stream whose utterances are ended by the server."""

    chain: ItemChain
    offset_ms: int  # of the stream in the session
    _open: dict[int, Turn] = field(default_factory=dict)  # by utterance, in their order

    def events(self, response: pb.StreamingRecognizeResponse) -> Iterator[JsonObject]:
        """Yield the events of a response."""
        match response.WhichOneof("event"):
            case "speech_started":
                started = response.speech_started
                for turn in self._open.values():
                    yield from self._commit(turn, started.start_ms)
                text = self._turn(started.utterance).text
                yield {
                    "type": f"{BUFFER}.speech_started",
                    "audio_start_ms": self.offset_ms + started.start_ms,
                    "item_id": text.item_id,
                }
            case "partial":
                yield from self._turn(response.partial.utterance).text.grow(response.partial.stable)
            case "final":
                final = response.final
                yield from self._end(final.utterance, final.start_ms, final.end_ms, final)
            case "suppressed":
                suppressed = response.suppressed
                yield from self._end(suppressed.utterance, suppressed.start_ms, suppressed.end_ms, pb.Final())

    def finish(self) -> Iterator[JsonObject]:
        """Yield the events at the end of the stream: none, every utterance has ended."""
        yield from ()

    def _turn(self, utterance: int) -> Turn:
        return self._open.setdefault(utterance, Turn(GrowingText(new_id("item"))))

    def _end(self, utterance: int, start_ms: int, end_ms: int, final: pb.Final) -> Iterator[JsonObject]:
        turn = self._turn(utterance)
        del self._open[utterance]
        yield from self._commit(turn, end_ms)
        transcript = final.text.strip()
        yield from turn.text.grow(transcript)
        yield turn.text.completed(transcript, end_ms - start_ms, [final.language])

    def _commit(self, turn: Turn, end_ms: int) -> Iterator[JsonObject]:
        """Yield the end of the speech of an item and its commit, once."""
        if turn.committed:
            return
        turn.committed = True
        yield {
            "type": f"{BUFFER}.speech_stopped",
            "audio_end_ms": self.offset_ms + end_ms,
            "item_id": turn.text.item_id,
        }
        yield self.chain.commit(turn.text.item_id)


@dataclass(slots=True)
class ClientTurns:
    """Events of a stream that is the audio of one item, ended by a commit of the client."""

    text: GrowingText
    _finals: list[str] = field(default_factory=list)
    _languages: list[str] = field(default_factory=list)  # of the finals
    _audio_ms: int = 0

    def events(self, response: pb.StreamingRecognizeResponse) -> Iterator[JsonObject]:
        """Yield the deltas of a response."""
        self._audio_ms = max(self._audio_ms, response.received_ms)
        match response.WhichOneof("event"):
            case "partial":
                yield from self.text.grow(self._joined(response.partial.stable))
            case "final" if response.final.text.strip():
                self._finals.append(response.final.text.strip())
                self._languages.append(response.final.language)
                yield from self.text.grow(self._joined(""))

    def finish(self) -> Iterator[JsonObject]:
        """Yield the transcript of the item, once its stream has ended."""
        yield self.text.completed(self._joined(""), self._audio_ms, self._languages)

    def _joined(self, partial: str) -> str:
        return " ".join(filter(None, (*self._finals, partial)))
