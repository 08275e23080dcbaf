"""Plans the trials of an evaluation: the combinations of settings to compare."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod

from pydantic import ValidationError

from stt_service.errors import ConfigError
from stt_service.settings.schema import ServerSettings, explain

MAX_TRIALS = 16
# Compared by default: the settings of finals that take most compute or latency, each with a cheap and a costly value.
DEFAULT_COMPARISONS = {
    "BEAM_SIZE": ("1", "5"),
    "ENCODER_CONTEXT": ("short", "full"),
    "POST_SPEECH_SILENCE_DURATION": ("0.7", "1.5"),
}
# Settings whose values can contain a comma.
UNSPLIT_SETTINGS = frozenset({"INITIAL_PROMPT", "HOTWORDS", "GPU_DEVICE_INDEX"})
# Settings without effect on a recording that is replayed to one stream.
SETTINGS_WITHOUT_EFFECT = frozenset(
    "MAX_STREAMS MAX_BATCH IDLE_TIMEOUT MAX_STREAM_DURATION SERVER_BIND ALLOW_INSECURE DATA_PORT LOG_LEVEL".split()
)


@dataclass(frozen=True, slots=True)
class Trial:
    """Settings of one run, and those of them that the comparison changed."""

    settings: ServerSettings
    changed: tuple[tuple[str, str], ...] = ()  # names and values

    def value(self, name: str) -> str:
        """Return the setting's value as it is written in the environment."""
        value = getattr(self.settings, name.lower())
        return str(value).lower() if isinstance(value, bool) else str(value)

    @property
    def name(self) -> str:
        return ", ".join(f"{name}={value}" for name, value in self.changed) or "the current settings"


def plan_trials(settings: ServerSettings, requested: Sequence[str]) -> list[Trial]:
    """Return all combinations of the requested values, each in the form NAME=VALUE,VALUE; else the default comparison.

    Raises:
        ConfigError: a name or a value is invalid, or there are too many combinations.
    """
    if not requested:
        current = Trial(settings)
        return [current, *(_trial(settings, [pair]) for pair in _other_values(current))]
    values = _values(requested)
    count = prod(map(len, values.values()))
    if count > MAX_TRIALS:
        raise ConfigError(f"Too many combinations of settings: {count}, must be at most {MAX_TRIALS}.")
    named = [[(name, value) for value in each] for name, each in values.items()]
    return [_trial(settings, pairs) for pairs in product(*named)]


def _values(requested: Iterable[str]) -> Mapping[str, list[str]]:
    """Return the values of each setting in the given order, without duplicates."""
    values: dict[str, list[str]] = {}
    for each in requested:
        name, sign, given = each.partition("=")
        name = name.strip().upper()
        if not sign:
            raise ConfigError(f"Invalid {each!r}: must be NAME=VALUE,VALUE, such as BEAM_SIZE=1,5.")
        if name in SETTINGS_WITHOUT_EFFECT:
            raise ConfigError(f"{name} has no effect on a recording that is replayed to one stream: leave it out.")
        distinct = values.setdefault(name, [])
        for value in [given] if name in UNSPLIT_SETTINGS else given.split(","):
            if value.strip() not in distinct:
                distinct.append(value.strip())
    return values


def _other_values(trial: Trial) -> list[tuple[str, str]]:
    return [
        (name, value) for name, values in DEFAULT_COMPARISONS.items() for value in values if value != trial.value(name)
    ]


def with_changes(settings: ServerSettings, pairs: Sequence[tuple[str, str]]) -> ServerSettings:
    """Return the settings with these names set to these values.

    Raises:
        ConfigError: a name or a value is invalid.
    """
    changes = {name.lower(): value for name, value in pairs}
    try:
        return ServerSettings.model_validate({**settings.model_dump(), **changes})
    except ValidationError as error:
        raise ConfigError(explain(error)) from error


def _trial(settings: ServerSettings, pairs: Sequence[tuple[str, str]]) -> Trial:
    return Trial(with_changes(settings, pairs), tuple(pairs))
