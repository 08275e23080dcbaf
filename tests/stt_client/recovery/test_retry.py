"""The retry policy: when and where a failed stream is retried, and when retries end."""

from __future__ import annotations

import pytest

from stt_client.errors import ConnectionFailedError, ServiceError
from stt_client.recovery.retry import (
    MAX_ATTEMPTS_WITHOUT_PROGRESS,
    MAX_BACKOFF_S,
    RETRYABLE_STATUSES,
    RetryPolicy,
    RetryState,
)

LOST = ServiceError("the connection was lost", "UNAVAILABLE")
POLICY = RetryPolicy(connect_s=5, reconnect_s=100, finish_s=20)


def retries(addresses: int = 1, jitter: float = 1.0, policy: RetryPolicy = POLICY) -> RetryState:
    return RetryState(policy, addresses, now_s=0.0, jitter=lambda: jitter)


@pytest.mark.parametrize(
    "status", ["INVALID_ARGUMENT", "UNAUTHENTICATED", "PERMISSION_DENIED", "UNIMPLEMENTED", "ABORTED"]
)
def test_permanent_error_is_raised(status: str) -> None:
    error = ServiceError("no", status)
    with pytest.raises(ServiceError) as caught:
        retries().delay_s(error, 0.0, None)
    assert caught.value is error


@pytest.mark.parametrize("status", sorted(RETRYABLE_STATUSES))
def test_temporary_error_is_retried(status: str) -> None:
    assert retries().delay_s(ServiceError("not now", status), 0.0, None) <= MAX_BACKOFF_S


def test_wait_doubles_to_under_a_second_with_full_jitter() -> None:
    longest, shortest = retries(), retries(jitter=0.0)
    for now_s in range(4):
        assert shortest.delay_s(LOST, now_s, None) == 0
    assert [longest.delay_s(LOST, 0.0, None) for _ in range(5)] == [0.1, 0.2, 0.4, MAX_BACKOFF_S, MAX_BACKOFF_S]
    assert MAX_BACKOFF_S < 1


def test_paused_source_consumes_no_attempts() -> None:
    retry, idle = retries(), ServiceError("No audio came for 300 s.", "DEADLINE_EXCEEDED")
    for now_s in range(0, 300 * 3 * MAX_ATTEMPTS_WITHOUT_PROGRESS, 300):
        retry.on_started()
        retry.delay_s(idle, now_s, None)
        retry.on_input_resumed(now_s + 299)
        retry.delay_s(LOST, now_s + 299.5, None)


def test_other_addresses_are_tried_before_a_wait() -> None:
    three = retries(addresses=3)
    assert [three.delay_s(LOST, 0.0, None) for _ in range(6)] == [0, 0, 0.1, 0, 0, 0.2]


def test_accepted_stream_resets_the_wait() -> None:
    retry = retries()
    for _ in range(4):
        retry.delay_s(LOST, 0.0, None)
    retry.on_started()
    assert retry.delay_s(LOST, 0.0, None) == 0.1


@pytest.mark.parametrize(
    ("retry_after_s", "jitter", "wait_s"), [(2.0, 0.0, 2.0), (2.0, 1.0, 4.0), (999.0, 0.0, 30.0), (0.0, 1.0, 0.1)]
)
def test_full_server_is_retried_after_its_retry_after_within_limits(
    retry_after_s: float, jitter: float, wait_s: float
) -> None:
    full = ServiceError("All 4 streams are taken.", "RESOURCE_EXHAUSTED", retry_after_s)
    assert retries(jitter=jitter).delay_s(full, 0.0, None) == wait_s


def test_server_that_never_responded_raises_its_own_error() -> None:
    retry, unreachable = retries(), ConnectionFailedError("cannot reach localhost:1")
    retry.delay_s(unreachable, 4.9, None)
    with pytest.raises(ConnectionFailedError, match="cannot reach localhost:1"):
        retry.delay_s(unreachable, 5.0, None)


def test_zero_connect_time_tries_each_address_once() -> None:
    two = retries(addresses=2, policy=RetryPolicy(connect_s=0))
    two.delay_s(LOST, 0.0, None)
    with pytest.raises(ServiceError):
        two.delay_s(LOST, 0.0, None)


def test_reconnect_time_starts_at_the_disconnection() -> None:
    retry = retries()
    retry.on_started()
    retry.delay_s(LOST, 1000.0, None)
    retry.delay_s(LOST, 1099.0, None)
    message = r"Gave up: no server resumed the stream for 100 s\. Last error: the connection"
    with pytest.raises(ServiceError, match=message):
        retry.delay_s(LOST, 1100.0, None)


def test_end_of_the_audio_shortens_the_wait_for_a_server() -> None:
    retry = retries()
    retry.on_started()
    retry.delay_s(LOST, 1000.0, 900.0)
    retry.delay_s(LOST, 1019.0, 900.0)
    with pytest.raises(ServiceError, match="no server finished the stream for 20 s"):
        retry.delay_s(LOST, 1020.0, 900.0)


def test_end_of_the_audio_starts_its_own_timeout() -> None:
    retry = retries()
    retry.on_started()
    retry.delay_s(LOST, 1000.0, None)
    retry.delay_s(LOST, 1069.0, 1050.0)
    with pytest.raises(ServiceError, match="no server finished"):
        retry.delay_s(LOST, 1070.0, 1050.0)


FULL = ServiceError("All 4 streams are taken.", "RESOURCE_EXHAUSTED", 2.0)


def test_full_server_is_retried_longer_than_an_unreachable_one() -> None:
    retry = retries(jitter=0.0, policy=RetryPolicy(connect_s=5, free_slot_s=100))
    assert [retry.delay_s(FULL, now_s, None) for now_s in (0.0, 50.0, 99.0)] == [2.0, 2.0, 2.0]
    message = r"^Gave up: no server admitted the stream for 100 s\. Last error: All 4 streams are taken\.$"
    with pytest.raises(ServiceError, match=message):
        retry.delay_s(FULL, 100.0, None)


def test_end_of_the_audio_does_not_shorten_the_wait_for_a_slot() -> None:
    retry = retries(policy=RetryPolicy(connect_s=5, free_slot_s=100, finish_s=1))
    retry.delay_s(FULL, 0.0, 0.0)
    retry.delay_s(FULL, 99.0, 0.0)


def test_full_server_that_restarts_is_retried_as_an_unreachable_one() -> None:
    retry = retries(policy=RetryPolicy(connect_s=5, free_slot_s=100))
    retry.delay_s(FULL, 50.0, None)
    retry.delay_s(LOST, 54.0, None)
    retry.delay_s(FULL, 54.5, None)
    retry.delay_s(LOST, 59.0, None)
    with pytest.raises(ServiceError) as caught:
        retry.delay_s(LOST, 59.5, None)
    assert caught.value is LOST


def test_other_servers_are_tried_before_a_wait_for_a_slot() -> None:
    two = retries(addresses=2, jitter=0.0)
    assert [two.delay_s(FULL, 0.0, None), two.delay_s(FULL, 0.0, None)] == [0.0, 2.0]


def test_zero_slot_time_raises_the_error_of_a_full_server_immediately() -> None:
    with pytest.raises(ServiceError) as caught:
        retries(policy=RetryPolicy(free_slot_s=0)).delay_s(FULL, 7.0, None)
    assert caught.value is FULL


def test_exhaustion_without_retry_after_uses_the_connect_time() -> None:
    """gRPC itself sends it, for example for a message that is too large."""
    retry = retries(policy=RetryPolicy(connect_s=5, free_slot_s=100))
    retry.delay_s(ServiceError("too large", "RESOURCE_EXHAUSTED"), 0.0, None)
    with pytest.raises(ServiceError, match="too large"):
        retry.delay_s(ServiceError("too large", "RESOURCE_EXHAUSTED"), 5.0, None)


def fail_streams(count: int, retry: RetryState) -> None:
    for _ in range(count):
        retry.on_started()
        retry.delay_s(LOST, 0.0, None)


def test_audio_that_fails_every_stream_ends_the_retries() -> None:
    retry = retries()
    fail_streams(MAX_ATTEMPTS_WITHOUT_PROGRESS - 1, retry)
    with pytest.raises(ServiceError, match="10 streams in a row failed without progress"):
        fail_streams(1, retry)


def test_streams_with_progress_are_retried_without_limit() -> None:
    retry = retries()
    for _ in range(5):
        fail_streams(MAX_ATTEMPTS_WITHOUT_PROGRESS - 1, retry)
        retry.on_progress()
