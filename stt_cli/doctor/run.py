"""`stt-cli doctor`: looks at all that recognition needs, one thing after the other, and tells each as it is found."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from rich.console import Console
from rich.text import Text

from stt_cli.doctor.machine import clipboard_findings, cuda_finding, proxy_finding, version_finding
from stt_cli.doctor.microphone import microphone_finding, microphones_finding
from stt_cli.doctor.results import CheckResult, Verdict
from stt_cli.doctor.server import server_findings
from stt_client.audio.devices import OpenDevice
from stt_client.sanitize import sanitize_message
from stt_client.target import Target

STYLES = {Verdict.OK: "green", Verdict.WARN: "yellow", Verdict.FAIL: "bold red"}


async def examine(target: Target, device: str | None, open_device: OpenDevice) -> AsyncIterator[CheckResult]:
    """Yield what is found, as it is found; `device` is the microphone to listen to."""
    yield version_finding()
    if proxies := proxy_finding():
        yield proxies
    for address in target.addresses:
        async for finding in server_findings(target, address):
            yield finding
    yield await cuda_finding()
    microphones = microphones_finding()
    yield microphones
    if microphones.verdict is Verdict.OK or device is not None:
        yield await microphone_finding(open_device, device)
    async for finding in clipboard_findings():
        yield finding


async def print_check(findings: AsyncIterator[CheckResult], console: Console) -> bool:
    """Print a line for each; return whether none failed."""
    well = True
    async for finding in findings:
        console.print(line(finding), highlight=False, soft_wrap=True)
        well = well and finding.verdict is not Verdict.FAIL
    return well


def line(finding: CheckResult) -> Text:
    subject = sanitize_message(finding.subject)
    text = Text.assemble((f"{finding.verdict.value:<5}", STYLES[finding.verdict]), f"{subject}: ")
    text.append(sanitize_message(finding.sentence))
    if finding.remedy:
        text.append(f" {sanitize_message(finding.remedy)}", "dim")
    return text


def run(target: Target, device: str | None, open_device: OpenDevice, console: Console) -> bool:
    """Examine and tell; return whether nothing failed."""
    return asyncio.run(print_check(examine(target, device, open_device), console))
