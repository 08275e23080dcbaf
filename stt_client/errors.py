"""What can go wrong in the client, by who must act; `cli.py` maps it to a line and an exit code.

    ClientError
    ├── SourceError         whoever gave the audio or named the microphone
    │   └── NotAudio        ... a file that is something else: in a folder it is passed over
    ├── OutputError         whoever named the file to write
    └── ServiceError        the server refused or failed; `status` is the name of a gRPC status
        └── Unreachable     there was no server to ask

A message is one sentence that names the thing, the value and what would do.
"""

from __future__ import annotations

from stt_client.sanitize import sanitize_message


class ClientError(Exception):
    """The root of the tree."""


class SourceError(ClientError):
    """The audio cannot be had."""


class UnsupportedAudioError(SourceError):
    """There is no sound in it that can be decoded."""


class OutputError(ClientError):
    """The text cannot be written where it should go."""


class ServiceError(ClientError):
    """The server said no, or was lost on the way."""

    def __init__(self, message: str, status: str, retry_after_s: float | None = None) -> None:
        """Take texts as the server sent them; they are kept as one line each that is safe to print."""
        super().__init__(sanitize_message(message))
        self.status = sanitize_message(status)
        self.retry_after_s = retry_after_s  # when the server asks to be left alone for a while


class ConnectionFailedError(ServiceError):
    """Nothing that speaks gRPC, and lets us in, answers at the address."""

    def __init__(self, message: str) -> None:
        super().__init__(message, "UNAVAILABLE")
