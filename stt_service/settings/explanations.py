"""One sentence for a setting that will not do: its name, its value, what would do."""

from __future__ import annotations

from pydantic import ValidationError

# What would do, by pydantic's type of error; its own words serve for the rest.
_WANTED = {
    "bool_parsing": "true or false",
    "bool_type": "true or false",
    "finite_number": "a finite number",
    "float_parsing": "a number",
    "float_type": "a number",
    "greater_than_equal": "at least {ge:.12g}",
    "int_from_float": "a whole number",
    "int_parsing": "a whole number",
    "int_type": "a whole number",
    "less_than_equal": "at most {le:.12g}",
    "literal_error": "{expected}",
    "string_pattern_mismatch": "of the form {pattern}",
    "string_too_long": "at most {max_length} characters",
    "string_too_short": "at least {min_length} character(s)",
    "string_type": "text",
}


def explain(error: ValidationError) -> str:
    """Return one sentence for the first thing that is wrong: its name, its value, what would do."""
    first, *others = error.errors(include_url=False)
    if not first["loc"]:
        return f"{first['msg'].removeprefix('Value error, ')}."
    name, value = str(first["loc"][0]).upper(), repr(first["input"])
    shown = value if len(value) <= 60 else f"{value[:59]}…"
    if first["type"] == "extra_forbidden":
        return f"Invalid {name}={shown}: there is no such setting."
    if first["type"] not in _WANTED:
        return f"Invalid {name}={shown}: {first['msg'].removeprefix('Value error, ')}."
    # A union has an error for each of its members.
    wanted = [e for e in (first, *others) if e["loc"][:1] == first["loc"][:1] and e["type"] in _WANTED]
    choices = dict.fromkeys(_WANTED[e["type"]].format(**e.get("ctx", {})) for e in wanted)
    return f"Invalid {name}={shown}: must be {' or '.join(choices)}."
