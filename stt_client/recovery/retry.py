"""The retry policy of a stream: after a failure, wait how long, or give up. Knows no clock: `now_s` is passed in.

Theory of operation
    One `RetryState` lives as long as one dictation, which may use many streams. Its inputs are `on_started` (a server
    accepted a stream), `on_progress` (it committed more audio), `on_input_resumed` (a source that paused continues)
    and `delay_s` (a stream failed). Only `delay_s` decides: it returns the wait before the next attempt, or raises.

    States:

        unconnected   no stream was ever accepted; each failure counts towards `connect_s`
        rejected      a server answers and admits no stream for now; counts towards `free_slot_s` instead
        streaming     a stream is open; no timer runs
        disconnected  an accepted stream failed; counts towards `reconnect_s`, and after the end of the audio `finish_s`

    Invariants:

    - A status outside `RETRYABLE_STATUSES` is raised at once: another attempt or another server gives the same error.
    - An address that was not tried since the last wait is tried without a wait, so failover is immediate. Before the
      first stream, giving up also requires that each address was tried.
    - A server's `retry_after_s`, at most `MAX_RETRY_AFTER_S`, is a lower bound of the wait after a rejection. It is
      extended at random, up to twice as long, so that rejected clients do not return together.
    - `MAX_ATTEMPTS_WITHOUT_PROGRESS` accepted streams in a row that commit nothing end the dictation, whatever the time
      limits: then the audio itself breaks servers, and more attempts would break more of them.
    - A pause of the source consumes neither the time limits nor the attempts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from stt_client.errors import ServiceError

# Another attempt or another server may succeed after these; all others need a change by the caller.
RETRYABLE_STATUSES = frozenset(
    {"UNAVAILABLE", "RESOURCE_EXHAUSTED", "INTERNAL", "UNKNOWN", "DEADLINE_EXCEEDED", "CANCELLED"}
)
# Full jitter: every wait up to the bound is equally likely. The bound is under a second, so that recognition continues
# within a second of a server's return; a refused connection costs a server nothing.
INITIAL_BACKOFF_S = 0.1
MAX_BACKOFF_S = 0.8
MAX_RETRY_AFTER_S = 30.0  # upper bound of a server's retry_after
MAX_ATTEMPTS_WITHOUT_PROGRESS = 10  # accepted streams in a row that committed no audio


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How long to try without a server, in seconds, and how many seconds of audio to buffer meanwhile."""

    connect_s: float = 5.0  # until any server answers for the first time; 0: one attempt at each address
    free_slot_s: float = 3600.0  # until a server that answers has a free slot for the first time
    reconnect_s: float = 3600.0  # until a server resumes a stream that failed
    finish_s: float = 60.0  # the same after the end of the audio
    # Audio; then the source is no longer read. All but the first minute is on disk: 115 MB per hour at 16 kHz.
    max_buffered_s: float = 3600.0


DEFAULT_RETRY_POLICY = RetryPolicy()


class RetryState:
    """The attempts of one dictation at a number of addresses."""

    def __init__(self, policy: RetryPolicy, address_count: int, now_s: float, jitter: Callable[[], float]) -> None:
        """Start unconnected at `now_s`; `jitter` returns random numbers in 0..1."""
        self._policy = policy
        self._address_count = address_count
        self._jitter = jitter
        self._failures = 0  # since a stream was last accepted
        self._attempts_without_progress = 0
        self._disconnected_since_s = now_s
        self._rejected_since_s: float | None = None
        self._was_started = False
        self._is_started = False

    def on_started(self) -> None:
        """Record that a server accepted the stream."""
        self._was_started = self._is_started = True
        self._failures = 0

    def on_progress(self) -> None:
        """Record that the server committed more audio."""
        self._attempts_without_progress = 0

    def on_input_resumed(self, now_s: float) -> None:
        """Record that the source continues after a pause, which counts against neither a server nor the audio."""
        self._attempts_without_progress = 0
        self._disconnected_since_s = now_s

    def delay_s(self, error: ServiceError, now_s: float, ended_s: float | None) -> float:
        """Return the seconds to wait before the next attempt; `ended_s` is when the audio ended.

        Raises:
            ServiceError: Another attempt is pointless, or a limit is reached, which the message names.
        """
        if error.status not in RETRYABLE_STATUSES:
            raise error
        if self._is_started:
            self._is_started, self._disconnected_since_s = False, now_s
            self._attempts_without_progress += 1
        self._failures += 1
        if self._attempts_without_progress >= MAX_ATTEMPTS_WITHOUT_PROGRESS:
            raise _exhausted(error, f"{MAX_ATTEMPTS_WITHOUT_PROGRESS} streams in a row failed without progress")
        self._check_time_limits(error, now_s, ended_s)
        return self._next_wait_s(error)

    def _check_time_limits(self, error: ServiceError, now_s: float, ended_s: float | None) -> None:
        waited_s = now_s - self._disconnected_since_s
        if not self._was_started and is_rejected_for_now(error):
            self._check_free_slot_limit(error, now_s)
        elif not self._was_started:
            if waited_s >= self._policy.connect_s and self._failures >= self._address_count:
                raise error
        elif waited_s >= self._policy.reconnect_s:
            raise _exhausted(error, f"no server resumed the stream for {waited_s:.0f} s")
        elif ended_s is not None and now_s - max(ended_s, self._disconnected_since_s) >= self._policy.finish_s:
            raise _exhausted(error, f"no server finished the stream for {self._policy.finish_s:.0f} s")

    def _check_free_slot_limit(self, error: ServiceError, now_s: float) -> None:
        """Check the time without admission. A server that answers is not absent, so `connect_s` starts over."""
        self._disconnected_since_s = now_s
        if self._rejected_since_s is None:
            self._rejected_since_s = now_s
        waited_s = now_s - self._rejected_since_s
        if waited_s >= self._policy.free_slot_s and self._failures >= self._address_count:
            raise _exhausted(error, f"no server admitted the stream for {waited_s:.0f} s") if waited_s else error

    def _next_wait_s(self, error: ServiceError) -> float:
        """Return the wait; 0 while there are addresses that were not tried since the last wait."""
        rounds, untried = divmod(self._failures, self._address_count)
        if untried:
            return 0.0
        backoff_s = float(min(MAX_BACKOFF_S, INITIAL_BACKOFF_S * 2 ** min(rounds - 1, 10)) * self._jitter())
        if error.retry_after_s is not None and is_rejected_for_now(error):
            requested_s = min(error.retry_after_s, MAX_RETRY_AFTER_S) * (1 + self._jitter())
            return max(requested_s, backoff_s)  # a server may request no delay at all
        return backoff_s


def is_rejected_for_now(error: ServiceError) -> bool:
    """Return whether the server answers and admits no stream for now: no free slot, or a quota of the client."""
    return error.status == "RESOURCE_EXHAUSTED" and error.retry_after_s is not None


def _exhausted(error: ServiceError, reason: str) -> ServiceError:
    return ServiceError(f"Gave up: {reason}. Last error: {error}", error.status)
