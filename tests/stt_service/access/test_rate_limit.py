"""Client addresses and names, and the limit on calls per client."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stt_service.access.rate_limit import MAX_CLIENTS, RateLimiter, client_address
from stt_service.rpc.auth_interceptor import AuthenticatedContext, client_name
from stt_service.rpc.status_mapping import AnyContext


@dataclass(frozen=True)
class Call:
    address: str

    def peer(self) -> str:
        return self.address


@pytest.mark.parametrize(
    ("peer", "address"),
    [
        ("ipv4:10.0.0.7:50312", "10.0.0.7"),
        ("ipv6:%5B::1%5D:50312", "::1"),
        ("ipv6:[2001:db8:1:2:3:4:5:6]:50312", "2001:db8:1:2::/64"),
        ("ipv6:%5B2001:db8:1:2::9%5D:1", "2001:db8:1:2::/64"),
        ("ipv6:%5B::ffff:10.0.0.7%5D:1", "10.0.0.7"),
        ("ipv6:%5Bfe80::1%25eth0%5D:1", "fe80::/64"),
        ("unix:", "unix:"),
    ],
)
def test_client_address_has_no_port_and_is_a_network_in_ipv6(peer: str, address: str) -> None:
    assert client_address(peer) == address


def test_client_name_is_that_of_the_token_or_else_the_address() -> None:
    context = cast("AnyContext", Call("ipv4:10.0.0.7:1"))
    assert client_name(context) == "10.0.0.7"
    assert client_name(AuthenticatedContext(context, "ann")) == "ann"


def test_calls_of_a_minute_are_allowed_in_a_burst_then_spread_out() -> None:
    rates = RateLimiter()
    assert [rates.retry_after_s("ann", 0.0, 3) for _ in range(3)] == [0.0] * 3
    assert rates.retry_after_s("ann", 0.0, 3) == pytest.approx(20)
    assert rates.retry_after_s("ann", 19.0, 3) == pytest.approx(1)
    assert rates.retry_after_s("ann", 20.0, 3) == 0
    assert rates.retry_after_s("ann", 20.0, 3) > 0


def test_clients_are_limited_separately() -> None:
    rates = RateLimiter()
    assert rates.retry_after_s("ann", 0.0, 1) == 0
    assert rates.retry_after_s("ann", 0.0, 1) > 0
    assert rates.retry_after_s("bob", 0.0, 1) == 0


def test_no_limit_stores_nothing() -> None:
    rates = RateLimiter()
    assert not any(rates.retry_after_s("ann", 0.0, 0) for _ in range(10_000))
    assert len(rates) == 0


def test_number_of_stored_clients_is_bounded() -> None:
    rates = RateLimiter()
    for number in range(3 * MAX_CLIENTS):
        rates.retry_after_s(str(number), 0.0, 10)
    assert len(rates) == MAX_CLIENTS


def test_idle_client_is_forgotten() -> None:
    rates = RateLimiter()
    for number in range(100):
        rates.retry_after_s(str(number), 0.0, 10)
    rates.retry_after_s("new", 6.1, 10)
    assert len(rates) == 1


@given(st.lists(st.floats(0, 3), min_size=1, max_size=300), st.integers(1, 30))
def test_calls_in_any_interval_are_at_most_a_burst_and_the_rate(steps: list[float], per_minute: int) -> None:
    rates, now, allowed = RateLimiter(), 0.0, list[float]()
    for step in steps:
        now += step
        if not rates.retry_after_s("ann", now, per_minute):
            allowed.append(now)
    for first, start in enumerate(allowed):
        later = sum(start <= other for other in allowed[first:])
        assert later <= per_minute + (allowed[-1] - start) * per_minute / 60 + 1


@given(st.lists(st.floats(0, 3), min_size=1, max_size=100), st.integers(1, 30))
def test_call_after_the_retry_delay_is_allowed(steps: list[float], per_minute: int) -> None:
    rates, now = RateLimiter(), 0.0
    for step in steps:
        now += step
        if wait_s := rates.retry_after_s("ann", now, per_minute):
            now += wait_s
            assert rates.retry_after_s("ann", now, per_minute) == 0
