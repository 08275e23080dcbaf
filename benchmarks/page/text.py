"""Compare the text in the page with that of stt-cli: python -m benchmarks.page.text

The dictation of each language is played to the page twice: by the browser's fake device, whose audio is resampled on
its way, and as exact samples. Both texts are compared with stt-cli on the file, and on the audio that the page recorded
and offers as a download. Equality is expected where both have the same audio; the text of resampled audio may differ
from that of the file. Exit code 1 if a text differs from that of the same audio.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import wave
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.faults.interrupted_dictations import word_difference
from benchmarks.harness.dictations import Dictation
from benchmarks.harness.word_errors import count_errors, normalize
from benchmarks.page.browser import Audio, Capture, DictationSheet, chromium, dictation_sheet, write_wav
from benchmarks.page.texts import MODELS, changes, cli_text, dictation_of, server_settings
from benchmarks.service import Service

HEAD = (
    "| language | capture | rate, Hz | words | WER, page | WER, stt-cli "
    "| lost, extra against stt-cli on the page's audio "
    "| lost, extra against stt-cli on the file |\n"
    "|---|---|---|---|---|---|---|---|"
)


@dataclass(frozen=True, slots=True)
class Compared:
    """The texts of a recording in one capture."""

    dictation: Dictation
    capture: Capture
    rate_hz: int
    page: list[str]  # words of the sheet
    same_audio: list[str]  # of stt-cli on the audio of the page
    file: list[str]  # of stt-cli on the recording

    @property
    def is_equal(self) -> bool:
        expected = self.same_audio if self.capture is Capture.DEVICE else self.file
        return self.page == self.same_audio == expected

    def row(self) -> str:
        same, file = word_difference(self.same_audio, self.page), word_difference(self.file, self.page)
        return (
            f"| {self.dictation.language} | {self.capture.value} | {self.rate_hz} | {len(self.page)} "
            f"| {self._wer(self.page):.2f} % | {self._wer(self.file):.2f} % "
            f"| {same.lost}, {same.doubled} | {file.lost}, {file.doubled} |"
        )

    def differences(self) -> Iterator[str]:
        name = f"{self.dictation.language}, {self.capture.value}"
        for against, words in (("the page's audio", self.same_audio), ("the file", self.file)):
            for change in changes(words, self.page):
                yield f"- {name}, against stt-cli on {against}: {change}"

    def _wer(self, words: list[str]) -> float:
        language = self.dictation.language
        return count_errors(normalize(self.dictation.text, language), normalize(" ".join(words), language)).percent


async def compare(server: Service, dictation: Dictation, capture: Capture, folder: Path) -> Compared:
    """Dictate the recording to the page, and recognize it and the audio of the page with stt-cli."""
    audio = Audio(dictation.pcm())
    recording, recorded = folder / "recording.wav", folder / "recorded.wav"
    write_wav(recording, audio.pcm)
    device = audio.pcm if capture is Capture.DEVICE else b""
    async with (
        chromium(device) as browser,
        dictation_sheet(browser, f"http://{server.http_address}", audio, capture) as sheet,
    ):
        page = await dictated(sheet, audio)
        await sheet.download_audio(recorded)
    with wave.open(str(recorded)) as wav:
        rate_hz = wav.getframerate()
    same_audio, file = [(await cli_text(server.address, path)).split() for path in (recorded, recording)]
    return Compared(dictation, capture, rate_hz, page.split(), same_audio, file)


async def dictated(sheet: DictationSheet, audio: Audio) -> str:
    """Dictate the audio without interruptions; return the text."""
    await sheet.start()
    await sheet.played(audio)
    await sheet.stop()
    await sheet.wait_for_state("idle")
    return await sheet.text()


async def run(languages: list[str], max_seconds: float | None) -> bool:
    """Print the table; return whether all texts are equal."""
    found = list[Compared]()
    print(HEAD, flush=True)
    for language in languages:
        with TemporaryDirectory() as folder, Service(server_settings(language)) as server:
            server.wait_until_listening()
            for capture in Capture:
                compared = await compare(server, dictation_of(language, max_seconds), capture, Path(folder))
                print(compared.row(), flush=True)
                found.append(compared)
    print("", *(line for each in found for line in each.differences()), sep="\n")
    return all(each.is_equal for each in found)


def main() -> None:
    """Run the measurement."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--languages", default="en,ru", help=f"of {', '.join(MODELS)}; with commas")
    parser.add_argument("--max-seconds", type=float, help="truncate each dictation")
    given = parser.parse_args()
    sys.exit(not asyncio.run(run(given.languages.split(","), given.max_seconds)))


if __name__ == "__main__":
    main()
