"""Selection of the audio track to recognize."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from av.stream import Disposition

from stt_media.containers import CODECS
from stt_media.errors import NoAudioTrackError, NoSuchTrackError, UnreadableError

if TYPE_CHECKING:
    from av import AudioStream
    from av.container import InputContainer

AUXILIARY = Disposition.comment | Disposition.visual_impaired | Disposition.karaoke | Disposition.clean_effects
MAX_NAME = 40  # characters of a title or a language in a message
MAX_LISTED = 8  # tracks in a message


@dataclass(frozen=True, slots=True)
class Track:
    number: int  # from 1, among the audio tracks
    codec: str  # FFmpeg's decoder; empty if there is none
    channels: int
    language: str = ""
    title: str = ""
    is_default: bool = False
    is_auxiliary: bool = False  # commentary or audio description

    def __str__(self) -> str:
        named = " ".join(part for part in (self.language, f'"{self.title}"' if self.title else "") if part)
        kinds = [name for name, applies in (("default", self.is_default), ("commentary", self.is_auxiliary)) if applies]
        details = ", ".join([f"{self.channels} ch", *kinds])
        return f"{self.number} {named} ({details})" if named else f"{self.number} ({details})"


def tracks(container: InputContainer) -> list[Track]:
    """Return the audio tracks in the order of the recording."""
    return [_track(number, stream) for number, stream in enumerate(container.streams.audio, start=1)]


def choose_track(found: Sequence[Track], number: int | None) -> Track:
    """Return the track with this number; for None the default track, otherwise the first that is no commentary.

    Raises:
        NoAudioTrackError: There is no audio track.
        NoSuchTrackError: No track has this number.
        UnreadableError: The codec is not supported.
    """
    if not found:
        raise NoAudioTrackError("there is no audio track")
    if number is not None and not 1 <= number <= len(found):
        raise NoSuchTrackError(number, len(found))
    track = found[number - 1] if number is not None else min(found, key=_rank)
    if track.codec not in CODECS:
        raise UnreadableError(f"the codec of audio track {track.number} is not supported")
    return track


def describe(found: Sequence[Track]) -> str:
    """Return a description of the tracks for a message."""
    more = [f"{len(found) - MAX_LISTED} more"] if len(found) > MAX_LISTED else []
    return "; ".join([*map(str, found[:MAX_LISTED]), *more])


def _rank(track: Track) -> tuple[bool, bool, bool, int]:
    return track.codec not in CODECS, track.is_auxiliary, not track.is_default, track.number


def _track(number: int, stream: AudioStream) -> Track:
    context = stream.codec_context
    return Track(
        number=number,
        codec=context.codec.name if context is not None else "",
        channels=context.layout.nb_channels if context is not None else 0,
        language=_printable(stream.metadata.get("language", "").removeprefix("und")),
        title=_printable(stream.metadata.get("title", "")),
        is_default=Disposition.default in stream.disposition,
        is_auxiliary=bool(stream.disposition & AUXILIARY),
    )


def _printable(text: str) -> str:
    """Return foreign text without control characters, at most MAX_NAME characters."""
    return "".join(letter for letter in text if letter.isprintable())[:MAX_NAME]
