"""What can go wrong, by who must act.

    SttError
    ├── InvalidRequest      the client, now: INVALID_ARGUMENT
    ├── Unknown             the client, now: NOT_FOUND
    ├── Untimely            the client, once something else has changed: FAILED_PRECONDITION
    ├── Unauthenticated     the client, with a token: UNAUTHENTICATED
    ├── Overloaded          the client, later: RESOURCE_EXHAUSTED, with a delay
    ├── Unavailable         the client, elsewhere or later: UNAVAILABLE
    ├── TimedOut            the client, by a new stream: DEADLINE_EXCEEDED
    ├── Terminated          nobody: an operator ended the stream: ABORTED
    ├── EngineFailed        us: INTERNAL
    └── StartFailed         the operator: the server does not start
        ├── InvalidSetting  ... until a setting is mended
        ├── ModelNotFound   ... until the weights are there
        └── InvalidModelError  ... until the weights are replaced

A message is one sentence that names the thing, the value and what would do.
`answers.py` maps these to statuses, `commands.py` to a line and an exit code; nothing else does.
"""

from __future__ import annotations


class SttError(Exception):
    """The root of the tree."""


class InvalidRequestError(SttError):
    """The client sent what cannot be served."""


class NotFoundError(SttError):
    """What the client names is not there."""


class FailedPreconditionError(SttError):
    """It cannot be done as things stand."""


class UnauthenticatedError(SttError):
    """The client showed no token that holds. Whether it was none, a wrong one or another port's is not told."""


class ResourceExhaustedError(SttError):
    """The server has no room now."""

    def __init__(self, message: str, retry_after_s: float) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class UnavailableError(SttError):
    """The server is loading or going away."""


class DeadlineExceededError(SttError):
    """The client kept the server waiting for too long."""


class AbortedError(SttError):
    """An operator ended the stream."""


class InferenceError(SttError):
    """A decode failed for a reason that is not the client's."""


class StartupError(SttError):
    """The server cannot start."""


class ConfigError(StartupError):
    """A setting has a value that will not do."""


class ModelNotFoundError(StartupError):
    """The weights of a model are nowhere to be had."""


class InvalidModelError(StartupError):
    """A model's files are damaged, or do not belong together."""
