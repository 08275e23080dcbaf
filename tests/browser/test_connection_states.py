"""The states that a user sees, with a scripted server: failures, retries and the end of a recording."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence

import pytest
import pytest_asyncio
from playwright.async_api import Browser, WebSocketRoute

from tests.browser.dictation_page import DictationPage

Json = dict[str, object]

STARTED: Json = {"started": {"streamId": "1", "model": "base"}}
SEVERAL_REPORTS_MS = 5000  # a state is reported each second
SILENCE_MS = 10_000  # after which the connection is probed
ALL_MS = "1000000"  # after the end of all audio
FINAL = {"utterance": "0", "text": "one", "startMs": "0", "endMs": "40", "endpoint": "ENDPOINT_SILENCE"}
COMPLETE: Json = {"receivedMs": ALL_MS, "committedMs": ALL_MS, "final": FINAL}
STORAGE_TIMEOUT_MS = 3000  # of a stop
# Writes of audio never complete.
BLOCK_STORAGE = """async () => {
    const { journalOfPage } = await import("/assets/recording/journal.js");
    journalOfPage.putChunks = () => new Promise(() => {});
}"""


class ScriptedStreams:
    """Answers the config of each stream, and the end of its audio, with the next script; the last one repeats."""

    def __init__(self, *scripts: Sequence[Json], ends: Sequence[Sequence[Json]] = ((),)) -> None:
        self._scripts, self._ends = scripts, ends
        self.configs: list[Json] = []  # the first frame of each stream

    def __call__(self, socket: WebSocketRoute) -> None:
        number = len(self.configs)
        script = self._scripts[min(number, len(self._scripts) - 1)]
        end = self._ends[min(number, len(self._ends) - 1)]

        async def answer(message: str | bytes) -> None:
            frame = {} if isinstance(message, bytes) else json.loads(message)
            if "config" in frame:
                self.configs.append(frame)
                await send(script)
            elif "end" in frame:
                await send(end)

        async def send(responses: Sequence[Json]) -> None:
            for response in responses:
                socket.send(json.dumps(response))
            if responses and "failure" in responses[-1]:
                await socket.close(code=1008, reason="failure")
            elif responses and responses[-1].get("committedMs") == ALL_MS:
                await socket.close(code=1000)

        socket.on_message(answer)


def failure(reason: str, **fields: object) -> Json:
    return {"failure": {"reason": reason, "message": f"message of {reason}", **fields}}


@pytest_asyncio.fixture
async def page(browser: Browser, blank_url: str) -> AsyncIterator[DictationPage]:
    """Return a page whose streams are scripted by `page.page.route_web_socket`."""
    context = await browser.new_context()
    yield await DictationPage.open(await context.new_page(), blank_url.rstrip("/"))
    await context.close()


async def scripted(page: DictationPage, streams: ScriptedStreams, before: str = "() => {}", **options: object) -> None:
    """Start a dictation whose streams are answered by the scripts; a function of the page runs before."""
    await page.page.route_web_socket("**/api/stream", streams)
    await page.reload()  # routes apply to documents loaded after them
    await page.page.evaluate(before)
    await page.start(**options)


async def wait_for_audio(page: DictationPage) -> None:
    """Wait until the stream is accepted, and the recording has audio."""
    await page.wait_for_state("recording")
    await page.page.wait_for_function("() => levels.length > 0")


@pytest.mark.parametrize("reason", ["INVALID_ARGUMENT", "UNAUTHENTICATED", "PERMISSION_DENIED"])
async def test_permanent_failure_is_reported_and_the_recording_goes_on(page: DictationPage, reason: str) -> None:
    await scripted(page, streams := ScriptedStreams([failure(reason)]))
    failed = await page.wait_for_state("failed")
    assert (failed["reason"], failed["status"], failed["isCapturing"]) == (f"message of {reason}", reason, True)
    await page.wait_for("state", lambda detail: detail["state"] == "failed" and detail["keptMs"] != 0)
    stopped = await page.stop()
    assert not stopped["isComplete"]
    assert len(streams.configs) == 1


async def test_failed_recording_without_a_microphone_is_not_reported_again(page: DictationPage) -> None:
    await page.page.clock.install()
    await scripted(page, ScriptedStreams([failure("PERMISSION_DENIED")]))
    await page.wait_for_state("failed")
    await page.stop()
    reported = len(page.events)
    await page.page.clock.run_for(SEVERAL_REPORTS_MS)
    assert page.events[reported:] == []


async def test_operator_ends_the_recording(page: DictationPage) -> None:
    await scripted(page, ScriptedStreams([STARTED, failure("ABORTED")]))
    await page.wait_for("state", lambda detail: detail["state"] == "failed" and not detail["isCapturing"])


async def test_full_server_is_connecting_with_its_reason_and_stop_does_not_wait_for_it(page: DictationPage) -> None:
    await scripted(page, ScriptedStreams([failure("RESOURCE_EXHAUSTED", retryAfter="25s")]))
    waiting = await page.wait_for("state", lambda detail: bool(detail["reason"]))
    assert (waiting["state"], waiting["isCapturing"]) == ("connecting", True)
    assert not (await page.stop())["isComplete"]


async def test_draining_server_is_a_notice_and_the_next_stream_resumes_at_the_committed_position(
    page: DictationPage,
) -> None:
    drain: Json = {"notice": {"reason": "DRAIN", "message": "The server is shutting down."}}
    first: list[Json] = [STARTED, drain, {"committedMs": "40", "final": FINAL}, failure("UNAVAILABLE")]
    await scripted(page, streams := ScriptedStreams(first, [STARTED]))
    assert (await page.wait_for("notice"))["message"] == "The server is shutting down."
    ended = await page.wait_for("state", lambda detail: detail["status"] == "UNAVAILABLE")
    assert ended["state"] == "connecting"
    await page.wait_for_state("recording", after=[event.detail for event in page.events].index(ended))
    config = streams.configs[1]["config"]
    assert isinstance(config, dict)
    # The position is limited to the audio that was sent: none before the server started the stream.
    assert config["resume"]["nextUtterance"] in ("0", "1")
    assert (config["resumable"], config["partials"], config["wordTimes"]) == (True, True, True)
    assert page.finals == [(0, "one")]


async def test_captions_and_settings_are_in_the_first_frame(page: DictationPage) -> None:
    captions, settings = (
        {"name": "talk", "key": "k" * 16, "viewerKey": "v" * 16},
        {"language": "ru", "hotwords": ["Ada"]},
    )
    await scripted(page, streams := ScriptedStreams([STARTED]), captions=captions, settings=settings)
    await page.wait_for_state("recording")
    (frame,) = streams.configs
    recording = await page.page.evaluate("() => dictation.recordingId")
    assert frame["captions"] == {**captions, "recording": recording}
    config = frame["config"]
    assert isinstance(config, dict)
    assert config["settings"] == settings
    assert "resume" not in config


async def test_connection_that_is_lost_after_the_end_of_the_audio_is_replaced(page: DictationPage) -> None:
    received: Json = {"receivedMs": ALL_MS, "partial": {"utterance": "0", "stable": "one"}}
    await page.page.route("**/api/info", lambda route: route.abort())
    await page.page.clock.install()
    await scripted(page, ScriptedStreams([STARTED], ends=[[received], [COMPLETE]]))
    await wait_for_audio(page)
    await page.page.evaluate("() => void dictation.stop()")
    await page.wait_for("partial")
    await page.page.clock.run_for(SILENCE_MS)
    assert (await page.wait_for_state("offline"))["reason"] == "The connection to the server is lost."
    await page.wait_for_state("idle")
    assert page.finals == [(0, "one")]


async def test_stop_sends_the_end_of_the_audio_before_the_storage_answers(page: DictationPage) -> None:
    await page.page.clock.install()
    await scripted(page, ScriptedStreams([STARTED], ends=[[COMPLETE]]), before=BLOCK_STORAGE)
    await wait_for_audio(page)
    await page.page.evaluate("() => void (window.stopping = dictation.stop())")
    await page.wait_for_state("idle")
    assert page.finals == [(0, "one")]
    await page.page.clock.run_for(STORAGE_TIMEOUT_MS)
    assert await page.page.evaluate("() => stopping") == {"isComplete": True, "keptMs": 0}


async def test_abandoned_recording_is_closed_although_the_storage_does_not_answer(page: DictationPage) -> None:
    await page.page.clock.install()
    await scripted(page, ScriptedStreams([STARTED]), before=BLOCK_STORAGE)
    await wait_for_audio(page)
    recording = await page.page.evaluate("() => dictation.recordingId")
    await page.page.evaluate("() => void dictation.abandon()")
    await page.page.clock.run_for(STORAGE_TIMEOUT_MS)
    assert await page.page.evaluate("(id) => navigator.locks.request(`stt-recording:${id}`, () => true)", recording)


async def test_failure_ends_a_stream_whose_connection_is_not_closed(page: DictationPage) -> None:
    confirmed: Json = {"receivedMs": ALL_MS}  # last: a script that ends with a failure closes the connection
    await scripted(page, ScriptedStreams([STARTED, {**failure("PERMISSION_DENIED"), **confirmed}, confirmed]))
    assert (await page.wait_for_state("failed"))["status"] == "PERMISSION_DENIED"


@pytest.mark.parametrize(
    ("message", "reaction"),
    [
        ("not json", ("state", "offline")),  # the stream is replaced
        ("[]", ("final", "one")),  # the message is ignored, the next one is not
        ('{"committedMs": "x"}', ("final", "one")),
        ('{"final": {"utterance": {}, "text": 5, "words": [{}]}}', ("final", "")),  # a number is no text
    ],
)
async def test_odd_messages_of_a_server_break_no_page(
    page: DictationPage, message: str, reaction: tuple[str, str]
) -> None:
    errors: list[str] = []
    page.page.on("pageerror", lambda error: errors.append(str(error)))

    def answer(socket: WebSocketRoute) -> None:
        socket.on_message(lambda sent: None if isinstance(sent, bytes) else send(socket))

    def send(socket: WebSocketRoute) -> None:
        socket.send(json.dumps(STARTED))
        socket.send(message)
        socket.send(json.dumps({"final": FINAL}))

    await page.page.route_web_socket("**/api/stream", answer)
    await page.reload()
    await page.start()
    kind, value = reaction
    await page.wait_for(kind, lambda detail: value in (detail.get("state"), detail.get("text")))
    await page.page.evaluate("() => dictation.abandon()")
    assert errors == []
