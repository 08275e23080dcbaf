"""Firefox, controlled by WebDriver BiDi: Playwright controls only builds of its own.

https://www.w3.org/TR/webdriver-bidi/
"""

from __future__ import annotations

import asyncio
import json
import re
import shutil
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import cast

from websockets.asyncio.client import ClientConnection, connect

PROGRAM = shutil.which("firefox-esr") or shutil.which("firefox")
START_TIMEOUT_S = 60.0
LISTENING = re.compile(rb"WebDriver BiDi listening on (ws://\S+)")
PREFERENCES = {
    "media.navigator.permission.disabled": "true",  # the microphone without a question
    "remote.active-protocols": "1",  # BiDi
}
MIDDLE = "[Math.round(x + width / 2), Math.round(y + height / 2)]"
NAMED_KEYS = {"Control": "\ue009", "Enter": "\ue007"}

Json = dict[str, object]


class FirefoxPage:
    """A page in a tab of its own."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._numbers = count(1)
        self._tab = ""

    async def open(self) -> None:
        await self._send("session.new", capabilities={})
        self._tab = str((await self._send("browsingContext.create", type="tab"))["context"])

    async def go_to(self, url: str) -> None:
        await self._send("browsingContext.navigate", context=self._tab, url=url, wait="complete")

    async def reload(self) -> None:
        await self._send("browsingContext.reload", context=self._tab, wait="complete")

    async def evaluate(self, expression: str) -> object:
        """Return the value of an expression, once its promise is fulfilled, as JSON."""
        target = {"context": self._tab}
        wrapped = f"(async () => JSON.stringify(await ({expression})) ?? 'null')()"
        result = await self._send("script.evaluate", expression=wrapped, target=target, awaitPromise=True)
        assert result["type"] == "success", result
        return json.loads(cast("dict[str, str]", result["result"])["value"])

    async def wait_for(self, condition: str, timeout_s: float = 10.0) -> None:
        """Wait until an expression is true."""
        async with asyncio.timeout(timeout_s):
            await self.evaluate(
                f"(async () => {{ while (!({condition})) await new Promise((done) => setTimeout(done, 20)); }})()"
            )

    async def click(self, selector: str) -> None:
        """Click the middle of an element."""
        box = f"document.querySelector({json.dumps(selector)}).getBoundingClientRect()"
        x, y = cast("list[int]", await self.evaluate(f"(({{ x, y, width, height }}) => {MIDDLE})({box})"))
        move: Json = {"type": "pointerMove", "x": x, "y": y}
        press: list[Json] = [{"type": kind, "button": 0} for kind in ("pointerDown", "pointerUp")]
        await self._perform("pointer", [move, *press])

    async def type(self, text: str) -> None:
        """Press and release the key of each character."""
        await self._perform("key", [{"type": kind, "value": key} for key in text for kind in ("keyDown", "keyUp")])

    async def press(self, *keys: str) -> None:
        """Press keys together."""
        values = [NAMED_KEYS.get(key, key) for key in keys]
        actions = [*(("keyDown", value) for value in values), *(("keyUp", value) for value in reversed(values))]
        await self._perform("key", [{"type": kind, "value": value} for kind, value in actions])

    async def _perform(self, device: str, actions: Sequence[Json]) -> None:
        source = {"type": device, "id": device, "actions": actions}
        await self._send("input.performActions", context=self._tab, actions=[source])

    async def _send(self, method: str, **params: object) -> Json:
        number = next(self._numbers)
        await self._socket.send(json.dumps({"id": number, "method": method, "params": params}))
        async for message in self._socket:
            answer = json.loads(message)
            if answer.get("id") == number:
                assert answer["type"] == "success", answer
                return cast("Json", answer["result"])
        raise AssertionError(f"Firefox closed the connection before it answered {method}.")


@asynccontextmanager
async def open_firefox(profile: Path, environment: Mapping[str, str]) -> AsyncIterator[FirefoxPage]:
    """Start Firefox with an empty profile; open an empty page."""
    assert PROGRAM is not None
    (profile / "user.js").write_text("".join(f'user_pref("{key}", {value});\n' for key, value in PREFERENCES.items()))
    options = ["--headless", "--no-remote", "--remote-debugging-port", "0", "--profile", str(profile)]
    process = await asyncio.create_subprocess_exec(PROGRAM, *options, env=environment, stdout=PIPE, stderr=PIPE)
    try:
        async with asyncio.timeout(START_TIMEOUT_S):
            url = await _listening(process)
        async with connect(f"{url}/session", max_size=None) as socket, asyncio.TaskGroup() as tasks:
            reading = tasks.create_task(_discard(process))
            page = FirefoxPage(socket)
            await page.open()
            yield page
            reading.cancel()
    finally:
        process.kill()
        await process.wait()


async def _listening(process: Process) -> str:
    assert process.stderr is not None
    async for line in process.stderr:
        if found := LISTENING.search(line):
            return found[1].decode()
    raise AssertionError("Firefox ended before it listened.")


async def _discard(process: Process) -> None:
    """Read the log, so that Firefox does not wait for it."""
    assert process.stderr is not None
    while await process.stderr.read(65_536):
        pass
