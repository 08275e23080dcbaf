"""curl: one command per response format."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess

import pytest

from tests.recipes.conftest import RecipeServer, Spoken

pytestmark = [
    pytest.mark.model,
    pytest.mark.process,
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed"),
]
TIMEOUT_S = 120.0


async def curl(*arguments: str) -> str:
    finished = await asyncio.to_thread(
        subprocess.run,
        ["curl", "--silent", "--show-error", *arguments],
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=TIMEOUT_S,
    )
    assert finished.returncode == 0, finished.stderr
    return finished.stdout


async def test_text_is_that_of_recognize(server: RecipeServer, english: Spoken) -> None:
    url, form = f"{server.base_url}/audio/transcriptions", ("-F", f"file=@{english.wav}", "-F", "language=en")
    expected = await server.text(english.wav)
    assert json.loads(await curl(url, *form))["text"] == expected
    assert await curl(url, *form, "-F", "response_format=text") == f"{expected}\n"
    assert "00:00:" in await curl(url, *form, "-F", "response_format=srt")


async def test_stream_ends_with_the_text_of_recognize(server: RecipeServer, english: Spoken) -> None:
    form = ("-F", f"file=@{english.wav}", "-F", "language=en", "-F", "stream=true")
    stream = await curl("--no-buffer", f"{server.base_url}/audio/transcriptions", *form)
    events = [json.loads(line.removeprefix("data: ")) for line in stream.splitlines() if line.startswith("data: ")]
    assert events[-1]["type"] == "transcript.text.done"
    assert events[-1]["text"] == await server.text(english.wav)


async def test_bad_language_is_rejected_with_a_message(server: RecipeServer, english: Spoken) -> None:
    form = ("-F", f"file=@{english.wav}", "-F", "language=klingon", "-w", "\n%{http_code}")
    body, status = (await curl(f"{server.base_url}/audio/transcriptions", *form)).rsplit("\n", 1)
    assert status == "400"
    assert "klingon" in json.loads(body)["error"]["message"]
