"""A microphone that cannot be used, vanishes or is paused: each case is reported, never silent."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page

from tests.browser.dictation_page import Detail, DictationPage, Event
from tests.browser.microphone_spy import SPY, UNPLUG


@pytest_asyncio.fixture
async def offline(browser: Browser, blank_url: str) -> AsyncIterator[DictationPage]:
    """Return a page whose server has no API: it records, and nothing is recognized."""
    context = await browser.new_context()
    page = await context.new_page()
    await page.add_init_script(SPY)
    yield await DictationPage.open(page, blank_url.rstrip("/"))
    await context.close()


async def start_error(page: Page, prepare: str) -> list[str]:
    """Return the kind and message of the error of `start` after a change to the browser."""
    error: list[str] = await page.evaluate(
        """async (prepare) => {
            new Function(prepare)();
            const failure = await new Dictation({ baseUrl: location.origin }).start().catch((error) => error);
            return [failure.kind, failure.message];
        }""",
        prepare,
    )
    return error


@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [
        ("NotAllowedError", "denied", "Allow it in the address bar"),
        ("NotFoundError", "no-device", "Connect one"),
        ("OverconstrainedError", "no-device", "select another"),
        ("NotReadableError", "busy", "Another program"),
    ],
)
async def test_error_of_the_browser_has_a_kind_and_a_next_step(
    offline: DictationPage, name: str, kind: str, message: str
) -> None:
    fails = f"navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('no', '{name}'));"
    found_kind, found_message = await start_error(offline.page, fails)
    assert found_kind == kind
    assert message in found_message


async def test_page_without_https_names_it(offline: DictationPage) -> None:
    insecure = "Object.defineProperty(window, 'isSecureContext', { value: false });"
    kind, message = await start_error(offline.page, insecure)
    assert (kind, "https://" in message) == ("insecure", True)


@pytest.mark.parametrize(
    ("prepare", "kind", "message"),
    [
        ("AudioContext = class { constructor() { throw new Error('no output'); } };", "unsupported", "no output"),
        ("AudioWorkletNode = class { constructor() { throw new TypeError('no node'); } };", "unsupported", "no node"),
        (
            """const { addModule } = AudioWorklet.prototype;
            AudioWorklet.prototype.addModule = function (url) {
                streams[0].getTracks()[0].stop();  // as an unplugged device: no event follows
                return addModule.call(this, url);
            };""",
            "disconnected",
            "disconnected",
        ),
    ],
    ids=["AudioContext", "AudioWorkletNode", "ended track"],
)
async def test_microphone_that_cannot_be_recorded_is_turned_off(
    offline: DictationPage, prepare: str, kind: str, message: str
) -> None:
    found_kind, found_message = await start_error(offline.page, prepare)
    assert found_kind == kind
    assert message in found_message
    assert await offline.page.evaluate("() => streams[0].getTracks().map((track) => track.readyState)") == ["ended"]
    assert set(await offline.page.evaluate("() => contexts.map(({ state }) => state)")) <= {"closed"}


async def test_sound_is_recorded_at_the_native_rate_without_automatic_gain(offline: DictationPage) -> None:
    await offline.start(audio={"noiseSuppression": False})
    await offline.wait_for("state", lambda detail: detail["keptMs"] != 0)
    options, constraints, rate_hz = await offline.page.evaluate("() => [options, constraints, contexts[0].sampleRate]")
    assert "sampleRate" not in options
    audio = constraints["audio"]
    assert (audio["autoGainControl"], audio["echoCancellation"], audio["noiseSuppression"]) == (False, False, False)
    await offline.stop()
    assert (await offline.wav()).rate_hz == rate_hz


async def test_level_is_reported_about_twenty_times_a_second(offline: DictationPage) -> None:
    await offline.start()
    await offline.page.wait_for_function("() => levels.some(({ peak }) => peak > 0.1)")  # the device beeps
    await offline.stop()
    levels = await offline.page.evaluate("() => levels.length")
    assert levels == pytest.approx((await offline.wav()).duration_s * 20, abs=1)


def kind_of(detail: Detail) -> object:
    """Return the kind of the problem that a state names."""
    problem = detail["captureProblem"]
    assert problem is None or isinstance(problem, dict)
    return problem and problem["kind"]


async def problem(offline: DictationPage, kind: str | None, after: int) -> Detail:
    """Wait until a state names the problem, or none."""
    return await offline.wait_for("state", lambda detail: kind_of(detail) == kind, after)


async def test_unplugged_microphone_ends_the_recording_and_each_later_state_names_it(offline: DictationPage) -> None:
    await offline.start()
    await offline.wait_for("state", lambda detail: detail["keptMs"] != 0)
    await offline.page.evaluate(UNPLUG)
    ended = await offline.wait_for("state", lambda detail: not detail["isCapturing"], after=1)
    message = "The microphone was disconnected, or its permission was revoked."
    assert ended["captureProblem"] == {"kind": "disconnected", "message": message}
    stopped = len(offline.events)
    await problem(offline, "disconnected", after=stopped)  # while the recording waits for a server


async def test_paused_recording_is_no_recording_until_it_is_resumed_and_its_gap_named(offline: DictationPage) -> None:
    await offline.start()
    await offline.wait_for("state", lambda detail: detail["keptMs"] != 0)
    # The system refuses to resume, as iOS does during a call.
    await offline.page.evaluate(
        """async () => {
            const resume = contexts[0].resume.bind(contexts[0]);
            window.attempts = 0;
            contexts[0].resume = async () => {
                attempts += 1;
                throw new DOMException("interrupted", "InvalidStateError");
            };
            window.endInterruption = () => (contexts[0].resume = resume);
            await contexts[0].suspend();
        }"""
    )
    await problem(offline, "paused", after=0)
    await offline.page.wait_for_function("() => attempts >= 3")  # the first one, and two of the watchdog
    kinds = [kind_of(detail) for detail in offline.of("state")]
    assert {*kinds[kinds.index("paused") :]} == {"paused"}
    resumed = len(offline.events)
    await offline.page.evaluate("() => endInterruption()")
    gap = await offline.wait_for("notice", lambda detail: "were not recorded" in str(detail["message"]))
    assert str(gap["message"]).startswith("The microphone was paused: ")
    await problem(offline, None, after=resumed)
    await offline.stop()


async def test_recording_that_the_browser_does_not_start_is_paused_until_the_user_clicks(
    offline: DictationPage,
) -> None:
    await offline.page.evaluate(
        """() => {
            const { resume } = AudioContext.prototype;
            AudioContext.prototype.resume = async function () {
                const isPermitted = window.event?.type === "pointerup";
                return isPermitted ? resume.call(this) : this.suspend().then(() => new Promise(() => {}));
            };
        }"""
    )
    await offline.start()
    found = await problem(offline, "paused", after=0)
    assert found["isCapturing"]
    assert next(kind_of(detail) for detail in offline.of("state") if detail["isCapturing"]) == "paused"
    await offline.page.mouse.click(1, 1)
    await problem(offline, None, after=offline.events.index(Event("state", found)))
    await offline.stop()
    assert (await offline.wav()).duration_s > 0


async def test_microphone_without_audio_is_a_problem_until_audio_arrives(offline: DictationPage) -> None:
    await offline.page.evaluate(
        """() => {
            const connect = AudioNode.prototype.connect;
            AudioNode.prototype.connect = function (node) {
                if (this instanceof MediaStreamAudioSourceNode) {
                    window.deliver = () => connect.call(this, node);
                    window.withhold = () => this.disconnect();
                }
                return connect.call(this, node);
            };
        }"""
    )
    await offline.start()
    await offline.wait_for("state", lambda detail: detail["keptMs"] != 0)
    await offline.page.evaluate("() => withhold()")
    found = await problem(offline, "no-audio", after=0)
    assert found["isCapturing"]
    await offline.page.evaluate("() => void deliver()")
    await problem(offline, None, after=len(offline.events))
    await offline.stop()


async def test_microphone_that_the_system_mutes_is_a_problem_until_it_is_on(offline: DictationPage) -> None:
    await offline.start()
    await offline.wait_for("state", lambda detail: detail["keptMs"] != 0)
    mute = """(isMuted) => {
        const track = streams[0].getTracks()[0];
        Object.defineProperty(track, "muted", { value: isMuted, configurable: true });
        track.dispatchEvent(new Event(isMuted ? "mute" : "unmute"));
    }"""
    await offline.page.evaluate(mute, True)
    await problem(offline, "muted", after=0)
    await offline.page.evaluate(mute, False)
    await problem(offline, None, after=len(offline.events))
    await offline.stop()


async def test_screen_stays_on_while_recording(offline: DictationPage) -> None:
    await offline.page.add_init_script(
        """
        window.locks = [];
        Object.defineProperty(navigator, "wakeLock", { value: { request: async (type) => {
            const lock = { type, isReleased: false, release: async () => { lock.isReleased = true; } };
            locks.push(lock);
            return lock;
        } } });
        """
    )
    await offline.reload()
    await offline.start()
    read = "() => locks.map(({ type, isReleased }) => [type, isReleased])"
    assert await offline.page.evaluate(read) == [["screen", False]]
    await offline.stop()
    assert await offline.page.evaluate(read) == [["screen", True]]


async def test_two_starts_at_once_open_one_recording(offline: DictationPage) -> None:
    opened = await offline.page.evaluate(
        """async () => {
            const dictation = new Dictation({ baseUrl: location.origin });
            await Promise.all([dictation.start(), dictation.start()]);
            await dictation.start();
            await dictation.stop();
            return streams.length;
        }"""
    )
    assert opened == 1


async def test_persistent_storage_is_requested_once(offline: DictationPage) -> None:
    await offline.page.evaluate(
        """() => {
            window.requests = 0;
            navigator.storage.persist = async () => { window.requests += 1; };
        }"""
    )
    for _ in range(2):
        await offline.start()
        await offline.page.evaluate("() => dictation.abandon()")
    assert await offline.page.evaluate("() => requests") == 1
