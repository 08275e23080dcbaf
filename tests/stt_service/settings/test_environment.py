"""Settings are read from the environment and `.env`; an invalid value is an error of one sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from stt_service.errors import ConfigError
from stt_service.settings.environment import LoadedSettings, load
from stt_service.settings.reference import ROOT, env_example, settings, settings_table, with_table
from stt_service.settings.schema import RuntimeSettings, Scope, ServerSettings

DEFAULTS = ServerSettings.model_validate({})


@pytest.fixture
def env_file(tmp_path: Path) -> Path:
    return tmp_path / ".env"


def loaded(env_file: Path, lines: str, **environ: str) -> LoadedSettings:
    env_file.write_text(lines, encoding="utf-8")
    return load(environ, env_file)


def rejection(environ: dict[str, str]) -> str:
    with pytest.raises(ConfigError) as raised:
        load(environ)
    return str(raised.value)


def test_defaults_apply_when_no_setting_is_set(env_file: Path) -> None:
    assert load({}, env_file) == LoadedSettings(DEFAULTS, ())


def test_settings_are_read_from_the_environment_in_upper_case() -> None:
    values = load({"BEAM_SIZE": "3", "beam_size": "4", "MAX_STREAMS": "7", "PATH": "/bin"}).settings
    assert (values.beam_size, values.max_streams) == (3, 7)


def test_empty_values_count_as_unset() -> None:
    assert load({"BEAM_SIZE": "", "STT_LANGUAGE": "", "LANGUAGE": ""}) == LoadedSettings(DEFAULTS, ())


def test_environment_has_priority_over_the_file(env_file: Path) -> None:
    values = loaded(env_file, "BEAM_SIZE=3\nMAX_BATCH=8\n", BEAM_SIZE="4").settings
    assert (values.beam_size, values.max_batch) == (4, 8)


def test_empty_value_in_the_environment_keeps_the_value_of_the_file(env_file: Path) -> None:
    assert loaded(env_file, "BEAM_SIZE=3\n", BEAM_SIZE="").settings.beam_size == 3


@pytest.mark.parametrize(("word", "truth"), [("true", True), ("1", True), ("off", False), ("No", False)])
def test_booleans_are_parsed_from_words(word: str, truth: bool) -> None:
    assert load({"TRANSLATE": word}).settings.translate is truth


def test_file_values_expand_variables_of_the_environment_and_of_the_file(env_file: Path) -> None:
    lines = "ROOM=big\nMODELS_DIR=${HOME}/${ROOM}/${FOLDER:-models}\nHOTWORDS='a # b' # c\n"
    values = loaded(env_file, lines, HOME="/home/ann", ROOM="small").settings
    assert values.models_dir == "/home/ann/small/models"
    assert values.hotwords == "a # b"


def test_misspelled_name_in_the_file_is_rejected_with_a_suggestion(env_file: Path) -> None:
    with pytest.raises(ConfigError, match=r"^Unknown setting BEAM_SIZ in \.env: did you mean BEAM_SIZE\?$"):
        loaded(env_file, "BEAM_SIZ=3\n")


def test_lower_case_name_in_the_file_is_rejected(env_file: Path) -> None:
    with pytest.raises(ConfigError, match="did you mean DEVICE"):
        loaded(env_file, "device=cpu\n")


def test_unrelated_names_in_the_file_are_ignored(env_file: Path) -> None:
    lines = "SERVER_HOST=gpu\nCOMPOSE_PROJECT_NAME=stt\nGRAFANA_PASSWORD=x\nLOG_FORMAT\n"
    assert loaded(env_file, lines) == LoadedSettings(DEFAULTS, ())


def test_file_that_is_not_text_is_rejected(env_file: Path) -> None:
    env_file.write_bytes(b"BEAM_SIZE=\xff\n")
    with pytest.raises(ConfigError, match=r"\.env cannot be read"):
        load({}, env_file)


def test_file_may_begin_with_a_byte_order_mark(env_file: Path) -> None:
    assert loaded(env_file, "\ufeffBEAM_SIZE=3\n").settings.beam_size == 3


@pytest.mark.parametrize("locale", ["en_US:en", "en_US", "C", "ru_RU.UTF-8", "RU"])
def test_locale_of_a_desktop_is_ignored_with_a_warning(locale: str) -> None:
    result = load({"LANGUAGE": locale})
    assert result.settings.language == "ru"
    (warning,) = result.warnings
    assert f"LANGUAGE='{locale}'" in warning
    assert "STT_LANGUAGE" in warning


def test_locale_of_a_desktop_keeps_the_language_of_the_file(env_file: Path) -> None:
    result = loaded(env_file, "LANGUAGE=de\n", LANGUAGE="en_US:en")
    assert (result.settings.language, len(result.warnings)) == ("de", 1)


@pytest.mark.parametrize("code", ["en", "auto", "yue"])
def test_whisper_code_in_the_environment_sets_the_language(code: str) -> None:
    result = load({"LANGUAGE": code})
    assert (result.settings.language, result.warnings) == (code, ())


def test_stt_language_has_priority_over_language(env_file: Path) -> None:
    result = loaded(env_file, "LANGUAGE=de\n", LANGUAGE="en_US:en", STT_LANGUAGE="fr")
    assert (result.settings.language, result.warnings) == ("fr", ())
    assert loaded(env_file, "STT_LANGUAGE=fr\n", LANGUAGE="en").settings.language == "fr"
    assert loaded(env_file, "STT_LANGUAGE=fr\n", STT_LANGUAGE="es").settings.language == "es"


def test_invalid_stt_language_is_rejected(env_file: Path) -> None:
    assert rejection({"STT_LANGUAGE": "en_US"}) == (
        "Invalid STT_LANGUAGE='en_US': must be a Whisper language code, such as ru or en, or auto."
    )
    with pytest.raises(ConfigError, match="STT_LANGUAGE='xx'"):
        loaded(env_file, "STT_LANGUAGE=xx\n")


def test_invalid_language_in_the_file_is_rejected(env_file: Path) -> None:
    with pytest.raises(ConfigError, match=r"^Invalid LANGUAGE='en_US': must be a Whisper language code"):
        loaded(env_file, "LANGUAGE=en_US\n")


@pytest.mark.parametrize(
    ("name", "value", "valid"),
    [
        ("POST_SPEECH_SILENCE_DURATION", "abc", "a number"),
        ("POST_SPEECH_SILENCE_DURATION", "11", "at most 10"),
        ("POST_SPEECH_SILENCE_DURATION", "0.05", "at least 0.1"),
        ("SILERO_SENSITIVITY", "nan", "a finite number"),
        ("DEVICE", "tpu", "'cuda', 'cpu' or 'auto'"),
        ("BEAM_SIZE", "99", "at most 10"),
        ("BEAM_SIZE", "2.5", "a whole number"),
        ("DATA_PORT", "-1", "at least 0"),
        ("MIN_LENGTH_OF_RECORDING", "-1", "at least 0"),
        ("MAX_STREAM_DURATION", "1e9", "at most 604800"),
        ("TRANSLATE", "maybe", "true or false"),
        ("MAX_STREAMS", "lots", "'auto' or a whole number"),
        ("MAX_STREAMS", "0", "'auto' or at least 1"),
        ("GPU_DEVICE_INDEX", "first", r"of the form ^\d+(,\d+)*$"),
    ],
)
def test_error_for_an_invalid_value_has_the_valid_values(name: str, value: str, valid: str) -> None:
    assert rejection({name: value}) == f"Invalid {name}='{value}': must be {valid}."


def test_long_value_is_truncated_in_the_error() -> None:
    message = rejection({"HOTWORDS": "Ж" * 2001})
    assert message.startswith("Invalid HOTWORDS='ЖЖЖ")
    assert message.endswith("Ж…: must be at most 2000 characters.")
    assert len(message) < 150


def test_public_address_without_consent_is_rejected() -> None:
    assert rejection({"SERVER_BIND": "0.0.0.0"}).startswith("SERVER_BIND=0.0.0.0 lets anyone")  # noqa: S104
    assert load({"SERVER_BIND": "0.0.0.0", "ALLOW_INSECURE": "true"}).settings.allow_insecure  # noqa: S104


def test_configuration_md_has_the_current_table() -> None:
    document = (ROOT / "CONFIGURATION.md").read_text(encoding="utf-8")
    assert settings_table() in document
    assert with_table(document) == document, "run: python -m stt_service.settings.reference --write"


def test_env_example_is_current() -> None:
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    assert example == env_example(), "run: python -m stt_service.settings.reference --write"


def test_env_example_sets_every_setting_to_its_default_once_uncommented(env_file: Path) -> None:
    lines = [line.removeprefix("# ") for line in env_example().splitlines() if line.count("=") == 1]
    assert loaded(env_file, "\n".join(line for line in lines if line[:1].isupper())).settings == DEFAULTS


def test_table_has_the_scope_of_each_setting() -> None:
    scopes = {setting.name: setting.scope for setting in settings()}
    assert set(scopes) == {name.upper() for name in ServerSettings.model_fields}
    live = {name for name, scope in scopes.items() if scope is Scope.STREAM}
    assert live == {name.upper() for name in RuntimeSettings.model_fields}
    assert (
        "| `MAX_BATCH` | 16 | 1 to 256 |  | Maximum number of decodes in a batch. | after a restart |"
        in settings_table()
    )
    assert "| `IDLE_TIMEOUT` | 300 | 1 to 86400 | s |" in settings_table()


def test_former_name_of_the_http_port_is_an_alias() -> None:
    assert load({"METRICS_PORT": "9013"}).settings.http_port == 9013
    assert load({"METRICS_PORT": "9013", "HTTP_PORT": "9014"}).settings.http_port == 9014
