"""Runs the checks of `stt-cli doctor` one after the other and prints each result when it is known."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from rich.console import Console

from stt_cli.doctor.machine import check_clipboard, check_cuda, check_proxies, check_versions
from stt_cli.doctor.microphone import check_level, check_microphones
from stt_cli.doctor.results import CheckResult, Verdict, format_result
from stt_cli.doctor.server import check_server
from stt_client.audio.devices import OpenDevice
from stt_client.target import Target


async def run_checks(target: Target, device: str | None, open_device: OpenDevice) -> AsyncIterator[CheckResult]:
    """Yield each result when it is known. `device` names the microphone whose level is checked."""
    yield check_versions()
    if proxies := check_proxies():
        yield proxies
    for address in target.addresses:
        async for result in check_server(target, address):
            yield result
    yield await check_cuda()
    microphones = check_microphones()
    yield microphones
    if microphones.verdict is Verdict.OK or device is not None:
        yield await check_level(open_device, device)
    async for result in check_clipboard():
        yield result


async def print_results(results: AsyncIterator[CheckResult], console: Console) -> bool:
    """Print one line per result; return whether no check failed."""
    succeeded = True
    async for result in results:
        console.print(format_result(result), highlight=False, soft_wrap=True)
        succeeded = succeeded and result.verdict is not Verdict.FAIL
    return succeeded


def run(target: Target, device: str | None, open_device: OpenDevice, console: Console) -> bool:
    """Run and print all checks; return whether no check failed."""
    return asyncio.run(print_results(run_checks(target, device, open_device), console))
