"""JSON of clients: parsed with bounded depth, and values that are short enough for a message. Pure."""

from __future__ import annotations

import json
from reprlib import Repr

from stt_service.errors import InvalidRequestError

JsonObject = dict[str, object]
MAX_DEPTH = 16  # OpenAI's deepest event has 6; deeper values exhaust the stack when they are copied
MAX_SHOWN = 80  # characters of a value in a message

_repr = Repr()
_repr.maxlevel, _repr.maxstring, _repr.maxlong, _repr.maxother = 2, MAX_SHOWN, MAX_SHOWN, MAX_SHOWN


def parse_object(text: str, name: str) -> JsonObject:
    """Return a JSON object.

    Args:
        text: The JSON.
        name: Its name in an error.

    Raises:
        InvalidRequestError: it is not JSON, not an object, or nested too deeply.
    """
    try:
        value = json.loads(text)
    except RecursionError:
        raise _too_deep(name) from None
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise InvalidRequestError(f"Invalid {name}={shown(text)}: must be a JSON object.")
    if _is_deeper(value, MAX_DEPTH):
        raise _too_deep(name)
    return value


def shown(value: object) -> str:
    """Return a value for a message, with its middle left out if it is long."""
    return _repr.repr(value)


def _is_deeper(value: object, levels: int) -> bool:
    children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return bool(children) and (levels == 0 or any(_is_deeper(child, levels - 1) for child in children))


def _too_deep(name: str) -> InvalidRequestError:
    return InvalidRequestError(f"Invalid {name}: nested deeper than {MAX_DEPTH} levels.")
