"""Implements `stt-cli status --watch`: a dashboard on a terminal, one line per update in a pipe."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence

from google.protobuf.duration_pb2 import Duration
from rich.console import Console
from rich.live import Live
from stt.v1 import control_pb2 as pb

from stt_cli.control.dashboard import dashboard, disconnected, status_text
from stt_cli.control.operations import CALL_TIMEOUT_S, connect_control
from stt_cli.exit_codes import echo
from stt_client.errors import ServiceError
from stt_client.sanitize import to_json
from stt_client.target import Target
from stt_client.transport.channel import require_message
from stt_client.transport.message_values import to_json_object

RECONNECT_INTERVAL_S = 1.0
OnStatus = Callable[[pb.Status, Sequence[pb.Session]], None]


def run_watch(control: Target, interval_s: float, as_json: bool) -> None:
    """Show the server's status until Ctrl-C. Reconnect if the server becomes unavailable.

    Raises:
        ServiceError: The server was never reached, or rejects the call.
    """
    address, console = control.addresses[0], Console()
    try:
        if as_json or not console.is_terminal:
            asyncio.run(_print_updates(control, interval_s, as_json))
            return
        with Live(console=console, screen=True, auto_refresh=False) as live:

            def draw(status: pb.Status, sessions: Sequence[pb.Session]) -> None:
                live.update(dashboard(address, status, sessions), refresh=True)

            def draw_disconnected(reason: str) -> None:
                live.update(disconnected(address, reason), refresh=True)

            asyncio.run(_watch(control, interval_s, draw, draw_disconnected))
    except KeyboardInterrupt:
        return


async def _print_updates(control: Target, interval_s: float, as_json: bool) -> None:
    def print_status(status: pb.Status, _: Sequence[pb.Session]) -> None:
        echo(to_json(to_json_object(status)) if as_json else status_text(control.addresses[0], status))

    await _watch(control, interval_s, print_status, lambda reason: echo(reason, err=True))


async def _watch(control: Target, interval_s: float, on_status: OnStatus, on_disconnect: Callable[[str], None]) -> None:
    has_connected = False
    while True:
        try:
            async for status, sessions in _status_updates(control, interval_s):
                has_connected = True
                on_status(status, sessions)
            on_disconnect("The server closed the stream.")
        except ServiceError as error:
            if not has_connected or error.status != "UNAVAILABLE":
                raise
            on_disconnect(str(error))
        await asyncio.sleep(RECONNECT_INTERVAL_S)


async def _status_updates(control: Target, interval_s: float) -> AsyncIterator[tuple[pb.Status, Sequence[pb.Session]]]:
    interval = Duration()
    interval.FromMilliseconds(round(interval_s * 1000))
    async with connect_control(control) as (stub, metadata):
        async for response in stub.WatchStatus(pb.WatchStatusRequest(interval=interval), metadata=metadata):
            listing = await stub.ListSessions(pb.ListSessionsRequest(), timeout=CALL_TIMEOUT_S, metadata=metadata)
            yield require_message(response, str(control)).status, require_message(listing, str(control)).sessions
