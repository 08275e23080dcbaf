"""Dictation in Chromium with a real server: the text of the recorded audio."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from playwright.async_api import Browser

from benchmarks.harness.word_errors import count_errors, normalize
from benchmarks.service import Service
from stt_service.access.tokens import line, new_token
from tests.browser.conftest import ASSETS
from tests.browser.dictation_page import DictationPage, number
from tests.browser.restartable_server import MODELS, SETTINGS, SPEECH, RestartableServer

pytestmark = [pytest.mark.model, pytest.mark.process, pytest.mark.slow]

INSTALL_SERVICE_WORKER = """async () => {
    const controlled = new Promise((resolve) => {
        navigator.serviceWorker.addEventListener("controllerchange", resolve, { once: true });
    });
    await navigator.serviceWorker.register("/service-worker.js");
    await controlled;
}"""
OBSERVE_BUFFERED_AMOUNT = """
window.maxBufferedAmount = 0;
const send = WebSocket.prototype.send;
WebSocket.prototype.send = function (data) {
    send.call(this, data);
    window.maxBufferedAmount = Math.max(maxBufferedAmount, this.bufferedAmount);
};
"""
MAX_BUFFERED_BYTES = 200_000  # the limit, and one message of half a second
MAX_WORD_ERRORS_PERCENT = 15.0  # of the smallest model after the microphone's resampling


async def test_text_is_that_of_the_recorded_audio(dictation: DictationPage, server: RestartableServer) -> None:
    await dictation.start(settings=SETTINGS)
    await dictation.wait_for("final", lambda detail: detail["utterance"] == 1)
    assert await dictation.stop() == {"isComplete": True, "keptMs": 0}
    audio = await dictation.wav()
    texts = [str(text) for _, text in dictation.finals]
    assert texts == await server.texts(audio)
    dictation.assert_exactly_once()
    spoken, text = normalize(" ".join(recording.text for recording in SPEECH), "en"), normalize(" ".join(texts), "en")
    assert count_errors(spoken, text).percent <= MAX_WORD_ERRORS_PERCENT
    states = list(dict.fromkeys(detail["state"] for detail in dictation.of("state")))
    assert states == ["starting", "connecting", "recording", "stopping", "idle"]


async def test_page_opened_without_a_server_records_and_the_text_follows(
    dictation: DictationPage, server: RestartableServer
) -> None:
    await dictation.page.evaluate(INSTALL_SERVICE_WORKER)
    await dictation.page.add_init_script(OBSERVE_BUFFERED_AMOUNT)
    server.kill()
    await dictation.reload()
    await dictation.start(settings=SETTINGS)
    await dictation.wait_for("state", lambda detail: detail["state"] == "offline" and number(detail["keptMs"]) > 5000)
    stopped = await dictation.stop()
    assert not stopped["isComplete"]
    assert number(stopped["keptMs"]) > 5000
    server.start()
    await dictation.wait_for_state("idle", after=len(dictation.events))
    assert dictation.finals
    assert 0 < await dictation.page.evaluate("() => maxBufferedAmount") < MAX_BUFFERED_BYTES
    dictation.assert_exactly_once()
    assert [text for _, text in dictation.finals] == await server.texts(await dictation.wav())


async def test_service_worker_copies_no_response_of_an_api(dictation: DictationPage) -> None:
    await dictation.page.evaluate(INSTALL_SERVICE_WORKER)
    await dictation.page.evaluate("() => Promise.all(['/api/info', '/metrics', '/readyz'].map((path) => fetch(path)))")
    paths = await dictation.page.evaluate(
        """async () => {
            const caches_ = await Promise.all((await caches.keys()).map((name) => caches.open(name)));
            const keys = (await Promise.all(caches_.map((cache) => cache.keys()))).flat();
            return keys.map(({ url }) => new URL(url).pathname);
        }"""
    )
    files = {path.name for path in (ASSETS / "recording").iterdir()}
    assert {path.removeprefix("/assets/recording/") for path in paths if "/recording/" in path} == files
    assert [path for path in paths if not path.startswith(("/assets/", "/sources/"))] == ["/", "/manifest.webmanifest"]


async def test_invalid_token_keeps_the_recording_until_a_valid_one_is_given(speaking: Browser, tmp_path: Path) -> None:
    tokens, token = tmp_path / "tokens", new_token()
    tokens.write_text(line("ann", token) + "\n", encoding="ascii")
    with Service({**MODELS, "AUTH_TOKENS_FILE": str(tokens)}) as service:
        service.wait_until_listening()
        context = await speaking.new_context()
        dictation = await DictationPage.open(await context.new_page(), f"http://{service.http_address}")
        await dictation.start(settings=SETTINGS, token="invalid")
        failed = await dictation.wait_for_state("failed")
        assert (failed["status"], failed["isCapturing"]) == ("UNAUTHENTICATED", True)
        await dictation.page.evaluate("(token) => dictation.reconnect({ token })", token)
        await dictation.wait_for("final", lambda detail: detail["utterance"] == 1)
        assert await dictation.stop() == {"isComplete": True, "keptMs": 0}
        dictation.assert_exactly_once()
        await context.close()


async def test_audio_of_an_utterance_is_its_part_of_the_recording(dictation: DictationPage) -> None:
    await dictation.start(settings=SETTINGS)
    final = await dictation.wait_for("final")
    await dictation.stop()
    part, whole = await dictation.wav("dictation.audioOf(0)"), await dictation.wav()
    stored = await dictation.wav(f"Dictation.storedAudioOf({json.dumps(final['recording'])}, 0)")
    assert part.pcm in whole.pcm
    assert stored == part
    spoken_s = (number(final["endMs"]) - number(final["startMs"])) / 1000
    assert spoken_s <= part.duration_s <= spoken_s + 0.5
