"""Decides what a broken stream means: try again and when, or give up and why. Knows no clock: `now_s` is passed in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from stt_client.errors import ServiceError

# What another try, or another server, can mend; anything else is for whoever asked.
RETRYABLE_STATUSES = frozenset(
    {"UNAVAILABLE", "RESOURCE_EXHAUSTED", "INTERNAL", "UNKNOWN", "DEADLINE_EXCEEDED", "CANCELLED"}
)
# Full jitter: any wait up to the bound is as likely. The bound is under a second, since that is how soon speech shall
# go on once a server is back; what a refused connection costs a server is nothing.
INITIAL_BACKOFF_S = 0.1
MAX_BACKOFF_S = 0.8
MAX_RETRY_AFTER_S = 30.0  # what a server may ask for
MAX_ATTEMPTS_WITHOUT_PROGRESS = 10  # streams in a row that began and settled nothing: what they hear breaks them


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How long to go on without a server, in seconds, and how much audio may wait for one."""

    connect_s: float = 5.0  # before one has ever answered; 0: one try at each address
    free_slot_s: float = 3600.0  # before one has ever had a free slot
    reconnect_s: float = 3600.0  # once one has
    finish_s: float = 60.0  # once the audio has ended
    max_buffered_s: float = (
        3600.0  # of audio; then no more is taken. More than a minute lies on disk: 115 MB an hour at 16 kHz
    )


DEFAULT_RETRY_POLICY = RetryPolicy()


class RetryState:
    """The tries of one dictation at a number of addresses."""

    def __init__(self, policy: RetryPolicy, address_count: int, now_s: float, jitter: Callable[[], float]) -> None:
        self._policy = policy
        self._address_count = address_count
        self._jitter = jitter  # 0..1
        self._failures = 0  # since a stream last began
        self._attempts_without_progress = 0
        self._disconnected_since_s = now_s
        self._rejected_since_s: float | None = None
        self._was_started = False
        self._is_started = False

    def on_started(self) -> None:
        """Take note that a server has taken the stream."""
        self._was_started = self._is_started = True
        self._failures = 0

    def on_progress(self) -> None:
        """Take note that the dictation got on."""
        self._attempts_without_progress = 0

    def on_input_resumed(self, now_s: float) -> None:
        """Take note that the source goes on after a pause, for which neither a server nor the audio is to blame."""
        self._attempts_without_progress = 0
        self._disconnected_since_s = now_s

    def delay_s(self, error: ServiceError, now_s: float, ended_s: float | None) -> float:
        """Return how long to wait before the next try; `ended_s`: when the audio ended.

        Raises:
            ServiceError: it makes no sense to try again; the sentence says what was tried.
        """
        if error.status not in RETRYABLE_STATUSES:
            raise error
        if self._is_started:
            self._is_started, self._disconnected_since_s = False, now_s
            self._attempts_without_progress += 1
        self._failures += 1
        if self._attempts_without_progress >= MAX_ATTEMPTS_WITHOUT_PROGRESS:
            raise _exhausted(error, f"{MAX_ATTEMPTS_WITHOUT_PROGRESS} streams in a row broke off without getting on")
        self._check_time_limits(error, now_s, ended_s)
        return self._next_wait_s(error)

    def _check_time_limits(self, error: ServiceError, now_s: float, ended_s: float | None) -> None:
        waited_s = now_s - self._disconnected_since_s
        if not self._was_started and has_no_free_slot(error):
            self._check_free_slot_limit(error, now_s)
        elif not self._was_started:
            if waited_s >= self._policy.connect_s and self._failures >= self._address_count:
                raise error
        elif waited_s >= self._policy.reconnect_s:
            raise _exhausted(error, f"no server took the dictation up for {waited_s:.0f} s")
        elif ended_s is not None and now_s - max(ended_s, self._disconnected_since_s) >= self._policy.finish_s:
            raise _exhausted(error, f"no server took the end of the dictation for {self._policy.finish_s:.0f} s")

    def _check_free_slot_limit(self, error: ServiceError, now_s: float) -> None:
        """Wait for a slot: a server that answers is there, so patience with one that is not begins again."""
        self._disconnected_since_s = now_s
        if self._rejected_since_s is None:
            self._rejected_since_s = now_s
        waited_s = now_s - self._rejected_since_s
        if waited_s >= self._policy.free_slot_s and self._failures >= self._address_count:
            raise _exhausted(error, f"no slot was free for {waited_s:.0f} s") if waited_s else error

    def _next_wait_s(self, error: ServiceError) -> float:
        """Return no wait while there are addresses that were not tried since the last one."""
        rounds, untried = divmod(self._failures, self._address_count)
        if untried:
            return 0.0
        backoff_s = float(min(MAX_BACKOFF_S, INITIAL_BACKOFF_S * 2 ** min(rounds - 1, 10)) * self._jitter())
        if error.retry_after_s is not None and has_no_free_slot(error):
            asked_s = min(error.retry_after_s, MAX_RETRY_AFTER_S) * (1 + self._jitter())  # or all come back at once
            return max(asked_s, backoff_s)  # a server may ask for no delay at all
        return backoff_s


def has_no_free_slot(error: ServiceError) -> bool:
    """Return whether a server is there and has no free slot for the time being."""
    return error.status == "RESOURCE_EXHAUSTED" and error.retry_after_s is not None


def _exhausted(error: ServiceError, why: str) -> ServiceError:
    return ServiceError(f"Given up, as {why}: {error}", error.status)
