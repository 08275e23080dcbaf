"""Which settings are tried beside each other. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod

from pydantic import ValidationError

from stt_service.errors import ConfigError
from stt_service.settings.schema import ServerSettings, explain

MAX_TRIALS = 16
# What is tried when nothing is asked for: the settings of finals that cost most, each with what it costs.
DEFAULT_COMPARISONS = {
    "BEAM_SIZE": ("1", "5"),
    "ENCODER_CONTEXT": ("short", "full"),
    "POST_SPEECH_SILENCE_DURATION": ("0.7", "1.5"),
}
# Values in which a comma may be.
UNSPLIT_SETTINGS = frozenset({"INITIAL_PROMPT", "HOTWORDS", "GPU_DEVICE_INDEX"})
# A recording played to one stream does not feel them.
SETTINGS_WITHOUT_EFFECT = frozenset(
    "MAX_STREAMS MAX_BATCH IDLE_TIMEOUT MAX_STREAM_DURATION SERVER_BIND ALLOW_INSECURE DATA_PORT LOG_LEVEL".split()
)


@dataclass(frozen=True, slots=True)
class Trial:
    """Settings, and what of them was changed for the sake of the comparison."""

    settings: ServerSettings
    changed: tuple[tuple[str, str], ...] = ()  # names and values

    def value(self, name: str) -> str:
        """Return the setting as it would be written."""
        value = getattr(self.settings, name.lower())
        return str(value).lower() if isinstance(value, bool) else str(value)

    @property
    def name(self) -> str:
        return ", ".join(f"{name}={value}" for name, value in self.changed) or "the settings as they are"


def plan_trials(settings: ServerSettings, asked: Sequence[str]) -> list[Trial]:
    """Return the combinations that are asked for, as NAME=VALUE,VALUE each; else what is worth comparing.

    Raises:
        InvalidSetting: one of them is no setting, has a value that will not do, or they are too many.
    """
    if not asked:
        as_they_are = Trial(settings)
        return [as_they_are, *(_trial(settings, [pair]) for pair in _other_values(as_they_are))]
    values = _values(asked)
    count = prod(map(len, values.values()))
    if count > MAX_TRIALS:
        raise ConfigError(f"{count} combinations of settings are too many: at most {MAX_TRIALS} are tried at once.")
    named = [[(name, value) for value in each] for name, each in values.items()]
    return [_trial(settings, pairs) for pairs in product(*named)]


def _values(asked: Iterable[str]) -> Mapping[str, list[str]]:
    """Return the values of each setting, in the order in which they were given."""
    values: dict[str, list[str]] = {}
    for each in asked:
        name, sign, given = each.partition("=")
        name = name.strip().upper()
        if not sign:
            raise ConfigError(f"Invalid {each!r}: must be NAME=VALUE,VALUE, such as BEAM_SIZE=1,5.")
        if name in SETTINGS_WITHOUT_EFFECT:
            raise ConfigError(f"{name} has no effect on a recording that is played to one stream: leave it out.")
        known = values.setdefault(name, [])
        for value in [given] if name in UNSPLIT_SETTINGS else given.split(","):
            if value.strip() not in known:
                known.append(value.strip())
    return values


def _other_values(trial: Trial) -> list[tuple[str, str]]:
    return [
        (name, value) for name, values in DEFAULT_COMPARISONS.items() for value in values if value != trial.value(name)
    ]


def with_changes(settings: ServerSettings, pairs: Sequence[tuple[str, str]]) -> ServerSettings:
    """Return the settings with these names set to these values.

    Raises:
        InvalidSetting: there is no such setting, or the value will not do.
    """
    changes = {name.lower(): value for name, value in pairs}
    try:
        return ServerSettings.model_validate({**settings.model_dump(), **changes})
    except ValidationError as error:
        raise ConfigError(explain(error)) from error


def _trial(settings: ServerSettings, pairs: Sequence[tuple[str, str]]) -> Trial:
    return Trial(with_changes(settings, pairs), tuple(pairs))
