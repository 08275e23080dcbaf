"""The errors of the client, grouped by the party that must act; `stt_cli` maps them to a message and an exit code.

    ClientError
    ├── SourceError                 the provider of the audio, or of the microphone's name
    │   └── UnsupportedAudioError   ... a file without decodable audio: skipped in a folder
    ├── OutputError                 the provider of the output file's name
    └── ServiceError                the operator of the server; `status` is the name of a gRPC status
        └── ConnectionFailedError   ... no server answers at the address

A message is one sentence that names the subject, the invalid value and the valid ones or the next step.
"""

from __future__ import annotations

from stt_client.sanitize import sanitize_message


class ClientError(Exception):
    """The base of all errors of the client; by itself: invalid settings, token or TLS files."""


class SourceError(ClientError):
    """The audio cannot be read, or the microphone cannot be opened."""


class UnsupportedAudioError(SourceError):
    """The source contains no audio that can be decoded."""


class OutputError(ClientError):
    """The output cannot be written."""


class ServiceError(ClientError):
    """The server returned an error, or the connection failed.

    Attributes:
        status: the name of a gRPC status, such as INVALID_ARGUMENT.
        retry_after_s: seconds after which the server allows another attempt; None if it sent none.
    """

    def __init__(self, message: str, status: str, retry_after_s: float | None = None) -> None:
        """Sanitize the texts of a server: each becomes one line of at most 1000 characters that is safe to print."""
        super().__init__(sanitize_message(message))
        self.status = sanitize_message(status)
        self.retry_after_s = retry_after_s


class ConnectionFailedError(ServiceError):
    """No gRPC connection to the address could be established; the message gives the reason."""

    def __init__(self, message: str) -> None:
        super().__init__(message, "UNAVAILABLE")
