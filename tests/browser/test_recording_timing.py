"""Waits, dead connections, gaps and deletions of a recording in a page: tables of pure decisions."""

from __future__ import annotations

import pytest
from playwright.async_api import Page

from stt_client.errors import ServiceError
from stt_client.recovery.retry import RETRYABLE_STATUSES, RetryPolicy, RetryState

RETRY_CASES = [
    *(([(status, None, 0.0)], 1.0) for status in sorted(RETRYABLE_STATUSES)),
    ([("UNAVAILABLE", None, 0.0)] * 6, 1.0),
    ([("UNAVAILABLE", None, 0.0)] * 6, 0.0),
    ([("RESOURCE_EXHAUSTED", 2.0, 0.0)], 0.0),
    ([("RESOURCE_EXHAUSTED", 2.0, 0.0)], 1.0),
    ([("RESOURCE_EXHAUSTED", 999.0, 0.0)], 0.0),
    ([("RESOURCE_EXHAUSTED", 0.0, 0.0)], 1.0),
    ([("INVALID_ARGUMENT", None, 0.0)], 1.0),
    ([("UNAUTHENTICATED", None, 0.0)], 1.0),
    ([("ABORTED", None, 0.0)], 1.0),
    ([("started", None, 0.0), ("UNAVAILABLE", None, 0.0)] * 12, 1.0),
    ([("started", None, 0.0), ("progress", None, 0.0), ("UNAVAILABLE", None, 0.0)] * 12, 1.0),
]
RETRY_IN_PAGE = """async ([inputs, jitter]) => {
    const { RetryState, StreamError } = await import("/assets/recording/retry.js");
    const retry = new RetryState(0, () => jitter);
    const delays = [];
    for (const [input, retryAfterS, nowS] of inputs) {
        if (input === "started") retry.onStarted();
        else if (input === "progress") retry.onProgress();
        else try {
            delays.push(retry.delayS(new StreamError("lost", input, retryAfterS), nowS));
        } catch (error) {
            return [...delays, error.status];
        }
    }
    return delays;
}"""


def delays(inputs: list[tuple[str, float | None, float]], jitter: float) -> list[float | str]:
    """Return the waits of the client library, and the status of the error that ends them."""
    retry, found = RetryState(RetryPolicy(connect_s=1e9), 1, 0.0, lambda: jitter), list[float | str]()
    for name, retry_after_s, now_s in inputs:
        if name == "started":
            retry.on_started()
        elif name == "progress":
            retry.on_progress()
        else:
            try:
                found.append(retry.delay_s(ServiceError("lost", name, retry_after_s), now_s, None))
            except ServiceError as error:
                return [*found, error.status]
    return found


@pytest.mark.parametrize(("inputs", "jitter"), RETRY_CASES)
async def test_waits_and_final_errors_are_those_of_the_client_library(
    blank_page: Page, inputs: list[tuple[str, float | None, float]], jitter: float
) -> None:
    assert await blank_page.evaluate(RETRY_IN_PAGE, [inputs, jitter]) == pytest.approx(delays(inputs, jitter))


async def test_wait_grows_to_five_seconds_after_a_minute_without_a_server(blank_page: Page) -> None:
    outage = [("UNAVAILABLE", None, now_s) for now_s in range(0, 120, 10)]
    waits = await blank_page.evaluate(RETRY_IN_PAGE, [outage, 1.0])
    assert waits[:6] == pytest.approx([0.1, 0.2, 0.4, 0.8, 0.8, 0.8])
    assert waits[6:] == pytest.approx([5.0] * 6)


@pytest.mark.parametrize(
    ("steps", "verdicts"),
    [
        ([("received", 1, True), ("verdict", 300)], ["alive"]),  # nothing is outstanding
        ([("received", 1, True), ("sent", 100), ("verdict", 107), ("verdict", 108)], ["alive", "probe"]),
        ([("verdict", 8), ("verdict", 12), ("verdict", 16), ("verdict", 60)], ["probe", "alive", "probe", "dead"]),
        ([("sent", 50), ("received", 59, False), ("verdict", 60), ("verdict", 67)], ["alive", "probe"]),
        (
            [("end", 1), ("received", 2, True), ("verdict", 9), ("verdict", 10), ("verdict", 62)],
            ["alive", "probe", "dead"],
        ),
    ],
    ids=["idle", "silent", "never answered", "behind", "ended"],
)
async def test_silent_connection_is_probed_and_then_dead(
    blank_page: Page, steps: list[tuple[object, ...]], verdicts: list[str]
) -> None:
    found = await blank_page.evaluate(
        """async (steps) => {
            const { Liveness } = await import("/assets/recording/liveness.js");
            const liveness = new Liveness(0, 0);
            const actions = {
                sent: (nowS) => liveness.onSent(nowS),
                end: (nowS) => liveness.onEndSent(nowS),
                received: (nowS, isAllConfirmed) => liveness.onReceived(nowS, isAllConfirmed),
                verdict: (nowS) => liveness.verdict(nowS),
            };
            return steps.map(([action, ...values]) => actions[action](...values)).filter((verdict) => verdict);
        }""",
        steps,
    )
    assert found == verdicts


async def test_slow_server_has_twice_the_time_after_each_stream_without_progress(blank_page: Page) -> None:
    """Otherwise a text whose decode takes longer than that never arrives."""
    limits = await blank_page.evaluate(
        """async () => {
            const { Liveness } = await import("/assets/recording/liveness.js");
            const seconds = Array.from({ length: 600 }, (_, second) => second);
            return [0, 1, 2].map((attempts) => {
                const liveness = new Liveness(0, attempts);
                return seconds.find((second) => liveness.verdict(second) === "dead");
            });
        }"""
    )
    assert limits == [60, 120, 240]


@pytest.mark.parametrize(
    ("chunks", "gaps"),
    [
        ([(0, 50), (50, 50), (170, 50), (200, 50)], []),
        ([(0, 50), (5050, 50), (5100, 50)], [(1, 5000, True)]),
        ([(0, 50), (1050, 50)], []),
        ([(0, 50), (520, 50), (990, 50), (1500, 50), (1600, 50)], [(3, 1350, False)]),
        ([(0, 50), *((50 * n + 40 * (n % 2), 50) for n in range(1, 400))], []),
        ([(10_000, 50), (2000, 50), (2050, 50)], []),
    ],
    ids=["jitter", "suspended", "within the tolerance", "many small gaps", "long jitter", "clock set back"],
)
async def test_time_without_audio_is_a_gap(
    blank_page: Page, chunks: list[tuple[int, int]], gaps: list[tuple[int, int, bool]]
) -> None:
    found = await blank_page.evaluate(
        """async (chunks) => {
            const { CaptureClock } = await import("/assets/recording/capture-clock.js");
            const clock = new CaptureClock();
            const gaps = chunks.map(([wallMs, chunkMs]) => clock.onChunk(wallMs, chunkMs));
            return gaps.flatMap((gap, index) => (gap ? [[index, gap.missingMs, gap.isPause]] : []));
        }""",
        chunks,
    )
    assert found == [list(gap) for gap in gaps]


@pytest.mark.parametrize(
    ("chunks", "gaps"),
    [
        ([(0, 0), (50, 0), (5100, 5000), (5150, 5000)], []),
        ([(0, 0), (50, 5000), (5100, 5000), (5150, 5000)], []),
        ([(0, 0), (50, -5000), (-4900, -5000), (100, -5000)], [(3, 4950, True)]),
        ([(0, 0), (8050, 5000), (8100, 5000)], [(1, 3000, True)]),
        ([(0, 0), (60_050, 60_000), (60_100, 60_000)], [(1, 60_000, True)]),
        ([(0, 0.0), (50, 0.7), (100, -0.4), (5150, 0.2)], [(3, 5000, True)]),
    ],
    ids=["set forward", "set before its chunk arrives", "set back", "set forward in a pause", "sleep", "resolution"],
)
async def test_clock_that_is_set_is_no_gap(
    blank_page: Page, chunks: list[tuple[int, float]], gaps: list[tuple[int, int, bool]]
) -> None:
    found = await blank_page.evaluate(
        """async (chunks) => {
            const { CaptureClock } = await import("/assets/recording/capture-clock.js");
            const clock = new CaptureClock();
            const gaps = chunks.map(([wallMs, offsetMs]) => clock.onChunk(wallMs, 50, offsetMs));
            return gaps.flatMap((gap, index) => (gap ? [[index, gap.missingMs, gap.isPause]] : []));
        }""",
        chunks,
    )
    assert found == [list(gap) for gap in gaps]


async def test_oldest_committed_audio_is_deleted_first(blank_page: Page) -> None:
    extents = [
        {"id": "complete", "start": 100, "end": 500, "deletableEnd": 500},
        {"id": "uncommitted", "start": 0, "end": 900, "deletableEnd": 0},
        {"id": "live", "start": 0, "end": 900, "deletableEnd": 600},
    ]
    plans = await blank_page.evaluate(
        """async (extents) => {
            const { planDeletions } = await import("/assets/recording/retention.js");
            return [-1, 0, 300, 500, 9999].map((excess) => planDeletions(extents, excess));
        }""",
        extents,
    )
    assert plans == [
        [],
        [],
        [{"id": "complete", "before": 400}],
        [{"id": "complete", "before": 500}, {"id": "live", "before": 100}],
        [{"id": "complete", "before": 500}, {"id": "live", "before": 600}],
    ]
