"""The reasons why a recording cannot be decoded. The server and the clients build their own messages from them.

MediaError
├── UnreadableError     container or codec not in the whitelists, or the beginning is damaged
├── NoAudioTrackError   no audio track
├── EmptyError          the audio track is empty
└── NoSuchTrackError    no audio track with the requested number
"""

from __future__ import annotations


class MediaError(Exception):
    """The base class of all errors of this package."""


class UnreadableError(MediaError):
    """The recording is of an unsupported format or damaged."""


class NoAudioTrackError(MediaError):
    """The recording has no audio track."""


class EmptyError(MediaError):
    """The audio track is empty."""


class NoSuchTrackError(MediaError):
    """The requested track number is higher than the number of audio tracks, or below 1."""

    def __init__(self, number: int, count: int) -> None:
        super().__init__(f"there is no audio track {number}: valid numbers are 1 to {count}")
