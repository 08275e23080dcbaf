"""Responses of a stream → events of a Realtime session. Pure.

An item is an utterance when the server ends utterances (`ServerTurns`), and the audio between two commits when the
client does (`ClientTurns`). Speech of an item stops at its endpoint, before speech of the next one starts; its final
may arrive later. Deltas only grow: each is what the stable text of a partial, or the final, adds to the deltas before
it. A final that does not continue them adds none; `completed` has the whole text. Each final is a segment of its item.

A commit when the server ends utterances is a `finalize`, then an `update` without changes, whose response shows that
the end of the utterance, if one was open, has been sent. If none was, the commit has an empty item.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field

from stt.v1 import stt_pb2 as pb

from stt_service.http.openai.formats import languages, logprobs, usage
from stt_service.http.openai.json_input import JsonObject

TRANSCRIPTION = "conversation.item.input_audio_transcription"
BUFFER = "input_audio_buffer"
EVENTS = frozenset({"speech_started", "partial", "speech_ended", "final", "suppressed", "settings"})  # of responses


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
        with_logprobs: Whether `completed` has the log probabilities of words.
        audio_ms: Duration of its audio.
        is_committed: Whether the client has committed it.
    """

    id: str
    with_logprobs: bool = False
    audio_ms: int = 0
    is_committed: bool = False
    _sent: str = ""
    _finals: list[pb.Final] = field(default_factory=list)

    def grow(self, stable: str) -> Iterator[JsonObject]:
        """Yield the delta to the stable text of a partial; none if the text does not continue the deltas before it."""
        text = " ".join(filter(None, (self._transcript, stable)))
        if len(text) > len(self._sent) and text.startswith(self._sent):
            delta, self._sent = text[len(self._sent) :], text
            yield self._event("delta", delta=delta)

    def add(self, final: pb.Final, offset_ms: int = 0) -> Iterator[JsonObject]:
        """Yield the events of a final, whose stream starts at the offset in the session: its delta and its segment."""
        self._finals.append(final)
        yield from self.grow("")
        yield self._event(
            "segment",
            id=new_id("seg"),
            text=final.text.strip(),
            speaker="",  # speakers are not distinguished; the field is required
            start=(offset_ms + final.start_ms) / 1000,
            end=(offset_ms + final.end_ms) / 1000,
        )

    def completed(self) -> JsonObject:
        """Return the event with the whole transcript."""
        event = self._event(
            "completed",
            transcript=self._transcript,
            languages=languages(final.language for final in self._finals),
            usage=usage(max(0, self.audio_ms) / 1000),
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
    _open: dict[int, Item] = field(default_factory=dict)  # by utterance: speech that has not stopped
    _pending: dict[int | str, Item] = field(default_factory=dict)  # committed without transcript; empty items by id
    _awaited_commits: int = 0
    _commit_has_item: bool = False
    _is_cleared: bool = False

    @property
    def is_finished(self) -> bool:
        """Whether the audio was cleared and all items that were committed before are completed."""
        return self._is_cleared and not self._awaited_commits and not self._pending

    def commit(self) -> None:
        """Expect the responses to a commit of the client."""
        self._awaited_commits += 1

    def clear(self) -> None:
        """Drop the audio that is not committed, from the last commit of the client on."""
        self._is_cleared = True

    def events(self, response: pb.StreamingRecognizeResponse) -> Iterator[JsonObject]:
        """Yield the events of a response."""
        is_dropped = self._is_cleared and not self._awaited_commits
        match response.WhichOneof("event"):
            case "speech_started" if not is_dropped:
                started = response.speech_started
                opened = self._open[started.utterance] = Item(new_id("item"), self.with_logprobs)
                position_ms = self.offset_ms + started.start_ms
                yield {"type": f"{BUFFER}.speech_started", "audio_start_ms": position_ms, "item_id": opened.id}
            case "partial":
                utterance = response.partial.utterance
                item = self._pending.get(utterance) or (None if is_dropped else self._open[utterance])
                if item is not None:
                    yield from item.grow(response.partial.stable)
            case "speech_ended" if not is_dropped:
                yield from self._speech_ended(response.speech_ended)
            case "final":
                yield from self._completed(response.final)
            case "suppressed":
                yield from self._completed(response.suppressed)
            case "settings":
                yield from self._committed()

    def _speech_ended(self, ended: pb.SpeechEnded) -> Iterator[JsonObject]:
        item = self._pending[ended.utterance] = self._open.pop(ended.utterance)
        position_ms = self.offset_ms + ended.endpoint_ms
        yield {"type": f"{BUFFER}.speech_stopped", "audio_end_ms": position_ms, "item_id": item.id}
        yield self.chain.commit(item.id)
        if ended.endpoint == pb.ENDPOINT_FINALIZE:
            self._commit_has_item = True

    def _completed(self, result: pb.Final | pb.Suppressed) -> Iterator[JsonObject]:
        item = self._pending.pop(result.utterance, None)
        if item is None:  # cleared
            return
        item.audio_ms = result.end_ms - result.start_ms
        if isinstance(result, pb.Final):
            yield from item.add(result, self.offset_ms)
        yield item.completed()
        yield from self._empty_items()

    def _committed(self) -> Iterator[JsonObject]:
        """Yield the events of a commit of the client, once its utterance has ended."""
        self._awaited_commits -= 1
        if not self._commit_has_item:
            item = Item(new_id("item"), self.with_logprobs)
            yield self.chain.commit(item.id)
            self._pending[item.id] = item
            yield from self._empty_items()
        self._commit_has_item = False

    def _empty_items(self) -> Iterator[JsonObject]:
        """Yield the transcripts of empty items, each after those of the items before it."""
        while self._pending and isinstance(first := next(iter(self._pending)), str):
            yield self._pending.pop(first).completed()

    def finish(self) -> Iterator[JsonObject]:
        """Yield the events at the end of the stream: none, every utterance has ended."""
        yield from ()


@dataclass(slots=True)
class ClientTurns:
    """Events of a stream that is audio of one item; the client commits it, maybe in a later stream."""

    item: Item
    offset_ms: int = 0  # of the stream in the session
    is_last: bool = False  # of its item
    is_finished: bool = False
    _audio_ms: int = 0

    def clear(self) -> None:
        """Drop the audio."""
        self.is_finished = True

    def events(self, response: pb.StreamingRecognizeResponse) -> Iterator[JsonObject]:
        """Yield the events of a response."""
        self._audio_ms = max(self._audio_ms, response.received_ms)
        match response.WhichOneof("event"):
            case "partial":
                yield from self.item.grow(response.partial.stable)
            case "final":
                yield from self.item.add(response.final, self.offset_ms)

    def finish(self) -> Iterator[JsonObject]:
        """Yield the transcript of the item if this is its last stream; the stream has ended."""
        self.item.audio_ms += self._audio_ms
        if self.is_last:
            yield self.item.completed()
