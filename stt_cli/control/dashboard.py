"""Draws the status and the streams of a server, for a terminal of any width or for a pipe."""

from __future__ import annotations

import math
from collections.abc import Sequence

from google.protobuf.duration_pb2 import Duration
from rich import box
from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text
from stt.v1 import control_pb2 as pb

from stt_cli.control.tables import format_duration, pluralize, session_rows
from stt_client.sanitize import sanitize_message
from stt_client.transport.message_values import name_of, seconds

GB = 2**30
HIGH_WAIT_S = 1.5  # users notice later results
STYLES = {pb.STATE_SERVING: "bold green", pb.STATE_DRAINING: "bold yellow", pb.STATE_LOADING: "bold yellow"}


def dashboard(address: str, status: pb.Status, sessions: Sequence[pb.Session]) -> RenderableType:
    """Return the screen for one status update."""
    return Group(_heading(address, status), _load_table(status), Text(), _session_table(sessions))


def status_text(address: str, status: pb.Status) -> str:
    """Return one status update as a line."""
    load = status.load
    waiting = f"{pluralize(load.finals_waiting, 'final')} and {pluralize(load.partials_waiting, 'partial')} waiting"
    return (
        f"{address}: {_state(status)}, {load.streams} of {load.max_streams} streams, {waiting}, "
        f"longest wait {seconds(load.oldest_final_wait):.1f} s, {status.resources.cpu_cores_used:.1f} cores, "
        f"{status.resources.memory_bytes / GB:.1f} GB"
    )


def disconnected(address: str, reason: str) -> RenderableType:
    """Return the screen for a server that does not respond."""
    return Text.assemble(
        (sanitize_message(address), "bold"), "  ", ("disconnected", "bold red"), f"  {sanitize_message(reason)}"
    )


def _heading(address: str, status: pb.Status) -> Text:
    style = STYLES.get(status.state, "bold red")
    details = f"  {sanitize_message(status.version)}, up {format_duration(status.uptime)}"
    return Text.assemble((sanitize_message(address), "bold"), "  ", (_state(status), style), details)


def _load_table(status: pb.Status) -> Table:
    load, used = status.load, status.resources
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim")
    table.add_column(width=20)
    table.add_column()
    table.add_row("streams", _bar(load.streams, load.max_streams), f"{load.streams} of {load.max_streams}")
    batches = f"{load.batches_running} of {load.max_batches} batches"
    table.add_row("decoding", _bar(load.batches_running, load.max_batches), f"{batches}; {_queue(load)}")
    waits = Text.assemble("final ", _wait(load.oldest_final_wait), ", partial ", _wait(load.oldest_partial_wait))
    table.add_row("longest wait", "", waits)
    table.add_row("cores", _bar(used.cpu_cores_used, used.cores), f"{used.cpu_cores_used:.1f} of {used.cores}")
    table.add_row("memory", _bar(used.memory_bytes, used.machine_memory_bytes), _memory(used))
    for gpu in used.gpus:
        memory = f"{gpu.memory_used_bytes / GB:.1f} of {gpu.memory_bytes / GB:.1f} GB  {sanitize_message(gpu.name)}"
        table.add_row("GPU", _bar(gpu.memory_used_bytes, gpu.memory_bytes), Text(memory))
    table.add_row("models", "", Text(_models(status)))
    for api in status.apis:
        table.add_row(Text(sanitize_message(api.name)), "", Text(_api(api)))
    table.add_row("totals", "", _totals(status.counters))
    return table


def _session_table(sessions: Sequence[pb.Session]) -> RenderableType:
    if not sessions:
        return Text("No open streams.", style="dim")
    heading, *rows = session_rows(sessions)
    table = Table(*heading, box=box.SIMPLE_HEAD, pad_edge=False)
    for row in rows:
        table.add_row(*(Text(sanitize_message(cell)) for cell in row))
    return table


def _state(status: pb.Status) -> str:
    return name_of(pb.State, status.state, "STATE_")


def _bar(value: float, total: float) -> ProgressBar:
    """Return a bar; an empty one if the server sent no finite number."""
    if not (math.isfinite(value) and math.isfinite(total)):
        return ProgressBar(width=20)
    return ProgressBar(total=max(total, 1e-9), completed=value, width=20)


def _queue(load: pb.Load) -> str:
    finals, partials = pluralize(load.finals_waiting, "final"), pluralize(load.partials_waiting, "partial")
    return f"waiting: {finals}, {load.speculative_finals_waiting} speculative, {partials}"


def _wait(duration: Duration) -> Text:
    wait_s = seconds(duration)
    return Text(f"{wait_s:.1f} s", style="bold red" if wait_s > HIGH_WAIT_S else "")


def _memory(used: pb.Resources) -> str:
    return f"{used.memory_bytes / GB:.1f} of {used.machine_memory_bytes / GB:.1f} GB"


def _models(status: pb.Status) -> str:
    device = f" on {sanitize_message(status.device.active)}" if status.device.active else ""
    reason = f" ({sanitize_message(status.device.reason)})" if status.device.reason else ""
    model, partial_model = sanitize_message(status.model) or "-", sanitize_message(status.partial_model) or "-"
    return f"{model}, partials {partial_model}{device}{reason}"


def _api(api: pb.Api) -> str:
    return f"{sanitize_message(api.address)}, {pluralize(api.open_calls, 'open call')}, {api.ended_calls} ended"


def _totals(counters: pb.Counters) -> str:
    return (
        f"{pluralize(counters.streams, 'stream')}, {counters.rejected_streams} rejected; "
        f"{format_duration(counters.audio)} of audio; {pluralize(counters.utterances, 'utterance')}, "
        f"{pluralize(counters.words, 'word')}, {counters.suppressed} suppressed"
    )
