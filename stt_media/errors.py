"""Why a recording gives no audio. The server and the clients put these into their own sentences.

MediaError
├── UnreadableError     no container or codec of the whitelists, or its beginning is damaged
├── NoAudioTrackError   there is no audio track
├── EmptyError          its audio track is empty
└── NoSuchTrackError    there is none of the requested number
"""

from __future__ import annotations


class MediaError(Exception):
    """The root of the tree."""


class UnreadableError(MediaError):
    """It is no recording of a supported kind."""


class NoAudioTrackError(MediaError):
    """It is a recording without audio."""


class EmptyError(MediaError):
    """Its audio track is empty."""


class NoSuchTrackError(MediaError):
    """It has fewer audio tracks than the number says."""

    def __init__(self, number: int, count: int) -> None:
        super().__init__(f"there is no audio track {number}: valid numbers are 1 to {count}")
