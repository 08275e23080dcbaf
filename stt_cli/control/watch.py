"""Looks at a server again and again, and shows each look: drawn on a terminal, a line each in a pipe."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence

from google.protobuf.duration_pb2 import Duration
from rich.console import Console
from rich.live import Live
from stt.v1 import control_pb2 as pb

from stt_cli.control.connection import TIMEOUT_S, operating
from stt_cli.control.dashboard import dashboard, line, lost
from stt_cli.exit_codes import echo
from stt_client.errors import ServiceError
from stt_client.sanitize import to_json
from stt_client.target import Target
from stt_client.transport.channel import require_message
from stt_client.transport.message_values import to_json_object

AGAIN_S = 1.0  # after the server was lost
Look = Callable[[pb.Status, Sequence[pb.Session]], None]


def run_watch(control: Target, interval_s: float, as_json: bool) -> None:
    """Show the server until Ctrl-C. One that goes away is waited for; one that was never there is an error."""
    address, console = control.addresses[0], Console()
    try:
        if as_json or not console.is_terminal:
            asyncio.run(_tell(control, interval_s, as_json))
            return
        with Live(console=console, screen=True, auto_refresh=False) as live:

            def draw(status: pb.Status, sessions: Sequence[pb.Session]) -> None:
                live.update(dashboard(address, status, sessions), refresh=True)

            asyncio.run(_watch(control, interval_s, draw, lambda why: live.update(lost(address, why), refresh=True)))
    except KeyboardInterrupt:
        return


async def _tell(control: Target, interval_s: float, as_json: bool) -> None:
    def tell(status: pb.Status, _: Sequence[pb.Session]) -> None:
        written = to_json(to_json_object(status)) if as_json else line(control.addresses[0], status)
        echo(written)

    await _watch(control, interval_s, tell, lambda why: echo(why, err=True))


async def _watch(control: Target, interval_s: float, look: Look, lose: Callable[[str], None]) -> None:
    ever = False
    while True:
        try:
            async for status, sessions in _looks(control, interval_s):
                ever = True
                look(status, sessions)
            lose("The server has ended.")
        except ServiceError as error:
            if not ever or error.status != "UNAVAILABLE":
                raise
            lose(str(error))
        await asyncio.sleep(AGAIN_S)


async def _looks(control: Target, interval_s: float) -> AsyncIterator[tuple[pb.Status, Sequence[pb.Session]]]:
    interval = Duration()
    interval.FromMilliseconds(round(interval_s * 1000))
    async with operating(control) as (stub, metadata):
        async for answer in stub.WatchStatus(pb.WatchStatusRequest(interval=interval), metadata=metadata):
            listed = await stub.ListSessions(pb.ListSessionsRequest(), timeout=TIMEOUT_S, metadata=metadata)
            yield require_message(answer, str(control)).status, require_message(listed, str(control)).sessions
