"""Changes of the settings of a running stream, and the messages for invalid values."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from stt_service.errors import InvalidRequestError
from stt_service.settings.schema import LANGUAGES, RuntimeSettings, ServerSettings, explain, frames, is_language

RUNTIME = RuntimeSettings.model_validate({})


def rejection(**changes: object) -> str:
    with pytest.raises(InvalidRequestError) as raised:
        RUNTIME.updated(changes)
    return str(raised.value)


def message_for(settings: dict[str, object]) -> str:
    with pytest.raises(ValidationError) as raised:
        ServerSettings.model_validate(settings)
    return explain(raised.value)


def test_update_changes_only_the_named_settings() -> None:
    changed = RUNTIME.updated({"language": "en", "translate": True})
    assert (changed.language, changed.translate) == ("en", True)
    assert changed.updated({"language": "ru", "translate": False}) == RUNTIME


def test_update_does_not_change_the_original_settings() -> None:
    RUNTIME.updated({"language": "en"})
    assert RUNTIME.language == "ru"


def test_updates_accumulate() -> None:
    changed = RUNTIME.updated({"hotwords": "gRPC"}).updated({"language": "en"})
    assert (changed.hotwords, changed.language) == ("gRPC", "en")


def test_empty_update_changes_nothing() -> None:
    assert RUNTIME.updated({}) == RUNTIME


@pytest.mark.parametrize(
    ("name", "lowest", "highest"),
    [
        ("post_speech_silence_duration", 0.1, 10),
        ("min_length_of_recording", 0, 20),
        ("max_length_of_recording", 5, 28),
        ("silero_sensitivity", 0, 1),
        ("webrtc_sensitivity", 0, 3),
    ],
)
def test_range_includes_its_bounds_only(name: str, lowest: float, highest: float) -> None:
    for value in (lowest, highest):
        assert getattr(RUNTIME.updated({name: value}), name) == value
    assert rejection(**{name: lowest - 1}).endswith(f": must be at least {lowest}.")
    assert rejection(**{name: highest + 1}).endswith(f": must be at most {highest}.")


@pytest.mark.parametrize(
    ("name", "value", "requirement"),
    [
        ("language", "xx", "must be a Whisper language code, such as ru or en, or auto"),
        ("language", "", "must be a Whisper language code, such as ru or en, or auto"),
        ("translate", "maybe", "must be true or false"),
        ("silero_sensitivity", float("nan"), "must be a finite number"),
        ("webrtc_sensitivity", 1.5, "must be a whole number"),
        ("beam_size", 3, "there is no such setting"),
    ],
)
def test_invalid_change_is_rejected_with_one_sentence(name: str, value: object, requirement: str) -> None:
    assert rejection(**{name: value}) == f"Invalid {name.upper()}={value!r}: {requirement}."


def test_prompt_that_is_too_long_is_truncated_in_the_error() -> None:
    message = rejection(initial_prompt="Ж" * 2001)
    assert message.startswith("Invalid INITIAL_PROMPT='ЖЖЖ")
    assert message.endswith("Ж…: must be at most 2000 characters.")
    assert len(message) < 150


def test_error_describes_the_first_of_several_faults() -> None:
    assert rejection(language="xx", translate="maybe").startswith("Invalid LANGUAGE='xx': must be")


def test_error_for_a_setting_of_two_types_names_both() -> None:
    assert message_for({"max_streams": 0}) == "Invalid MAX_STREAMS=0: must be 'auto' or at least 1."


@pytest.mark.parametrize("address", ["0.0.0.0", "192.168.1.5", "::"])  # noqa: S104
def test_public_address_needs_consent(address: str) -> None:
    message = message_for({"server_bind": address})
    assert message.startswith(f"SERVER_BIND={address} lets anyone on that network connect")
    assert "ALLOW_INSECURE=true" in message
    assert ServerSettings.model_validate({"server_bind": address, "allow_insecure": True})


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "localhost"])
def test_loopback_needs_no_consent(address: str) -> None:
    assert ServerSettings.model_validate({"server_bind": address}).server_bind == address


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"server_bind": "192.168.1.5", "tls_cert": "pem", "tls_key": "key"}, "network of SERVER_BIND=192.168.1.5"),
        ({"auth_tokens_file": "tokens"}, "local clients can use it without AUTH_TOKENS_FILE"),
        ({"tls_cert": "pem", "tls_key": "key", "tls_client_ca": "ca"}, "can use it without TLS_CLIENT_CA"),
    ],
)
def test_wyoming_port_without_protection_needs_consent(settings: dict[str, object], reason: str) -> None:
    protected = {"auth_tokens_file": "tokens", "control_tokens_file": "control"} if "server_bind" in settings else {}
    message = message_for({"wyoming_port": 10300, **protected, **settings})
    assert message.startswith("WYOMING_PORT=10300 has neither TLS nor tokens")
    assert reason in message
    assert "ALLOW_INSECURE=true" in message
    assert ServerSettings.model_validate({"wyoming_port": 10300, **protected, **settings, "allow_insecure": True})
    assert ServerSettings.model_validate({**protected, **settings})


def test_wyoming_port_on_loopback_without_tokens_needs_no_consent() -> None:
    assert ServerSettings.model_validate({"wyoming_port": 10300}).wyoming_exposure == ""
    assert ServerSettings.model_validate({}).wyoming_port == 0


def test_stream_begins_with_the_settings_of_the_server() -> None:
    runtime = ServerSettings.model_validate({"language": "en", "hotwords": "gRPC", "beam_size": 3}).runtime()
    assert runtime == RUNTIME.updated({"language": "en", "hotwords": "gRPC"})


def test_languages_are_those_of_whisper() -> None:
    assert len(LANGUAGES) == 100
    assert is_language("auto")
    assert is_language("yue")
    assert not is_language("RU")


@pytest.mark.parametrize(("seconds", "count"), [(0, 0), (0.032, 1), (0.2, 6), (1.5, 47), (28, 875)])
def test_durations_become_frames(seconds: float, count: int) -> None:
    assert frames(seconds) == count


def test_cause_of_a_rejected_setting_does_not_contain_its_value() -> None:
    with pytest.raises(InvalidRequestError) as raised:
        ServerSettings.model_validate({}).runtime().updated({"initial_prompt": "Patient Jane Roe " * 1000})
    assert "Jane" not in str(raised.value.__cause__)


@pytest.mark.parametrize(
    ("listed", "origins"),
    [
        ("", ""),
        (" ", ""),
        ("https://app.example", "https://app.example"),
        (
            "http://a:8080, HTTPS://B.example ,chrome-extension://abc",
            "http://a:8080,https://b.example,chrome-extension://abc",
        ),
        ("http://[::1]:3000", "http://[::1]:3000"),
    ],
)
def test_allowed_origins_may_have_spaces_between_them(listed: str, origins: str) -> None:
    assert ServerSettings.model_validate({"http_allowed_origins": listed}).http_allowed_origins == origins


@pytest.mark.parametrize(
    "listed", ["*", "app.example", "https://app.example/", "https://a https://b", "https://a,,", "null"]
)
def test_allowed_origins_that_no_browser_sends_are_rejected(listed: str) -> None:
    assert message_for({"http_allowed_origins": listed}) == (
        f"Invalid HTTP_ALLOWED_ORIGINS={listed!r}: must be origins without a path, such as https://app.example, "
        "separated by commas."
    )
