"""The published streams of a server and their viewers. All numbers are bounded."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from stt_service.errors import InvalidRequestError, ResourceExhaustedError, UnauthenticatedError
from stt_service.http.page.captions import CAPTIONS, KEEP_S, CaptionEvent, Channel, Publication, Viewer

MAX_CHANNELS = 64
MAX_VIEWERS = 500  # of all channels
MAX_CHANNEL_VIEWERS = 200
# Viewers whose key cannot be checked yet, since no stream has the name: an audience before its talk. All of it may have
# one address, that of its network or of a proxy. The remaining places are for viewers with a checked key or a token.
MAX_UNVERIFIED_VIEWERS = 300
MAX_UNVERIFIED_OF_ADDRESS = 150
MAX_UNVERIFIED_NAMES_OF_ADDRESS = 16
RETRY_AFTER_S = 5.0
WRONG_KEY = "A valid token, or the viewers' key of these captions, is required: send `Authorization: Bearer KEY`."


class Publisher:
    """Publishes the events of one stream, until another stream of the recording continues it."""

    def __init__(self, channel: Channel, recording: str, now: Callable[[], float]) -> None:
        self._channel, self._recording, self._now = channel, recording, now

    def publish(self, kind: str, data: str, utterance: int) -> None:
        """Send an event to the viewers, each utterance once; never waits."""
        event = CaptionEvent(kind, data, time_s=self._now(), recording=self._recording, utterance=utterance)
        self._channel.publish(self, event)

    def close(self) -> None:
        """Leave the channel."""
        self._channel.leave(self, self._recording, self._now())


class CaptionHub:
    """The channels of a server.

    Args:
        now: A monotonic clock, in seconds.
        call_later: Calls a function after a number of seconds; by default on the running event loop.
    """

    def __init__(
        self,
        now: Callable[[], float] = time.monotonic,
        call_later: Callable[[float, Callable[[], None]], object] | None = None,
    ) -> None:
        self._now, self._call_later = now, call_later or _on_running_loop
        self._is_expiry_scheduled = False
        self._channels: dict[str, Channel] = {}
        self._is_closed = False

    @contextmanager
    def publish(self, wanted: Publication) -> Iterator[Publisher]:
        """Publish a stream. A second one of its recording replaces it; those of other recordings with the key do not.

        Raises:
            InvalidRequestError: the name belongs to another key.
            ResourceExhaustedError: too many streams are published.
        """
        channel = self._channel(wanted.name, lambda each: each.publication is None)
        if channel.publication is not None and not channel.is_owned_by(wanted):
            raise InvalidRequestError(
                f"Invalid captions.name={wanted.name!r}: another publisher uses it; choose another name.",
                f"{CAPTIONS}.name",
            )
        publisher = Publisher(channel, wanted.recording, self._now)
        channel.open(publisher, wanted)
        try:
            yield publisher
        finally:
            publisher.close()
            self._schedule_expiry()

    @contextmanager
    def view(
        self, name: str, last_id: str, key: str | None, address: str = ""
    ) -> Iterator[tuple[Viewer, tuple[CaptionEvent, ...]]]:
        """Add a viewer; yield it, the state and the history.

        Args:
            name: Of the channel.
            last_id: Id of the last event that the viewer has received; empty at first.
            key: Presented by a viewer without a token; None for a viewer with one.
            address: Of the client.

        Raises:
            UnauthenticatedError: the key is not the viewers' key of the name.
            ResourceExhaustedError: there are too many viewers.
        """
        channel = self._channel(name, lambda _: False)
        self._check_viewer(name, key, address)
        viewer, events = Viewer(key, address), (channel.state, *channel.history(last_id, self._now()))
        channel.viewers.add(viewer)
        try:
            yield viewer, events
        finally:
            channel.viewers.discard(viewer)
            self._forget_ended()

    @property
    def names(self) -> frozenset[str]:
        """The names that are published, kept or viewed."""
        return frozenset(self._channels)

    def close(self) -> None:
        """End the streams of all viewers, and accept no more."""
        self._is_closed = True
        for channel in self._channels.values():
            for viewer in channel.viewers:
                viewer.drop()

    def _check_viewer(self, name: str, key: str | None, address: str) -> None:
        channel = self._channels[name]
        if key is not None and channel.publication is not None and not channel.admits(key):
            raise UnauthenticatedError(WRONG_KEY)
        channels = self._channels.values()
        is_unverified = key is not None and channel.publication is None
        if (
            self._is_closed
            or sum(len(each.viewers) for each in channels) >= MAX_VIEWERS
            or len(channel.viewers) >= MAX_CHANNEL_VIEWERS
            or (is_unverified and not self._has_room_to_wait(name, address))
        ):
            raise ResourceExhaustedError("Too many viewers: try again later.", RETRY_AFTER_S)

    def _has_room_to_wait(self, wanted: str, address: str) -> bool:
        """Whether a viewer whose key cannot be checked may wait for a stream of the name."""
        waiting = [(name, viewer) for name, each in self._channels.items() for viewer in each.unverified]
        names = [name for name, viewer in waiting if viewer.address == address]  # one for each viewer of the address
        return (
            len(waiting) < MAX_UNVERIFIED_VIEWERS
            and len(names) < MAX_UNVERIFIED_OF_ADDRESS
            and len({*names, wanted}) <= MAX_UNVERIFIED_NAMES_OF_ADDRESS
        )

    def _channel(self, name: str, can_be_evicted: Callable[[Channel], bool]) -> Channel:
        """Return the channel of a name; a new one takes the place of the first that can be evicted.

        Raises:
            ResourceExhaustedError: there are too many.
        """
        self._forget_ended()
        if name in self._channels:
            return self._channels[name]
        if len(self._channels) >= MAX_CHANNELS:
            evicted = next((each for each, channel in self._channels.items() if can_be_evicted(channel)), None)
            if evicted is None:
                message = "Too many captions are published: try again later, or without captions."
                raise ResourceExhaustedError(message, RETRY_AFTER_S, CAPTIONS)
            for viewer in self._channels.pop(evicted).viewers:
                viewer.drop()
        return self._channels.setdefault(name, Channel())

    def _schedule_expiry(self) -> None:
        """Forget ended streams later: the text of each is kept for at most twice KEEP_S."""
        if not self._is_expiry_scheduled:
            self._is_expiry_scheduled = True
            self._call_later(KEEP_S, self._expire)

    def _expire(self) -> None:
        self._is_expiry_scheduled = False
        self._forget_ended()
        if any(channel.publication is not None and not channel.is_live for channel in self._channels.values()):
            self._schedule_expiry()

    def _forget_ended(self) -> None:
        """Forget the text and the keys of streams that ended more than KEEP_S ago."""
        for name, channel in tuple(self._channels.items()):
            if channel.publication is not None and not channel.is_kept(self._now()):
                channel.reset(None)
            if channel.publication is None and not channel.viewers:
                del self._channels[name]


def _on_running_loop(delay_s: float, function: Callable[[], None]) -> object:
    return asyncio.get_running_loop().call_later(delay_s, function)
