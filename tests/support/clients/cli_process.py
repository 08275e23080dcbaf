"""Runs stt-cli as a separate process."""

from __future__ import annotations

import asyncio
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Mapping
from dataclasses import dataclass

from tests.support.servers.scripted_server import Script, Stream, serving

MAIN = "from stt_cli.commands.main import main; main()"
# The same with a microphone that has recorded half a second and stays open.
DICTATE = """
import sys
from stt_cli.commands.main import cli
class Device:
    name, sample_rate_hz = "Played", 48000
    def start(self, ears):
        for number in range(5):
            ears.deliver(bytes(9600))
    def stop(self):
        print("device stopped", file=sys.stderr)
cli(obj=lambda name: Device())
"""


@dataclass
class Outcome:
    code: int
    stdout: str
    stderr: str


async def start(
    *arguments: str,
    main: str = MAIN,
    stdout: int = PIPE,
    stderr: int = PIPE,
    more: Mapping[str, str] | None = None,
    **variables: str,
) -> Process:
    """Start stt-cli in a session without a terminal; `more` are further environment variables."""
    environment = {name: value for name, value in os.environ.items() if name != "SERVER_HOST"}
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        main,
        *arguments,
        stdin=PIPE,
        stdout=stdout,
        stderr=stderr,
        env=environment | variables | dict(more or {}),
        start_new_session=True,
    )


async def outcome(process: Process, stdin: bytes = b"") -> Outcome:
    async with asyncio.timeout(60):
        stdout, stderr = await process.communicate(stdin)
    assert process.returncode is not None
    return Outcome(process.returncode, (stdout or b"").decode(), stderr.decode())


async def run(script: Script, *arguments: str, stdin: bytes = b"") -> tuple[Outcome, list[Stream]]:
    """Run `recognize` against a server that follows the script."""
    async with serving(script) as server:
        process = await start("recognize", "--server", server.address, *arguments)
        return await outcome(process, stdin), server.streams
