"""What `stt-cli status --watch` shows: a server's status and its streams, drawn for a terminal of any width."""

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

from stt_cli.control.operations import session_rows
from stt_cli.output.table import count, span
from stt_client.sanitize import sanitize_message
from stt_client.transport.message_values import name_of, seconds

GB = 2**30
LATE_PARTIAL_S = 1.5  # then people notice
STYLES = {pb.STATE_SERVING: "bold green", pb.STATE_DRAINING: "bold yellow", pb.STATE_LOADING: "bold yellow"}


def dashboard(address: str, status: pb.Status, sessions: Sequence[pb.Session]) -> RenderableType:
    """Return the picture of one look."""
    return Group(_heading(address, status), _figures(status), Text(), _sessions(sessions))


def line(address: str, status: pb.Status) -> str:
    """Return one look as a line, for a pipe."""
    load, late = status.load, seconds(status.load.oldest_final_wait)
    waiting = f"{load.finals_waiting} finals and {load.partials_waiting} partials wait"
    return (
        f"{address}: {_state(status)}, {load.streams} of {load.max_streams} streams, {waiting}, "
        f"lag {late:.1f} s, {status.resources.cpu_cores_used:.1f} cores, {status.resources.memory_bytes / GB:.1f} GB"
    )


def lost(address: str, why: str) -> RenderableType:
    """Return the picture of a server that does not answer."""
    return Text.assemble(
        (sanitize_message(address), "bold"), "  ", ("no answer", "bold red"), f"  {sanitize_message(why)}"
    )


def _heading(address: str, status: pb.Status) -> Text:
    style = STYLES.get(status.state, "bold red")
    told = f"  {sanitize_message(status.version)}, up {span(status.uptime)}"
    return Text.assemble((sanitize_message(address), "bold"), "  ", (_state(status), style), told)


def _figures(status: pb.Status) -> Table:
    load, used = status.load, status.resources
    figures = Table.grid(padding=(0, 2))
    figures.add_column(style="dim")
    figures.add_column(width=20)
    figures.add_column()
    figures.add_row("streams", _bar(load.streams, load.max_streams), f"{load.streams} of {load.max_streams}")
    batches = f"{load.batches_running} of {load.max_batches} batches"
    figures.add_row("decoding", _bar(load.batches_running, load.max_batches), f"{batches}; {_waiting(load)}")
    figures.add_row(
        "lag", "", Text.assemble("finals ", _lag(load.oldest_final_wait), ", partials ", _lag(load.oldest_partial_wait))
    )
    figures.add_row("cores", _bar(used.cpu_cores_used, used.cores), f"{used.cpu_cores_used:.1f} of {used.cores}")
    figures.add_row("memory", _bar(used.memory_bytes, used.machine_memory_bytes), _gb(used))
    for gpu in used.gpus:
        memory = f"{gpu.memory_used_bytes / GB:.1f} of {gpu.memory_bytes / GB:.1f} GB  {sanitize_message(gpu.name)}"
        figures.add_row("GPU", _bar(gpu.memory_used_bytes, gpu.memory_bytes), Text(memory))
    figures.add_row("models", "", Text(_models(status)))
    figures.add_row("so far", "", _counters(status.counters))
    return figures


def _sessions(sessions: Sequence[pb.Session]) -> RenderableType:
    if not sessions:
        return Text("No stream is open.", style="dim")
    heading, *rows = session_rows(sessions)
    table = Table(*heading, box=box.SIMPLE_HEAD, pad_edge=False)
    for row in rows:
        table.add_row(*(Text(sanitize_message(cell)) for cell in row))
    return table


def _state(status: pb.Status) -> str:
    return name_of(pb.State, status.state, "STATE_")


def _bar(part: float, whole: float) -> ProgressBar:
    """Return a bar; an empty one where the server sent no number."""
    if not (math.isfinite(part) and math.isfinite(whole)):
        return ProgressBar(width=20)
    return ProgressBar(total=max(whole, 1e-9), completed=part, width=20)


def _waiting(load: pb.Load) -> str:
    early = load.speculative_finals_waiting
    return f"waiting: {count(load.finals_waiting, 'final')}, {early} early, {count(load.partials_waiting, 'partial')}"


def _lag(lag: Duration) -> Text:
    late_s = seconds(lag)
    return Text(f"{late_s:.1f} s", style="bold red" if late_s > LATE_PARTIAL_S else "")


def _gb(used: pb.Resources) -> str:
    return f"{used.memory_bytes / GB:.1f} of {used.machine_memory_bytes / GB:.1f} GB"


def _models(status: pb.Status) -> str:
    device = f" on {sanitize_message(status.device.active)}" if status.device.active else ""
    why = f" ({sanitize_message(status.device.reason)})" if status.device.reason else ""
    model, partial_model = sanitize_message(status.model) or "-", sanitize_message(status.partial_model) or "-"
    return f"{model}, partials {partial_model}{device}{why}"


def _counters(so_far: pb.Counters) -> str:
    return (
        f"{count(so_far.streams, 'stream')}, {so_far.rejected_streams} refused; {span(so_far.audio)} of audio; "
        f"{count(so_far.utterances, 'utterance')}, {count(so_far.words, 'word')}, {so_far.suppressed} suppressed"
    )
