"""Decides what a broken stream means: try again and when, or give up and why. Knows no clock: `now_s` is passed in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from stt_client.errors import ServiceError

# What another try, or another server, can mend; anything else is for whoever asked.
RETRIED = frozenset({"UNAVAILABLE", "RESOURCE_EXHAUSTED", "INTERNAL", "UNKNOWN", "DEADLINE_EXCEEDED", "CANCELLED"})
# Full jitter: any wait up to the bound is as likely. The bound is under a second, since that is how soon speech shall
# go on once a server is back; what a refused connection costs a server is nothing.
FIRST_S = 0.1
LONGEST_S = 0.8
LONGEST_ASKED_S = 30.0  # what a server may ask for
MAX_ATTEMPTS_WITHOUT_PROGRESS = 10  # streams in a row that began and settled nothing: what they hear breaks them


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How long to go on without a server, in seconds, and how much audio may wait for one."""

    first_s: float = 5.0  # before one has ever answered; 0: one try at each address
    slot_s: float = 3600.0  # before one has ever had a free slot
    lost_s: float = 3600.0  # once one has
    owed_s: float = 60.0  # once the audio has ended
    kept_s: float = 3600.0  # of audio; then no more is taken. More than a minute lies on disk: 115 MB an hour at 16 kHz


DEFAULT_RETRY_POLICY = RetryPolicy()


class RetryState:
    """The tries of one dictation at a number of addresses."""

    def __init__(self, patience: RetryPolicy, addresses: int, now_s: float, chance: Callable[[], float]) -> None:
        self._patience = patience
        self._addresses = addresses
        self._chance = chance  # 0..1
        self._failures = 0  # since a stream last began
        self._fruitless = 0
        self._alone_since_s = now_s
        self._full_since_s: float | None = None
        self._ever_began = False
        self._began = False

    def began(self) -> None:
        """Take note that a server has taken the stream."""
        self._ever_began = self._began = True
        self._failures = 0

    def settled(self) -> None:
        """Take note that the dictation got on."""
        self._fruitless = 0

    def has_more(self, now_s: float) -> None:
        """Take note that the source goes on after a pause, for which neither a server nor the audio is to blame."""
        self._fruitless = 0
        self._alone_since_s = now_s

    def delay_s(self, error: ServiceError, now_s: float, ended_s: float | None) -> float:
        """Return how long to wait before the next try; `ended_s`: when the audio ended.

        Raises:
            ServiceError: it makes no sense to try again; the sentence says what was tried.
        """
        if error.status not in RETRIED:
            raise error
        if self._began:
            self._began, self._alone_since_s = False, now_s
            self._fruitless += 1
        self._failures += 1
        if self._fruitless >= MAX_ATTEMPTS_WITHOUT_PROGRESS:
            raise _given_up(error, f"{MAX_ATTEMPTS_WITHOUT_PROGRESS} streams in a row broke off without getting on")
        self._check_patience(error, now_s, ended_s)
        return self._wait_s(error)

    def _check_patience(self, error: ServiceError, now_s: float, ended_s: float | None) -> None:
        waited_s = now_s - self._alone_since_s
        if not self._ever_began and asks_to_wait(error):
            self._check_slot_patience(error, now_s)
        elif not self._ever_began:
            if waited_s >= self._patience.first_s and self._failures >= self._addresses:
                raise error
        elif waited_s >= self._patience.lost_s:
            raise _given_up(error, f"no server took the dictation up for {waited_s:.0f} s")
        elif ended_s is not None and now_s - max(ended_s, self._alone_since_s) >= self._patience.owed_s:
            raise _given_up(error, f"no server took the end of the dictation for {self._patience.owed_s:.0f} s")

    def _check_slot_patience(self, error: ServiceError, now_s: float) -> None:
        """Wait for a slot: a server that answers is there, so patience with one that is not begins again."""
        self._alone_since_s = now_s
        if self._full_since_s is None:
            self._full_since_s = now_s
        waited_s = now_s - self._full_since_s
        if waited_s >= self._patience.slot_s and self._failures >= self._addresses:
            raise _given_up(error, f"no slot was free for {waited_s:.0f} s") if waited_s else error

    def _wait_s(self, error: ServiceError) -> float:
        """Return no wait while there are addresses that were not tried since the last one."""
        rounds, untried = divmod(self._failures, self._addresses)
        if untried:
            return 0.0
        backoff_s = float(min(LONGEST_S, FIRST_S * 2 ** min(rounds - 1, 10)) * self._chance())
        if error.retry_after_s is not None and asks_to_wait(error):
            asked_s = min(error.retry_after_s, LONGEST_ASKED_S) * (1 + self._chance())  # or all come back at once
            return max(asked_s, backoff_s)  # a server may ask for no delay at all
        return backoff_s


def asks_to_wait(error: ServiceError) -> bool:
    """Return whether a server is there and has no free slot for the time being."""
    return error.status == "RESOURCE_EXHAUSTED" and error.retry_after_s is not None


def _given_up(error: ServiceError, why: str) -> ServiceError:
    return ServiceError(f"Given up, as {why}: {error}", error.status)
