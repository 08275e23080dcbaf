"""The picture of the monitor page: real streams on a real server, in Chromium. A part of `make pictures`."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from benchmarks.recordings import RECORDINGS
from benchmarks.service import Service

STT_CLI = str(Path(sys.executable).with_name("stt-cli"))
REPEATS = 20
STREAMS = ("en/dictation", "en/jfk", "en/lj001-0009")
MODELS = {"WHISPER_MODEL": "tiny.en", "REALTIME_MODEL": "tiny.en"}
SETTINGS = {"DEVICE": "cpu", "LANGUAGE": "en", "MAX_STREAMS": "6", **MODELS}
SAMPLES = 25  # of the charts: two minutes
TIMEOUT_MS = 300_000
HAS_SAMPLES = f"""async () => {{
  const answer = await fetch("/api/control/history");
  return (await answer.json()).history.timeS.length >= {SAMPLES};
}}"""


def draw(path: Path) -> None:
    """Write the picture; without Chromium, which is a system package, the old one stays."""
    chromium = shutil.which("chromium")
    if chromium is None:
        print(f"{path}: skipped, needs the Debian package chromium")
        return
    with Service(SETTINGS) as service, sync_playwright() as playwright:
        service.wait_until_listening()
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1200, "height": 1120}, color_scheme="light")
        page.set_default_timeout(TIMEOUT_MS)
        page.goto(f"http://{service.http_address}/monitor")
        with _streams(service.address, STREAMS):
            _wait_for_charts(page)
            page.screenshot(path=path)
        browser.close()
    print(f"{path}: {path.stat().st_size // 1024} KB")


def _wait_for_charts(page: Page) -> None:
    page.locator("#sessions tbody tr").nth(len(STREAMS) - 1).wait_for()
    while not page.evaluate(HAS_SAMPLES):
        with page.expect_response("**/history?*"):
            pass


@contextmanager
def _streams(address: str, names: Sequence[str]) -> Iterator[None]:
    """Stream these recordings in real time, again and again."""
    by_name = {recording.name: recording for recording in RECORDINGS}
    with ExitStack() as stack:
        for name in names:
            files = [str(by_name[name].path)] * REPEATS
            command = [
                STT_CLI,
                "recognize",
                *files,
                "--realtime",
                "--partials",
                "--server",
                address,
                "--language",
                "en",
            ]
            process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            stack.callback(process.wait)
            stack.callback(process.terminate)
        yield
