"""Tables of settings, sessions and models for a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from google.protobuf.duration_pb2 import Duration
from rich.cells import cell_len
from stt.v1 import control_pb2 as pb

from stt_client.sanitize import sanitize_text
from stt_client.transport.message_values import UNKNOWN, name_of, seconds

SCOPE_TEXTS = {
    pb.SCOPE_STREAM: "applies to new streams; clients can change it for open ones",
    pb.SCOPE_NEW_STREAMS: "applies to new streams",
    pb.SCOPE_IMMEDIATE: "applies immediately",
    pb.SCOPE_RESTART: "applies after a restart",
}


def align_columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return one line per row, each column as wide as its widest cell, without control characters."""
    cells = [[sanitize_text(cell) for cell in row] for row in rows]
    widths = [max(cell_len(cell) for cell in column) for column in zip(*cells, strict=True)]
    return ["  ".join(_pad(cell, width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]


def _pad(cell: str, width: int) -> str:
    return cell + " " * (width - cell_len(cell))


def format_duration(duration: Duration) -> str:
    """Return a duration such as 4.2 s, 3:07 or 2:03:07."""
    duration_s = seconds(duration)
    if duration_s < 60:
        return f"{duration_s:.1f} s"
    minutes, rest = divmod(round(duration_s), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def pluralize(number: int, noun: str) -> str:
    """Return `1 stream` or `2 streams`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def settings_table(settings: Iterable[pb.Parameter]) -> str:
    """Return lines in `.env` format, each with its valid values and scope in a comment."""
    rows = [(f"{each.name}={each.value}", f"# {_valid_values(each)}; {_scope_text(each)}") for each in settings]
    return "\n".join(align_columns(rows))


def _scope_text(setting: pb.Parameter) -> str:
    return SCOPE_TEXTS.get(setting.scope, f"scope {UNKNOWN} to this client")


def _valid_values(setting: pb.Parameter) -> str:
    return f"{setting.allowed_values} {setting.unit}".rstrip()


def session_rows(sessions: Iterable[pb.Session]) -> list[tuple[str, ...]]:
    """Return a heading and one row per session."""
    heading = (
        "ID",
        "CLIENT",
        "PEER",
        "API",
        "AGE",
        "AUDIO",
        "PHASE",
        "WAIT",
        "UTTERANCES",
        "WORDS",
        "LANGUAGE",
        "MODEL",
    )
    return [heading, *map(_session_row, sessions)]


def _session_row(session: pb.Session) -> tuple[str, ...]:
    return (
        session.id,
        session.client_id or "-",
        session.peer,
        session.api or "-",
        format_duration(session.age),
        format_duration(session.audio_received),
        name_of(pb.SessionPhase, session.phase, "SESSION_PHASE_"),
        f"{seconds(session.oldest_decode_wait):.1f} s",
        str(session.utterances),
        str(session.words),
        session.language,
        session.model,
    )


def model_rows(models: Iterable[pb.Model]) -> list[tuple[str, ...]]:
    """Return a heading and one row per model."""
    return [("NAME", "STATE", "ROLES", "STREAMS", "COMPUTE TYPE", "REASON"), *map(_model_row, models)]


def _model_row(model: pb.Model) -> tuple[str, ...]:
    return (
        model.name,
        name_of(pb.ModelState, model.state, "MODEL_STATE_"),
        role_names(model) or "-",
        str(model.streams),
        model.compute_type or "-",
        model.reason,
    )


def role_names(model: pb.Model) -> str:
    """Return the roles of the model, such as `finals and partials`."""
    return " and ".join(name_of(pb.Role, role, "ROLE_") for role in model.roles)
