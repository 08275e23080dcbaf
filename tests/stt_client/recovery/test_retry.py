"""What a broken stream means: when it is tried again, where, and when it is given up."""

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
PATIENCE = RetryPolicy(connect_s=5, reconnect_s=100, finish_s=20)


def retries(addresses: int = 1, chance: float = 1.0, patience: RetryPolicy = PATIENCE) -> RetryState:
    return RetryState(patience, addresses, now_s=0.0, jitter=lambda: chance)


@pytest.mark.parametrize(
    "status", ["INVALID_ARGUMENT", "UNAUTHENTICATED", "PERMISSION_DENIED", "UNIMPLEMENTED", "ABORTED"]
)
def test_what_another_try_cannot_mend_is_final(status: str) -> None:
    refused = ServiceError("no", status)
    with pytest.raises(ServiceError) as caught:
        retries().delay_s(refused, 0.0, None)
    assert caught.value is refused


@pytest.mark.parametrize("status", sorted(RETRYABLE_STATUSES))
def test_what_another_try_may_mend_is_tried_again(status: str) -> None:
    assert retries().delay_s(ServiceError("not now", status), 0.0, None) <= MAX_BACKOFF_S


def test_the_wait_doubles_to_under_a_second_and_is_a_matter_of_chance() -> None:
    longest, none = retries(), retries(chance=0.0)
    for now_s in range(4):
        assert none.delay_s(LOST, now_s, None) == 0
    assert [longest.delay_s(LOST, 0.0, None) for _ in range(5)] == [0.1, 0.2, 0.4, MAX_BACKOFF_S, MAX_BACKOFF_S]
    assert MAX_BACKOFF_S < 1


def test_a_source_that_pauses_uses_up_no_patience() -> None:
    one, idle = retries(), ServiceError("No audio came for 300 s.", "DEADLINE_EXCEEDED")
    for now_s in range(0, 300 * 3 * MAX_ATTEMPTS_WITHOUT_PROGRESS, 300):
        one.on_started()
        one.delay_s(idle, now_s, None)
        one.on_input_resumed(now_s + 299)
        one.delay_s(LOST, now_s + 299.5, None)


def test_the_other_addresses_are_tried_before_anyone_waits() -> None:
    three = retries(addresses=3)
    assert [three.delay_s(LOST, 0.0, None) for _ in range(6)] == [0, 0, 0.1, 0, 0, 0.2]


def test_after_a_stream_began_the_wait_is_short_again() -> None:
    one = retries()
    for _ in range(4):
        one.delay_s(LOST, 0.0, None)
    one.on_started()
    assert one.delay_s(LOST, 0.0, None) == 0.1


@pytest.mark.parametrize(
    ("asked_s", "chance", "waited_s"), [(2.0, 0.0, 2.0), (2.0, 1.0, 4.0), (999.0, 0.0, 30.0), (0.0, 1.0, 0.1)]
)
def test_a_full_server_is_left_alone_for_as_long_as_it_asks_within_reason(
    asked_s: float, chance: float, waited_s: float
) -> None:
    full = ServiceError("All 4 streams are taken.", "RESOURCE_EXHAUSTED", asked_s)
    assert retries(chance=chance).delay_s(full, 0.0, None) == waited_s


def test_a_server_that_was_never_there_is_given_up_with_its_own_sentence() -> None:
    none, unreachable = retries(), ConnectionFailedError("cannot reach localhost:1")
    none.delay_s(unreachable, 4.9, None)
    with pytest.raises(ConnectionFailedError, match="cannot reach localhost:1"):
        none.delay_s(unreachable, 5.0, None)


def test_without_patience_each_address_is_tried_once() -> None:
    two = retries(addresses=2, patience=RetryPolicy(connect_s=0))
    two.delay_s(LOST, 0.0, None)
    with pytest.raises(ServiceError):
        two.delay_s(LOST, 0.0, None)


def test_a_lost_server_is_waited_for_from_when_it_was_lost() -> None:
    one = retries()
    one.on_started()
    one.delay_s(LOST, 1000.0, None)
    one.delay_s(LOST, 1099.0, None)
    message = r"Gave up: no server resumed the stream for 100 s\. Last error: the connection"
    with pytest.raises(ServiceError, match=message):
        one.delay_s(LOST, 1100.0, None)


def test_once_the_audio_has_ended_the_wait_for_a_server_is_shorter() -> None:
    one = retries()
    one.on_started()
    one.delay_s(LOST, 1000.0, 900.0)
    one.delay_s(LOST, 1019.0, 900.0)
    with pytest.raises(ServiceError, match="no server finished the stream for 20 s"):
        one.delay_s(LOST, 1020.0, 900.0)


def test_the_end_of_the_audio_begins_a_wait_of_its_own() -> None:
    one = retries()
    one.on_started()
    one.delay_s(LOST, 1000.0, None)
    one.delay_s(LOST, 1069.0, 1050.0)
    with pytest.raises(ServiceError, match="no server finished"):
        one.delay_s(LOST, 1070.0, 1050.0)


FULL = ServiceError("All 4 streams are taken.", "RESOURCE_EXHAUSTED", 2.0)


def test_full_server_is_waited_for_longer_than_one_that_is_not_there() -> None:
    one = retries(chance=0.0, patience=RetryPolicy(connect_s=5, free_slot_s=100))
    assert [one.delay_s(FULL, now_s, None) for now_s in (0.0, 50.0, 99.0)] == [2.0, 2.0, 2.0]
    message = r"^Gave up: no slot was free for 100 s\. Last error: All 4 streams are taken\.$"
    with pytest.raises(ServiceError, match=message):
        one.delay_s(FULL, 100.0, None)


def test_end_of_the_audio_does_not_shorten_the_wait_for_a_slot() -> None:
    one = retries(patience=RetryPolicy(connect_s=5, free_slot_s=100, finish_s=1))
    one.delay_s(FULL, 0.0, 0.0)
    one.delay_s(FULL, 99.0, 0.0)


def test_full_server_that_restarts_is_waited_for_as_one_that_is_not_there() -> None:
    one = retries(patience=RetryPolicy(connect_s=5, free_slot_s=100))
    one.delay_s(FULL, 50.0, None)
    one.delay_s(LOST, 54.0, None)
    one.delay_s(FULL, 54.5, None)
    one.delay_s(LOST, 59.0, None)
    with pytest.raises(ServiceError) as caught:
        one.delay_s(LOST, 59.5, None)
    assert caught.value is LOST


def test_other_servers_are_tried_before_one_waits_for_a_slot() -> None:
    two = retries(addresses=2, chance=0.0)
    assert [two.delay_s(FULL, 0.0, None), two.delay_s(FULL, 0.0, None)] == [0.0, 2.0]


def test_without_patience_a_full_server_is_an_error_at_once() -> None:
    with pytest.raises(ServiceError) as caught:
        retries(patience=RetryPolicy(free_slot_s=0)).delay_s(FULL, 7.0, None)
    assert caught.value is FULL


def test_exhaustion_that_names_no_time_is_waited_for_no_longer_than_before() -> None:
    """As gRPC's own: a message that is too large."""
    one = retries(patience=RetryPolicy(connect_s=5, free_slot_s=100))
    one.delay_s(ServiceError("too large", "RESOURCE_EXHAUSTED"), 0.0, None)
    with pytest.raises(ServiceError, match="too large"):
        one.delay_s(ServiceError("too large", "RESOURCE_EXHAUSTED"), 5.0, None)


def broken(times: int, one: RetryState) -> None:
    for _ in range(times):
        one.on_started()
        one.delay_s(LOST, 0.0, None)


def test_sound_that_breaks_every_stream_is_given_up() -> None:
    one = retries()
    broken(MAX_ATTEMPTS_WITHOUT_PROGRESS - 1, one)
    with pytest.raises(ServiceError, match="10 streams in a row failed without progress"):
        broken(1, one)


def test_streams_that_get_on_may_break_for_ever() -> None:
    one = retries()
    for _ in range(5):
        broken(MAX_ATTEMPTS_WITHOUT_PROGRESS - 1, one)
        one.on_progress()
