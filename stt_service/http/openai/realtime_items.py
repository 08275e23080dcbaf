"""Responses of a stream → events of a Realtime session. Pure.

An item is an utterance when the server ends utterances (`ServerTurns`), and the audio between two commits when the
client does (`ClientTurns`). Speech of an item stops at its endpoint, before speech of the next one starts; its final
may arrive later. Deltas only grow: each is what the stable text of a partial, or the final, adds to the deltas before
it. A final that does not continue them adds none; `completed` has the whole text. Each final is a segment of its item.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field

from stt.v1 import stt_pb2 as pb

from stt_service.http.openai.formats import JsonObject, languages, logprobs, usage

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
class Item:
    """The transcription of one item: its deltas, segments and transcript.

    Attributes:
        id: Its identifier.
        offset_ms: Position of its stream in the session.
        with_logprobs: Whether `completed` has the log probabilities of words.
    """

    id: str
    offset_ms: int = 0
    with_logprobs: bool = False
    _sent: str = ""
    _finals: list[pb.Final] = field(default_factory=list)

    def grow(self, stable: str) -> Iterator[JsonObject]:
        """Yield the delta to the stable text of a partial; none if the text does not continue the deltas before it."""
        text = " ".join(filter(None, (self._transcript, stable)))
        if len(text) > len(self._sent) and text.startswith(self._sent):
            delta, self._sent = text[len(self._sent) :], text
            yield self._event("delta", delta=delta)

    def add(self, final: pb.Final) -> Iterator[JsonObject]:
        """Yield the events of a final: its delta and its segment."""
        self._finals.append(final)
        yield from self.grow("")
        yield self._event(
            "segment",
            id=new_id("seg"),
            text=final.text.strip(),
            speaker="",  # speakers are not distinguished; the field is required
            start=(self.offset_ms + final.start_ms) / 1000,
            end=(self.offset_ms + final.end_ms) / 1000,
        )

    def completed(self, audio_ms: int) -> JsonObject:
        """Return the event with the whole transcript of this much audio."""
        event = self._event(
            "completed",
            transcript=self._transcript,
            languages=languages(final.language for final in self._finals),
            usage=usage(max(0, audio_ms) / 1000),
        )
        if self.with_logprobs:
            event["logprobs"] = list(self._logprobs())
        return event

    @property
    def _transcript(self) -> str:
        return " ".join(filter(None, (final.text.strip() for final in self._finals)))

    def _logprobs(self) -> Iterator[JsonObject]:
        for number, final in enumerate(self._finals):
            words = [(word.text, word.confidence) for word in final.words]
            yield from logprobs(final.text, words, " " if number else "")

    def _event(self, name: str, **fields: object) -> JsonObject:
        return {"type": f"{TRANSCRIPTION}.{name}", "item_id": self.id, "content_index": 0, **fields}


@dataclass(slots=True)
class ServerTurns:
    """Events of a stream whose utterances are ended by the server."""

    chain: ItemChain
    offset_ms: int  # of the stream in the session
    with_logprobs: bool = False
    _pending: dict[int, Item] = field(default_factory=dict)  # by utterance: without a final

    def events(self, response: pb.StreamingRecognizeResponse) -> Iterator[JsonObject]:
        """Yield the events of a response."""
        match response.WhichOneof("event"):
            case "speech_started":
                started = response.speech_started
                item = Item(new_id("item"), self.offset_ms, self.with_logprobs)
                self._pending[started.utterance] = item
                position_ms = self.offset_ms + started.start_ms
                yield {"type": f"{BUFFER}.speech_started", "audio_start_ms": position_ms, "item_id": item.id}
            case "partial":
                yield from self._pending[response.partial.utterance].grow(response.partial.stable)
            case "speech_ended":
                ended = response.speech_ended
                item, position_ms = self._pending[ended.utterance], self.offset_ms + ended.endpoint_ms
                yield {"type": f"{BUFFER}.speech_stopped", "audio_end_ms": position_ms, "item_id": item.id}
                yield self.chain.commit(item.id)
            case "final":
                final = response.final
                yield from self._pending[final.utterance].add(final)
                yield self._pending.pop(final.utterance).completed(final.end_ms - final.start_ms)
            case "suppressed":
                suppressed = response.suppressed
                yield self._pending.pop(suppressed.utterance).completed(suppressed.end_ms - suppressed.start_ms)

    def finish(self) -> Iterator[JsonObject]:
        """Yield the events at the end of the stream: none, every utterance has ended."""
        yield from ()


@dataclass(slots=True)
class ClientTurns:
    """Events of a stream that is the audio of one item, ended by a commit of the client."""

    item: Item
    _audio_ms: int = 0

    def events(self, response: pb.StreamingRecognizeResponse) -> Iterator[JsonObject]:
        """Yield the events of a response."""
        self._audio_ms = max(self._audio_ms, response.received_ms)
        match response.WhichOneof("event"):
            case "partial":
                yield from self.item.grow(response.partial.stable)
            case "final":
                yield from self.item.add(response.final)

    def finish(self) -> Iterator[JsonObject]:
        """Yield the transcript of the item, once its stream has ended."""
        yield self.item.completed(self._audio_ms)
