"""The errors of the server, by the party that can act on them.

    SttError
    ├── InvalidRequestError       the client: fix the request; INVALID_ARGUMENT
    ├── NotFoundError             the client: use another name; NOT_FOUND
    ├── FailedPreconditionError   the client: once the state of the server allows it; FAILED_PRECONDITION
    ├── UnauthenticatedError      the client: send a valid token; UNAUTHENTICATED
    ├── ResourceExhaustedError    the client: retry after a delay; RESOURCE_EXHAUSTED
    ├── UnavailableError          the client: retry later or on another server; UNAVAILABLE
    ├── DeadlineExceededError     the client: open a new stream; DEADLINE_EXCEEDED
    ├── AbortedError              no action: an operator ended the stream; ABORTED
    ├── InferenceError            the developers of the server; INTERNAL
    └── StartupError              the operator: the server does not start
        ├── ConfigError           ... until a setting is fixed
        ├── ModelNotFoundError    ... until the weights are available
        └── InvalidModelError     ... until the weights are replaced

A message is one sentence with the name, the value, and the valid values or the next step.
`recognition/failures.py` maps these errors to codes and `cli.py` to a line and an exit code; no other module does.
"""

from __future__ import annotations


class SttError(Exception):
    """The root of the tree."""


class InvalidRequestError(SttError):
    """The request of the client is invalid.

    Args:
        message: The sentence.
        field: Name of the invalid field, as the client sent it; empty if it is not known or not one field.
    """

    def __init__(self, message: str, field: str = "") -> None:
        super().__init__(message)
        self.field = field


class NotFoundError(SttError):
    """The name in the request does not exist."""


class FailedPreconditionError(SttError):
    """The current state of the server does not allow the request."""


class UnauthenticatedError(SttError):
    """The client sent no valid token. The message does not reveal whether it was missing, wrong or for another port."""


class ResourceExhaustedError(SttError):
    """The server has no capacity now.

    Args:
        message: The sentence.
        retry_after_s: When the client can try again.
        field: Name of the field of the request for which there is no capacity; empty if it is the whole request.
    """

    def __init__(self, message: str, retry_after_s: float, field: str = "") -> None:
        super().__init__(message)
        self.retry_after_s, self.field = retry_after_s, field


class UnavailableError(SttError):
    """The server is loading or shutting down."""


class DeadlineExceededError(SttError):
    """The client kept the server waiting for too long."""


class AbortedError(SttError):
    """An operator ended the stream."""


class InferenceError(SttError):
    """A decode failed for a reason other than the client's input."""


class StartupError(SttError):
    """The server cannot start."""


class ConfigError(StartupError):
    """A setting has an invalid value."""


class ModelNotFoundError(StartupError):
    """The weights of a model cannot be found or downloaded."""


class InvalidModelError(StartupError):
    """The files of a model are damaged or do not belong together."""
