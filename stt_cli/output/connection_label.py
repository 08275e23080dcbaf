"""What the live line tells beside the words: how it stands with the server, in one condition at a time."""

from __future__ import annotations

from dataclasses import dataclass

from stt_client.events import Connection, ConnectionState
from stt_client.sanitize import sanitize_message


@dataclass(frozen=True, slots=True)
class ConnectionLabel:
    """What there is to be told beside the words: in full, and where words need the room."""

    sentence: str
    brief: str
    style: str


def condition_of(connection: Connection, is_finishing: bool, is_thinned: bool) -> ConnectionLabel | None:
    """Return the weightiest; None when all is as it should be."""
    kept, why = (
        f"{connection.buffered_ms // 1000}s",
        f": {sanitize_message(connection.message)}" if connection.message else "",
    )
    match connection.state:
        case ConnectionState.CONNECTING:
            return ConnectionLabel(f"connecting{why}", "connecting", "yellow")
        case ConnectionState.WAITING:
            return ConnectionLabel(f"waiting for a free slot{why}", "waiting", "yellow")
        case ConnectionState.RECONNECTING:
            return ConnectionLabel(f"no server, {kept} kept{why}", f"offline {kept}", "bold red")
    if is_finishing:
        return ConnectionLabel("finishing", "finishing", "yellow")
    match connection.state:
        case ConnectionState.RESUMED:
            return ConnectionLabel("a server is there again", "resumed", "green")
        case ConnectionState.DRAINING:
            return ConnectionLabel(f"the server goes away{why}", "moving", "yellow")
    return ConnectionLabel("partials thinned out: the server is busy", "busy", "yellow") if is_thinned else None
