"""Kill the server during dictations in the page, and count lost and doubled words: python -m benchmarks.page.kills

The dictation is repeated until the server was killed by SIGKILL, and restarted on the same ports, as often as required:
at random moments of the speech, also while the page resumes, and while the page waits for the last words after the
stop. The text of each repetition is compared with stt-cli on the audio that the page recorded, with an uninterrupted
dictation in the page, and with stt-cli on the file. Only the first is the same audio if a device plays the file, since
the capture starts at another sample each time; with --capture samples all are. Exit code 1 if a word of the same audio
was lost or doubled.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from playwright.async_api import Browser

from benchmarks.faults.interrupted_dictations import Difference, RestartableServer, running, word_difference
from benchmarks.harness.ports import free_port
from benchmarks.page.browser import Audio, Capture, DictationSheet, chromium, dictation_sheet, write_wav
from benchmarks.page.text import dictated
from benchmarks.page.texts import MODELS, changes, cli_text, dictation_of, server_settings

MAX_WAIT_S = 7.0  # from the server's start to its next kill; about an utterance
HEAD = (
    "| dictation | kills | after the stop | words | identical | lost, doubled against stt-cli on the page's audio "
    "| against an uninterrupted dictation | against stt-cli on the file |\n|---|---|---|---|---|---|---|---|"
)


@dataclass(frozen=True, slots=True)
class References:
    """Words of dictations without interruptions."""

    page: list[str]
    file: list[str]  # of stt-cli


@dataclass(slots=True)
class Interrupted:
    """An interrupted dictation."""

    kills: int = 0
    kills_after_stop: int = 0
    words: list[str] = field(default_factory=list)
    same_audio: list[str] = field(default_factory=list)  # words of stt-cli on the audio of the page

    def differences(self, references: References) -> list[Difference]:
        expected = (self.same_audio, references.page, references.file)
        return [word_difference(words, self.words) for words in expected]


@dataclass(slots=True)
class Interruptions:
    """Interrupts dictations on a server, with random moments.

    Args:
        server: Is killed and restarted.
        chance: Chooses the moments.
        left: The kills that are still to be made.
    """

    server: RestartableServer
    chance: random.Random
    left: int

    async def dictate(self, sheet: DictationSheet, audio: Audio) -> Interrupted:
        """Dictate the audio with kills, until all of it has its text."""
        result = Interrupted()
        await sheet.start()
        playing = asyncio.create_task(sheet.played(audio))
        try:
            while self.left and not await _ended(playing, self.chance.uniform(0.0, MAX_WAIT_S)):
                await self._kill()
                result.kills += 1
            await playing
        finally:
            playing.cancel()
        await sheet.stop()
        await sheet.wait_for_state("stopping", "offline", "idle")
        if self.left and await sheet.state() == "stopping":
            await self._kill()
            result.kills, result.kills_after_stop = result.kills + 1, 1
        await sheet.wait_for_state("idle")
        result.words = (await sheet.text()).split()
        return result

    async def _kill(self) -> None:
        self.left -= 1
        self.server.kill()
        await self.server.start()


async def _ended(task: asyncio.Task[None], timeout_s: float) -> bool:
    """Wait for the task, at most so long; return whether it has ended."""
    done, _ = await asyncio.wait([task], timeout=timeout_s)
    return bool(done)


def row(name: str, results: Sequence[Interrupted], references: References) -> str:
    """Return a row of the table: one dictation, or the sum of all."""
    found = [each.differences(references) for each in results]
    sums = [sum((each[column] for each in found), Difference()) for column in range(3)]
    kills, after = sum(each.kills for each in results), sum(each.kills_after_stop for each in results)
    words, identical = sum(len(each.words) for each in results), sum(each.words == each.same_audio for each in results)
    cells = " | ".join(f"{each.lost}, {each.doubled}" for each in sums)
    return f"| {name} | {kills} | {after} | {words} | {identical} of {len(results)} | {cells} |"


async def run(language: str, kills: int, capture: Capture, seed: int, max_seconds: float | None) -> bool:
    """Print the table; return whether no word was lost or doubled."""
    audio = Audio(dictation_of(language, max_seconds).pcm())
    http_port = free_port()
    server = RestartableServer({**server_settings(language), "HTTP_PORT": str(http_port)})
    interruptions = Interruptions(server, random.Random(seed), kills)
    with TemporaryDirectory() as folder:
        path, recorded = Path(folder) / "recording.wav", Path(folder) / "recorded.wav"
        write_wav(path, audio.pcm)
        async with running(server), chromium(audio.pcm) as browser:
            url = f"http://127.0.0.1:{http_port}"
            references = await _references(browser, url, server, audio, capture, path)
            print(HEAD, flush=True)
            results = list[Interrupted]()
            while interruptions.left:
                async with dictation_sheet(browser, url, audio, capture) as sheet:
                    result = await interruptions.dictate(sheet, audio)
                    await sheet.download_audio(recorded)
                result.same_audio = (await cli_text(server.address, recorded)).split()
                results.append(result)
                print(row(str(len(results)), [result], references), flush=True)
    print(row("all", results, references))
    for number, each in enumerate(results, 1):
        for change in changes(each.same_audio, each.words):
            print(f"- {number}: {change}")
    return all(each.words == each.same_audio for each in results)


async def _references(
    browser: Browser, url: str, server: RestartableServer, audio: Audio, capture: Capture, path: Path
) -> References:
    async with dictation_sheet(browser, url, audio, capture) as sheet:
        page = await dictated(sheet, audio)
    return References(page.split(), (await cli_text(server.address, path)).split())


def main() -> None:
    """Run the measurement."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--language", choices=list(MODELS), default="en")
    parser.add_argument("--capture", type=Capture, choices=list(Capture), default=Capture.DEVICE)
    parser.add_argument("--seed", type=int, default=1, help="of the moments")
    parser.add_argument("--max-seconds", type=float, help="truncate the dictation")
    given = parser.parse_args()
    arguments = (given.language, given.kills, given.capture, given.seed, given.max_seconds)
    sys.exit(not asyncio.run(run(*arguments)))


if __name__ == "__main__":
    main()
