"""The channels of captions: names under which streams are published, for many viewers.

A channel is a name with its key, its history and its viewers:

    waiting   viewers only: no stream has been published under the name
    live      streams of a publisher, whose key owns the name; viewers have another key, which only reads
    kept      the last stream has ended: for KEEP_S the name belongs to its key, and viewers receive the history

An utterance is identified by its recording, which the publisher names, and its number, which counts over all streams of
the recording. The publisher resumes a lost stream from its last committed audio, so the server recognizes utterances
again that it has published. The rule that shows each of them once and in order:

- A recording has one publisher: the stream that was opened last. Events of its earlier streams are dropped.
- A recording has a first open utterance: the one after its last final or suppression. Events of earlier utterances are
  dropped.
- Recordings are independent: several can be live, as while the end of one is recognized after the start of the next.
- Partials of a recording are forgotten when its publisher leaves or is replaced. Viewers forget all partials with each
  `live` or `waiting`, which is also the first event of a connection; the latest partial of each open utterance follows.

Viewers never slow a stream: each has a queue, and a viewer whose queue is full is dropped; it reconnects with the id of
its last event. Everything is bounded: channels, recordings, viewers, queues and history.
"""

from __future__ import annotations

import hmac
import re
import secrets
from asyncio import Event
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from stt_service.errors import InvalidRequestError

CAPTIONS = "captions"  # field of a first message
NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
KEY = re.compile(r"[A-Za-z0-9_-]{16,128}")
MAX_QUEUED_EVENTS = 64  # of a viewer, about 20 s of partials
MAX_HISTORY_EVENTS = 200
HISTORY_S = 300.0
KEEP_S = 300.0
MAX_ID_DIGITS = 18  # of a number in an id that a viewer sends back
MAX_RECORDINGS = 16  # of a channel, whose first open utterance is known; live ones are forgotten last


@dataclass(frozen=True, slots=True)
class Publication:
    """The name under which a stream is published, and the keys that its publisher made for it.

    Attributes:
        name: Of the captions.
        key: Proves that another stream is of the same publisher.
        viewer_key: Opens the captions to viewers without a token; it is in their link.
        recording: Of the stream; all streams of a recording have the same one.
    """

    name: str
    key: str = field(repr=False)
    viewer_key: str = field(repr=False)
    recording: str


@dataclass(frozen=True, slots=True)
class CaptionEvent:
    """An event for viewers.

    Attributes:
        kind: Name of the event.
        data: JSON on one line.
        id: Identifies the event within the server; empty for events that only describe the state.
        number: Position in the channel.
        time_s: When it was published.
        recording: Of its utterance.
        utterance: Number of its utterance in the recording.
    """

    kind: str
    data: str = "{}"
    id: str = ""
    number: int = 0
    time_s: float = 0.0
    recording: str = ""
    utterance: int = 0


LIVE, WAITING = CaptionEvent("live"), CaptionEvent("waiting")
PARTIAL = "partial"
ENDS = frozenset({"final", "suppressed"})


def publication(value: object) -> Publication:
    """Return the checked publication of a client.

    Raises:
        InvalidRequestError: a field is missing, unknown or invalid.
    """
    if not isinstance(value, dict) or value.keys() != {"name", "key", "viewerKey", "recording"}:
        message = "Invalid captions: must be an object with name, key, viewerKey and recording."
        raise InvalidRequestError(message, CAPTIONS)
    name, key, viewer_key, recording = value["name"], value["key"], value["viewerKey"], value["recording"]
    for field_name, each in (("name", name), ("recording", recording)):
        if not isinstance(each, str) or not NAME.fullmatch(each):
            message = f"Invalid captions.{field_name}: must be 1 to 64 letters, digits, - or _."
            raise InvalidRequestError(message, f"{CAPTIONS}.{field_name}")
    for field_name, each in (("key", key), ("viewerKey", viewer_key)):
        if not isinstance(each, str) or not KEY.fullmatch(each):
            message = f"Invalid captions.{field_name}: must be 16 to 128 letters, digits, - or _, made at random."
            raise InvalidRequestError(message, f"{CAPTIONS}.{field_name}")
    if key == viewer_key:
        message = "Invalid captions.viewerKey: must differ from captions.key, which viewers must not have."
        raise InvalidRequestError(message, f"{CAPTIONS}.viewerKey")
    return Publication(name, key, viewer_key, recording)


@dataclass(slots=True, eq=False)
class Viewer:
    """A viewer's queue."""

    key: str | None = None  # presented, unless the viewer has a token
    address: str = ""  # of its client
    is_dropped: bool = False
    _events: deque[CaptionEvent] = field(default_factory=deque)
    _changed: Event = field(default_factory=Event)

    def put(self, event: CaptionEvent) -> None:
        """Queue an event; a viewer whose queue is full is dropped."""
        if len(self._events) >= MAX_QUEUED_EVENTS:
            self.drop()
        if not self.is_dropped:
            self._events.append(event)
            self._changed.set()

    def drop(self) -> None:
        """End the viewer's stream."""
        self.is_dropped = True
        self._events.clear()
        self._changed.set()

    async def next_event(self) -> CaptionEvent | None:
        """Wait for the next event; return None when the viewer has been dropped."""
        while not self._events:
            if self.is_dropped:
                return None
            self._changed.clear()
            await self._changed.wait()
        return self._events.popleft()


@dataclass(slots=True, eq=False)
class PublishedRecording:
    """A recording of a channel.

    Attributes:
        publisher: Its last stream; None once that has ended.
        next_utterance: The first open utterance.
    """

    publisher: object | None = None
    next_utterance: int = 0


@dataclass(slots=True, eq=False)
class Channel:
    """A name; see the states and the rule of utterances in the docstring of the module."""

    epoch: str = field(default_factory=lambda: secrets.token_hex(4))
    publication: Publication | None = None  # of the owner of the name
    left_s: float = 0.0  # when its last publisher left
    viewers: set[Viewer] = field(default_factory=set)
    _recordings: dict[str, PublishedRecording] = field(default_factory=dict)  # the last opened one is the last
    _history: deque[CaptionEvent] = field(default_factory=lambda: deque(maxlen=MAX_HISTORY_EVENTS))
    _published: int = 0

    @property
    def is_live(self) -> bool:
        """Whether a stream is published under the name."""
        return any(recording.publisher is not None for recording in self._recordings.values())

    @property
    def state(self) -> CaptionEvent:
        return LIVE if self.is_live else WAITING

    @property
    def unverified(self) -> tuple[Viewer, ...]:
        """The viewers whose key cannot be checked yet."""
        return tuple(viewer for viewer in self.viewers if viewer.key is not None) if self.publication is None else ()

    def is_kept(self, now_s: float) -> bool:
        """Whether the name still belongs to the key of its last publisher."""
        return self.is_live or now_s - self.left_s < KEEP_S

    def reset(self, publication: Publication | None) -> None:
        """Start over with another owner of the name, or without one."""
        self.epoch, self.publication = secrets.token_hex(4), publication
        self._recordings.clear()
        self._history.clear()

    def is_owned_by(self, publication: Publication) -> bool:
        """Whether a publication has the key of the name; the time does not depend on the key."""
        return self.publication is not None and _is_same(publication.key, self.publication.key)

    def admits(self, key: str | None) -> bool:
        """Whether a viewer's key is the one of the captions; the time does not depend on the key."""
        return self.publication is not None and key is not None and _is_same(key, self.publication.viewer_key)

    def open(self, publisher: object, publication: Publication) -> None:
        """Make it live; viewers with another key are dropped, and an earlier stream of the recording is replaced."""
        if not self.is_owned_by(publication):
            self.reset(publication)
        self.publication = publication
        for viewer in tuple(self.viewers):
            if viewer.key is not None and not self.admits(viewer.key):
                viewer.drop()
        recording = self._recordings.pop(publication.recording, None) or PublishedRecording()
        recording.publisher = publisher
        self._forget_partials(publication.recording)
        self._forget_recording()
        self._recordings[publication.recording] = recording
        self._send_state()

    def leave(self, publisher: object, recording: str, now_s: float) -> None:
        """End the publication of a recording, unless another stream has continued it."""
        left = self._published_by(publisher, recording)
        if left is not None:
            left.publisher, self.left_s = None, now_s
            self._forget_partials(recording)
            self._send_state()

    def publish(self, publisher: object, event: CaptionEvent) -> None:
        """Send an event to all viewers and add it to the history, unless the rule of utterances drops it."""
        recording = self._published_by(publisher, event.recording)
        if recording is None or event.utterance < recording.next_utterance:
            return
        if event.kind in ENDS:
            recording.next_utterance = event.utterance + 1
        if event.kind == PARTIAL or event.kind in ENDS:
            self._forget_partials(event.recording, event.utterance)
        self._published += 1
        numbered = replace(event, id=f"{self.epoch}-{self._published}", number=self._published)
        self._history.append(numbered)
        self.send(numbered)

    def send(self, event: CaptionEvent) -> None:
        """Queue an event for all viewers."""
        for viewer in self.viewers:
            viewer.put(event)

    def history(self, last_id: str, now_s: float) -> Iterator[CaptionEvent]:
        """Yield the events of the last HISTORY_S after the one with this id; all of them if it is unknown.

        Partials before that id are of open utterances. They are yielded without an id: ids never decrease.
        """
        epoch, _, number = last_id.partition("-")
        is_number = number.isascii() and number.isdecimal() and len(number) <= MAX_ID_DIGITS
        after = int(number) if epoch == self.epoch and is_number else 0
        for event in self._history:
            if now_s - event.time_s > HISTORY_S:
                continue
            if event.number > after:
                yield event
            elif event.kind == PARTIAL:
                yield replace(event, id="")

    def _send_state(self) -> None:
        """Send the state, and the partials that viewers forget with it although they are open."""
        self.send(self.state)
        for event in self._history:
            if event.kind == PARTIAL:
                self.send(replace(event, id=""))

    def _published_by(self, publisher: object, recording: str) -> PublishedRecording | None:
        found = self._recordings.get(recording)
        return found if found is not None and found.publisher is publisher else None

    def _forget_recording(self) -> None:
        """Make room for a recording: forget the one that was opened first, live ones last."""
        if len(self._recordings) >= MAX_RECORDINGS:
            ended = (name for name, each in self._recordings.items() if each.publisher is None)
            forgotten = next(ended, next(iter(self._recordings)))
            self._forget_partials(forgotten)
            del self._recordings[forgotten]

    def _forget_partials(self, recording: str, utterance: int | None = None) -> None:
        """Remove the partials of an utterance, or of all of a recording, from the history."""
        for each in tuple(self._history):
            if each.kind == PARTIAL and each.recording == recording and utterance in (None, each.utterance):
                self._history.remove(each)


def _is_same(key: str, other: str) -> bool:
    return hmac.compare_digest(key.encode(), other.encode())
