"""Types of the settings, for forms."""

from __future__ import annotations

from stt_service.settings.reference import Setting, SettingType, settings
from stt_service.settings.schema import LANGUAGES

BY_NAME = {setting.name: setting for setting in settings()}


def typed(setting: Setting) -> tuple[SettingType, tuple[str, ...], float | None, float | None]:
    return setting.type, setting.choices, setting.minimum, setting.maximum


def test_number_has_its_range() -> None:
    assert typed(BY_NAME["BEAM_SIZE"]) == (SettingType.INTEGER, (), 1, 10)
    assert typed(BY_NAME["SILERO_SENSITIVITY"]) == (SettingType.NUMBER, (), 0, 1)


def test_number_with_a_word_in_its_place_has_both() -> None:
    assert typed(BY_NAME["MAX_STREAMS"]) == (SettingType.INTEGER, ("auto",), 1, 10_000)


def test_choice_has_its_values() -> None:
    assert typed(BY_NAME["LOG_LEVEL"])[:2] == (SettingType.CHOICE, ("debug", "info", "warning", "error"))
    assert typed(BY_NAME["LANGUAGE"])[:2] == (SettingType.CHOICE, ("auto", *sorted(LANGUAGES)))


def test_text_has_its_length() -> None:
    assert (BY_NAME["HOTWORDS"].type, BY_NAME["HOTWORDS"].max_length) == (SettingType.TEXT, 2000)
    assert BY_NAME["MODELS_DIR"].max_length == 0


def test_default_of_every_setting_is_valid_for_its_type() -> None:
    for setting in settings():
        if setting.type is SettingType.CHOICE:
            assert setting.default in setting.choices
        elif setting.type is SettingType.BOOLEAN:
            assert setting.default in ("true", "false")
        elif setting.minimum is not None and setting.default not in setting.choices:
            assert setting.minimum <= float(setting.default) <= (setting.maximum or 0)
