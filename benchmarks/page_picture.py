"""The pictures of the dictation page, wide and on a phone: recordings in place of a microphone, in Chromium.

A part of `make pictures`.
"""

from __future__ import annotations

import shutil
import tempfile
import wave
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from playwright.sync_api import Browser, Playwright, sync_playwright

from benchmarks.recordings import RECORDINGS, SAMPLE_RATE_HZ
from benchmarks.service import Service

PAUSE_S = 2.2  # longer than the silence that ends an utterance
TIMEOUT_MS = 120_000
MODELS = {"DEVICE": "cpu", "WHISPER_MODEL": "base"}
SHEET = "[contenteditable]"
TYPED = "Notes for Monday"
# Whether the sheet has so many characters of final text, and a partial of some words.
HAS_TEXT = """(characters) => {
  const sheet = document.querySelector("[contenteditable]");
  const partial = sheet.querySelector(".partial")?.textContent ?? "";
  return sheet.textContent.length - partial.length >= characters && partial.trim().split(/\\s+/).length >= 5;
}"""


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture of the page.

    Attributes:
        name: Of its file.
        language: Of the dictation and of the page.
        recordings: Are spoken one after the other; the last is still being spoken in the picture.
        width: In CSS pixels.
        height: In CSS pixels.
        scheme: Color scheme.
        final_characters: Of final text in the picture, at least.
        typed: A heading that is typed first.
    """

    name: str
    language: str
    recordings: Sequence[str]
    width: int
    height: int
    scheme: Literal["light", "dark"]
    final_characters: int
    typed: str = ""


PICTURES = (
    Picture("page.png", "en", ("en/riva-question", "en/jfk", "en/lj001-0009"), 1000, 560, "light", 130, TYPED),
    Picture("page-phone.png", "ru", ("ru/dictation",), 360, 640, "dark", 60),
)


def draw(folder: Path) -> None:
    """Write the pictures; without Chromium, which is a system package, the old ones stay."""
    chromium = shutil.which("chromium")
    if chromium is None:
        print(f"{folder}/page.png: skipped, needs the Debian package chromium")
        return
    for picture in PICTURES:
        settings = {**MODELS, "LANGUAGE": picture.language}
        with tempfile.TemporaryDirectory() as temporary, Service(settings) as service, sync_playwright() as playwright:
            service.wait_until_listening()
            speech = Path(temporary) / "speech.wav"
            _speak(speech, picture.recordings)
            browser = _browser(playwright, chromium, speech)
            _dictate(browser, picture, f"http://{service.http_address}/", folder / picture.name)
            browser.close()


def _speak(path: Path, names: Sequence[str]) -> None:
    """Write the recordings to a file, with pauses between them."""
    by_name = {recording.name: recording for recording in RECORDINGS}
    with wave.open(str(path), "wb") as speech:
        speech.setnchannels(1)
        speech.setsampwidth(2)
        speech.setframerate(SAMPLE_RATE_HZ)
        pause = bytes(2 * round(SAMPLE_RATE_HZ * PAUSE_S))
        speech.writeframes(pause + b"".join(by_name[name].pcm() + pause for name in names))


def _browser(playwright: Playwright, chromium: str, speech: Path) -> Browser:
    """Return a browser whose microphone plays the file."""
    arguments = ["--no-sandbox", "--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream"]
    microphone = f"--use-file-for-fake-audio-capture={speech}%noloop"
    return playwright.chromium.launch(executable_path=chromium, args=[*arguments, microphone])


def _dictate(browser: Browser, picture: Picture, url: str, path: Path) -> None:
    """Dictate, and write the picture while the last recording is being spoken."""
    context = browser.new_context(
        viewport={"width": picture.width, "height": picture.height},
        color_scheme=picture.scheme,
        locale=picture.language,
        permissions=["microphone"],
        device_scale_factor=2,
    )
    page = context.new_page()
    page.set_default_timeout(TIMEOUT_MS)
    page.goto(url)
    if picture.typed:
        page.locator(SHEET).click()
        page.keyboard.type(picture.typed)
        page.keyboard.press("Enter")
    page.locator("#record").click()
    page.wait_for_function(HAS_TEXT, arg=picture.final_characters)
    page.screenshot(path=path)
    print(f"{path}: {path.stat().st_size // 1024} KB")
    context.close()
