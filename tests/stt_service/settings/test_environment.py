"""Settings come from the environment and `.env`; what will not do stops the start with one sentence."""

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


def refusal(environ: dict[str, str]) -> str:
    with pytest.raises(ConfigError) as refused:
        load(environ)
    return str(refused.value)


def test_with_nothing_set_the_defaults_hold(env_file: Path) -> None:
    assert load({}, env_file) == LoadedSettings(DEFAULTS, ())


def test_a_setting_is_taken_from_the_environment_by_its_name_in_capitals() -> None:
    parameters = load({"BEAM_SIZE": "3", "beam_size": "4", "MAX_STREAMS": "7", "PATH": "/bin"}).settings
    assert (parameters.beam_size, parameters.max_streams) == (3, 7)


def test_an_empty_value_is_none() -> None:
    assert load({"BEAM_SIZE": "", "STT_LANGUAGE": "", "LANGUAGE": ""}) == LoadedSettings(DEFAULTS, ())


def test_the_environment_goes_before_the_file(env_file: Path) -> None:
    parameters = loaded(env_file, "BEAM_SIZE=3\nMAX_BATCH=8\n", BEAM_SIZE="4").settings
    assert (parameters.beam_size, parameters.max_batch) == (4, 8)


def test_an_empty_value_in_the_environment_leaves_the_files(env_file: Path) -> None:
    assert loaded(env_file, "BEAM_SIZE=3\n", BEAM_SIZE="").settings.beam_size == 3


@pytest.mark.parametrize(("word", "truth"), [("true", True), ("1", True), ("off", False), ("No", False)])
def test_booleans_are_words(word: str, truth: bool) -> None:
    assert load({"TRANSLATE": word}).settings.translate is truth


def test_the_file_may_refer_to_the_environment_and_to_itself(env_file: Path) -> None:
    lines = "ROOM=big\nMODELS_DIR=${HOME}/${ROOM}/${SHELF:-models}\nHOTWORDS='a # b' # c\n"
    parameters = loaded(env_file, lines, HOME="/home/ann", ROOM="small").settings
    assert parameters.models_dir == "/home/ann/small/models"
    assert parameters.hotwords == "a # b"


def test_a_misspelt_name_in_the_file_is_refused_with_a_suggestion(env_file: Path) -> None:
    with pytest.raises(ConfigError, match=r"^Unknown setting BEAM_SIZ in \.env: did you mean BEAM_SIZE\?$"):
        loaded(env_file, "BEAM_SIZ=3\n")


def test_a_setting_in_small_letters_in_the_file_is_refused(env_file: Path) -> None:
    with pytest.raises(ConfigError, match="did you mean DEVICE"):
        loaded(env_file, "device=cpu\n")


def test_names_of_others_in_the_file_are_theirs(env_file: Path) -> None:
    lines = "SERVER_HOST=gpu\nCOMPOSE_PROJECT_NAME=stt\nGRAFANA_PASSWORD=x\nLOG_FORMAT\n"
    assert loaded(env_file, lines) == LoadedSettings(DEFAULTS, ())


def test_a_file_that_cannot_be_read_as_text_is_refused(env_file: Path) -> None:
    env_file.write_bytes(b"BEAM_SIZE=\xff\n")
    with pytest.raises(ConfigError, match=r"\.env cannot be read"):
        load({}, env_file)


def test_a_file_may_begin_with_a_byte_order_mark(env_file: Path) -> None:
    assert loaded(env_file, "\ufeffBEAM_SIZE=3\n").settings.beam_size == 3


@pytest.mark.parametrize("locale", ["en_US:en", "en_US", "C", "ru_RU.UTF-8", "RU"])
def test_a_desktops_language_is_ignored_with_a_warning(locale: str) -> None:
    result = load({"LANGUAGE": locale})
    assert result.settings.language == "ru"
    (warning,) = result.warnings
    assert f"LANGUAGE='{locale}'" in warning
    assert "STT_LANGUAGE" in warning


def test_a_desktops_language_leaves_the_files(env_file: Path) -> None:
    result = loaded(env_file, "LANGUAGE=de\n", LANGUAGE="en_US:en")
    assert (result.settings.language, len(result.warnings)) == ("de", 1)


@pytest.mark.parametrize("code", ["en", "auto", "yue"])
def test_a_whisper_code_in_the_environment_is_the_language(code: str) -> None:
    result = load({"LANGUAGE": code})
    assert (result.settings.language, result.warnings) == (code, ())


def test_stt_language_goes_before_every_language(env_file: Path) -> None:
    result = loaded(env_file, "LANGUAGE=de\n", LANGUAGE="en_US:en", STT_LANGUAGE="fr")
    assert (result.settings.language, result.warnings) == ("fr", ())
    assert loaded(env_file, "STT_LANGUAGE=fr\n", LANGUAGE="en").settings.language == "fr"
    assert loaded(env_file, "STT_LANGUAGE=fr\n", STT_LANGUAGE="es").settings.language == "es"


def test_a_bad_stt_language_stops_the_start(env_file: Path) -> None:
    assert refusal({"STT_LANGUAGE": "en_US"}) == (
        "Invalid STT_LANGUAGE='en_US': must be a Whisper language code, such as ru or en, or auto."
    )
    with pytest.raises(ConfigError, match="STT_LANGUAGE='xx'"):
        loaded(env_file, "STT_LANGUAGE=xx\n")


def test_a_bad_language_in_the_file_stops_the_start(env_file: Path) -> None:
    with pytest.raises(ConfigError, match=r"^Invalid LANGUAGE='en_US': must be a Whisper language code"):
        loaded(env_file, "LANGUAGE=en_US\n")


@pytest.mark.parametrize(
    ("name", "value", "wanted"),
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
def test_a_bad_value_is_refused_with_what_would_do(name: str, value: str, wanted: str) -> None:
    assert refusal({name: value}) == f"Invalid {name}='{value}': must be {wanted}."


def test_a_long_value_is_shown_by_its_beginning() -> None:
    sentence = refusal({"HOTWORDS": "Ж" * 2001})
    assert sentence.startswith("Invalid HOTWORDS='ЖЖЖ")
    assert sentence.endswith("Ж…: must be at most 2000 characters.")
    assert len(sentence) < 150


def test_an_open_address_without_consent_is_refused() -> None:
    assert refusal({"SERVER_BIND": "0.0.0.0"}).startswith("SERVER_BIND=0.0.0.0 lets anyone")  # noqa: S104
    assert load({"SERVER_BIND": "0.0.0.0", "ALLOW_INSECURE": "true"}).settings.allow_insecure  # noqa: S104


def test_configuration_md_has_the_table_of_today() -> None:
    document = (ROOT / "CONFIGURATION.md").read_text(encoding="utf-8")
    assert settings_table() in document
    assert with_table(document) == document, "run: python -m stt_service.settings.reference --write"


def test_env_example_is_that_of_today() -> None:
    example = (ROOT / ".env.example").read_text(encoding="utf-8")
    assert example == env_example(), "run: python -m stt_service.settings.reference --write"


def test_env_example_sets_every_setting_to_its_default_once_uncommented(env_file: Path) -> None:
    lines = [line.removeprefix("# ") for line in env_example().splitlines() if line.count("=") == 1]
    assert loaded(env_file, "\n".join(line for line in lines if line[:1].isupper())).settings == DEFAULTS


def test_the_table_tells_when_a_change_holds() -> None:
    scopes = {setting.name: setting.scope for setting in settings()}
    assert set(scopes) == {name.upper() for name in ServerSettings.model_fields}
    live = {name for name, scope in scopes.items() if scope is Scope.STREAM}
    assert live == {name.upper() for name in RuntimeSettings.model_fields}
    assert (
        "| `MAX_BATCH` | 16 | 1 to 256 |  | Maximum number of decodes in a batch. | after a restart |"
        in settings_table()
    )
    assert "| `IDLE_TIMEOUT` | 300 | 1 to 86400 | s |" in settings_table()
