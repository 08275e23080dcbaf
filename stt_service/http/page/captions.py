"""The channels of captions: names under which streams are published, for many viewers.

A channel is a name with its key, its history and its viewers:

    waiting   viewers only: no stream has been published under the name
    live      a publisher, whose key owns the name; viewers have another key, which only reads
    kept      the publisher has left: for KEEP_S the name belongs to its key, and viewers receive the history

Viewers never slow a stream: each has a queue, and a viewer whose queue is full is dropped; it reconnects with the id of
its last event. Everything is bounded: channels, viewers, queues and history.
"""

from __future__ import annotations

import hmac
import re
import secrets
from asyncio import Event
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from stt_service.errors import InvalidRequestError

NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
KEY = re.compile(r"[A-Za-z0-9_-]{16,128}")
MAX_QUEUED_EVENTS = 64  # of a viewer, about 20 s of partials
MAX_HISTORY_EVENTS = 200
HISTORY_S = 300.0
KEEP_S = 300.0
MAX_ID_DIGITS = 18  # of a number in an id that a viewer sends back


@dataclass(frozen=True, slots=True)
class Publication:
    """The name under which a stream is published, and the keys that its publisher made for it.

    Attributes:
        name: Of the captions.
        key: Proves that another stream is of the same publisher.
        viewer_key: Opens the captions to viewers without a token; it is in their link.
    """

    name: str
    key: str = field(repr=False)
    viewer_key: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class CaptionEvent:
    """An event for viewers.

    Attributes:
        kind: Name of the event.
        data: JSON on one line.
        id: Identifies the event within the server; empty for events that only describe the state.
        number: Position in the channel.
        time_s: When it was published.
        utterance: Number of its utterance.
    """

    kind: str
    data: str = "{}"
    id: str = ""
    number: int = 0
    time_s: float = 0.0
    utterance: int = 0


LIVE, WAITING = CaptionEvent("live"), CaptionEvent("waiting")
PARTIAL = "partial"
ENDS = frozenset({"final", "suppressed"})


def publication(value: object) -> Publication:
    """Return the checked publication of a client.

    Raises:
        InvalidRequestError: a field is missing, unknown or invalid.
    """
    if not isinstance(value, dict) or value.keys() != {"name", "key", "viewerKey"}:
        raise InvalidRequestError("Invalid captions: must be an object with name, key and viewerKey.")
    name, key, viewer_key = value["name"], value["key"], value["viewerKey"]
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise InvalidRequestError("Invalid captions.name: must be 1 to 64 letters, digits, - or _.")
    for field_name, each in (("key", key), ("viewerKey", viewer_key)):
        if not isinstance(each, str) or not KEY.fullmatch(each):
            raise InvalidRequestError(
                f"Invalid captions.{field_name}: must be 16 to 128 letters, digits, - or _, made at random."
            )
    if key == viewer_key:
        raise InvalidRequestError(
            "Invalid captions.viewerKey: must differ from captions.key, which viewers must not have."
        )
    return Publication(name, key, viewer_key)


@dataclass(slots=True, eq=False)
class Viewer:
    """A viewer's queue."""

    key: str | None = None  # presented, unless the viewer has a token
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
class Channel:
    """A name; see the states in the docstring of the module."""

    epoch: str = field(default_factory=lambda: secrets.token_hex(4))
    publication: Publication | None = None  # of the owner of the name
    publisher: object | None = None
    left_s: float = 0.0  # when its last publisher left
    viewers: set[Viewer] = field(default_factory=set)
    _history: deque[CaptionEvent] = field(default_factory=lambda: deque(maxlen=MAX_HISTORY_EVENTS))
    _published: int = 0

    @property
    def state(self) -> CaptionEvent:
        return WAITING if self.publisher is None else LIVE

    @property
    def unverified(self) -> int:
        """Number of viewers whose key cannot be checked yet."""
        return sum(viewer.key is not None for viewer in self.viewers) if self.publication is None else 0

    def is_kept(self, now_s: float) -> bool:
        """Whether the name still belongs to the key of its last publisher."""
        return self.publisher is not None or now_s - self.left_s < KEEP_S

    def reset(self, publication: Publication | None) -> None:
        """Start over with another owner of the name, or without one."""
        self.epoch, self.publication = secrets.token_hex(4), publication
        self._history.clear()

    def is_owned_by(self, publication: Publication) -> bool:
        """Whether a publication has the key of the name; the time does not depend on the key."""
        return self.publication is not None and _is_same(publication.key, self.publication.key)

    def admits(self, key: str | None) -> bool:
        """Whether a viewer's key is the one of the captions; the time does not depend on the key."""
        return self.publication is not None and key is not None and _is_same(key, self.publication.viewer_key)

    def open(self, publisher: object, publication: Publication) -> None:
        """Make it live; viewers with another key are dropped."""
        if not self.is_owned_by(publication):
            self.reset(publication)
        self.publication, self.publisher = publication, publisher
        for viewer in tuple(self.viewers):
            if viewer.key is not None and not self.admits(viewer.key):
                viewer.drop()
        self.send(LIVE)

    def publish(self, kind: str, data: str, utterance: int, now_s: float) -> None:
        """Send an event to all viewers and add it to the history."""
        self._published += 1
        event = CaptionEvent(kind, data, f"{self.epoch}-{self._published}", self._published, now_s, utterance)
        if kind == PARTIAL or kind in ENDS:  # replaces the partial of its utterance
            former = [each for each in self._history if each.kind == PARTIAL and each.utterance == utterance]
            for each in former:
                self._history.remove(each)
        self._history.append(event)
        self.send(event)

    def send(self, event: CaptionEvent) -> None:
        """Queue an event for all viewers."""
        for viewer in self.viewers:
            viewer.put(event)

    def history(self, last_id: str, now_s: float) -> Iterator[CaptionEvent]:
        """Yield the events of the last HISTORY_S after the one with this id; all of them if it is unknown."""
        epoch, _, number = last_id.partition("-")
        is_number = number.isascii() and number.isdecimal() and len(number) <= MAX_ID_DIGITS
        after = int(number) if epoch == self.epoch and is_number else 0
        return (event for event in self._history if event.number > after and now_s - event.time_s <= HISTORY_S)


def _is_same(key: str, other: str) -> bool:
    return hmac.compare_digest(key.encode(), other.encode())
