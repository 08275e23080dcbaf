"""Text in columns, and figures as people read them."""

from __future__ import annotations

from collections.abc import Sequence

from google.protobuf.duration_pb2 import Duration
from rich.cells import cell_len

from stt_client.sanitize import sanitize_text
from stt_client.transport.message_values import seconds


def columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the rows, each column as wide as its widest cell; what would spoil a terminal is left out."""
    cells = [[sanitize_text(cell) for cell in row] for row in rows]
    widths = [max(cell_len(cell) for cell in column) for column in zip(*cells, strict=True)]
    return ["  ".join(_filled(cell, width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]


def _filled(cell: str, width: int) -> str:
    return cell + " " * (width - cell_len(cell))


def span(duration: Duration) -> str:
    """Return a length of time: 4.2 s, 3:07, 2:03:07."""
    length_s = seconds(duration)
    if length_s < 60:
        return f"{length_s:.1f} s"
    minutes, rest = divmod(round(length_s), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def count(number: int, thing: str) -> str:
    """Return `1 stream`, `2 streams`."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"
