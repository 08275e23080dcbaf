"""Faults during a dictation in Chromium: killed servers, reloaded tabs, dead connections, full storage."""

from __future__ import annotations

import pytest
from playwright.async_api import WebSocketRoute

from tests.browser.dictation_page import DictationPage
from tests.browser.restartable_server import SETTINGS, RestartableServer

pytestmark = [pytest.mark.model, pytest.mark.process, pytest.mark.slow]

# The texts of the finals that a sheet without text is missing.
MISSING = """async () => {
    const { missing } = await Dictation.missing({ sheet: "sheet" }, () => false);
    return missing.map(({ final }) => final.text);
}"""


async def speak_into_second_utterance(dictation: DictationPage) -> None:
    """Record until the first utterance has its final and the second its first partial."""
    await dictation.start(settings=SETTINGS, sheet="sheet")
    await dictation.wait_for("final")
    await dictation.wait_for("partial", lambda detail: detail["utterance"] == 1)


async def test_killed_server_loses_and_doubles_no_word(dictation: DictationPage, server: RestartableServer) -> None:
    await speak_into_second_utterance(dictation)
    server.kill()
    offline = await dictation.wait_for_state("offline")
    assert offline["isCapturing"]
    server.start()
    await dictation.wait_for_state("recording", after=len(dictation.events))
    await dictation.wait_for("final", lambda detail: detail["utterance"] == 1)
    assert await dictation.stop() == {"isComplete": True, "keptMs": 0}
    dictation.assert_exactly_once()
    assert [detail["utterance"] for detail in dictation.of("speech")] == [0, 1]
    assert [text for _, text in dictation.finals] == await server.texts(await dictation.wav())


async def test_page_reloaded_in_an_utterance_loses_no_recorded_word(
    dictation: DictationPage, server: RestartableServer
) -> None:
    await speak_into_second_utterance(dictation)
    await dictation.reload()
    (entry,) = await dictation.recoverable()
    assert entry["sheet"] == "sheet"
    assert await dictation.page.evaluate(MISSING) == [text for _, text in dictation.finals]
    await dictation.resume(entry["id"])
    await dictation.wait_for_state("idle", after=len(dictation.events))
    dictation.assert_exactly_once()
    assert [text for _, text in dictation.finals] == await server.texts(await dictation.wav())
    assert await dictation.recoverable() == []


async def test_recording_of_another_live_tab_cannot_be_recovered(dictation: DictationPage) -> None:
    await dictation.start(settings=SETTINGS)
    await dictation.wait_for("speech")
    other = await DictationPage.open(await dictation.page.context.new_page(), dictation.url)
    assert await other.recoverable() == []
    await dictation.page.close()
    recording = dictation.of("speech")[0]["recording"]
    await other.page.evaluate("(id) => navigator.locks.request(`stt-recording:${id}`, () => {})", recording)
    (entry,) = await other.recoverable()
    await other.resume(entry["id"])
    await other.wait_for_state("idle")
    assert other.of("speech")


async def test_full_storage_is_reported_and_the_recording_goes_on(
    dictation: DictationPage, server: RestartableServer
) -> None:
    cdp = await dictation.page.context.new_cdp_session(dictation.page)
    await cdp.send("Storage.overrideQuotaForOrigin", {"origin": server.url, "quotaSize": 100_000})
    await dictation.start(settings=SETTINGS)
    storage = await dictation.wait_for("storage")
    assert (storage["kind"], storage["message"]) == (
        "full",
        "The storage of this browser is full: audio stays in memory, and is lost if this page is closed.",
    )
    await dictation.wait_for("final", lambda detail: detail["utterance"] == 1)
    assert await dictation.stop() == {"isComplete": True, "keptMs": 0}
    assert [text for _, text in dictation.finals] == await server.texts(await dictation.wav())


async def test_browser_without_storage_records_in_memory(dictation: DictationPage) -> None:
    await dictation.page.add_init_script("Object.defineProperty(window, 'indexedDB', { value: undefined })")
    await dictation.reload()
    await dictation.start(settings=SETTINGS)
    assert (await dictation.wait_for("storage"))["kind"] == "unavailable"
    await dictation.wait_for("final")
    assert (await dictation.stop())["isComplete"]
    assert (await dictation.wav("dictation.audioOf(0)")).pcm in (await dictation.wav()).pcm
    assert await dictation.recoverable() == []


async def test_connection_that_is_dead_without_an_error_is_replaced(
    dictation: DictationPage, server: RestartableServer
) -> None:
    connections = list[WebSocketRoute]()

    def handle(socket: WebSocketRoute) -> None:
        connections.append(socket)
        target = socket.connect_to_server()
        if len(connections) == 1:  # audio is lost on its way
            socket.on_message(lambda message: target.send(message) if "config" in str(message) else None)

    await dictation.page.route_web_socket("**/api/stream", handle)
    await dictation.page.route("**/api/info", lambda route: route.abort())
    await dictation.reload()
    await dictation.start(settings=SETTINGS)
    lost = await dictation.wait_for_state("offline")
    assert lost["reason"] == "The connection to the server is lost."
    await dictation.wait_for("final", lambda detail: detail["utterance"] == 1)
    await dictation.stop()
    assert len(connections) == 2
    assert [text for _, text in dictation.finals] == await server.texts(await dictation.wav())
