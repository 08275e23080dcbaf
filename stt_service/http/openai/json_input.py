"""JSON of clients: parsed with bounded depth, and values that are short enough for a message. Pure.

Python also reads what JSON cannot send back: `NaN` and numbers beyond a double, and half of a surrogate pair, which no
text in UTF-8 and no protobuf message can contain.
"""

from __future__ import annotations

import json
import math
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
        InvalidRequestError: it is not JSON, not an object, nested too deeply, or has a value that cannot be sent back.
    """
    try:
        value = json.loads(text, parse_float=_finite, parse_constant=_finite)
    except OverflowError:
        raise InvalidRequestError(f"Invalid {name}: its numbers must be finite.", name) from None
    except RecursionError:
        raise _too_deep(name) from None
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise invalid(name, text, "must be a JSON object")
    if _is_deeper(value, MAX_DEPTH):
        raise _too_deep(name)
    if "\\u" in text and not _is_unicode(value):
        raise InvalidRequestError(f"Invalid {name}: contains a surrogate without its pair; must be Unicode.", name)
    return value


def invalid(field: str, value: object, requirement: str) -> InvalidRequestError:
    """Return the error of a field: its name, its value and the valid values."""
    return InvalidRequestError(f"Invalid {field}={shown(value)}: {requirement}.", field)


def shown(value: object) -> str:
    """Return a value for a message, with its middle left out if it is long."""
    return _repr.repr(value)


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise OverflowError
    return number


def _is_unicode(value: JsonObject) -> bool:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def _is_deeper(value: object, levels: int) -> bool:
    children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return bool(children) and (levels == 0 or any(_is_deeper(child, levels - 1) for child in children))


def _too_deep(name: str) -> InvalidRequestError:
    return InvalidRequestError(f"Invalid {name}: nested deeper than {MAX_DEPTH} levels.", name)
