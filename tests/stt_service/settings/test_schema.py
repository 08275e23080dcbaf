"""Settings that change while a stream runs, and the sentence for those that will not do."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from stt_service.errors import InvalidRequestError
from stt_service.settings.schema import LANGUAGES, RuntimeSettings, ServerSettings, explain, frames, is_language

LIVE = RuntimeSettings.model_validate({})


def refusal(**changes: object) -> str:
    with pytest.raises(InvalidRequestError) as refused:
        LIVE.updated(changes)
    return str(refused.value)


def sentence(settings: dict[str, object]) -> str:
    with pytest.raises(ValidationError) as refused:
        ServerSettings.model_validate(settings)
    return explain(refused.value)


def test_an_update_changes_what_it_names_and_nothing_else() -> None:
    changed = LIVE.updated({"language": "en", "translate": True})
    assert (changed.language, changed.translate) == ("en", True)
    assert changed.updated({"language": "ru", "translate": False}) == LIVE


def test_an_update_leaves_the_settings_it_was_made_from() -> None:
    LIVE.updated({"language": "en"})
    assert LIVE.language == "ru"


def test_updates_add_up() -> None:
    changed = LIVE.updated({"hotwords": "gRPC"}).updated({"language": "en"})
    assert (changed.hotwords, changed.language) == ("gRPC", "en")


def test_an_empty_update_changes_nothing() -> None:
    assert LIVE.updated({}) == LIVE


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
def test_a_range_includes_its_ends_and_no_more(name: str, lowest: float, highest: float) -> None:
    for value in (lowest, highest):
        assert getattr(LIVE.updated({name: value}), name) == value
    assert refusal(**{name: lowest - 1}).endswith(f": must be at least {lowest}.")
    assert refusal(**{name: highest + 1}).endswith(f": must be at most {highest}.")


@pytest.mark.parametrize(
    ("name", "value", "wanted"),
    [
        ("language", "xx", "must be a Whisper language code, such as ru or en, or auto"),
        ("language", "", "must be a Whisper language code, such as ru or en, or auto"),
        ("translate", "maybe", "must be true or false"),
        ("silero_sensitivity", float("nan"), "must be a finite number"),
        ("webrtc_sensitivity", 1.5, "must be a whole number"),
        ("beam_size", 3, "there is no such setting"),
    ],
)
def test_a_change_that_will_not_do_is_refused_in_one_sentence(name: str, value: object, wanted: str) -> None:
    assert refusal(**{name: value}) == f"Invalid {name.upper()}={value!r}: {wanted}."


def test_too_long_a_prompt_is_shown_by_its_beginning() -> None:
    told = refusal(initial_prompt="Ж" * 2001)
    assert told.startswith("Invalid INITIAL_PROMPT='ЖЖЖ")
    assert told.endswith("Ж…: must be at most 2000 characters.")
    assert len(told) < 150


def test_the_first_of_several_faults_is_told() -> None:
    assert refusal(language="xx", translate="maybe").startswith("Invalid LANGUAGE='xx': must be")


def test_a_setting_of_two_kinds_is_told_with_both() -> None:
    assert sentence({"max_streams": 0}) == "Invalid MAX_STREAMS=0: must be 'auto' or at least 1."


@pytest.mark.parametrize("address", ["0.0.0.0", "192.168.1.5", "::"])  # noqa: S104
def test_an_open_address_needs_consent(address: str) -> None:
    told = sentence({"server_bind": address})
    assert told.startswith(f"SERVER_BIND={address} lets anyone on that network connect")
    assert "ALLOW_INSECURE=true" in told
    assert ServerSettings.model_validate({"server_bind": address, "allow_insecure": True})


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "localhost"])
def test_loopback_needs_none(address: str) -> None:
    assert ServerSettings.model_validate({"server_bind": address}).server_bind == address


def test_a_stream_begins_with_the_servers_settings() -> None:
    live = ServerSettings.model_validate({"language": "en", "hotwords": "gRPC", "beam_size": 3}).runtime()
    assert live == LIVE.updated({"language": "en", "hotwords": "gRPC"})


def test_languages_are_whispers() -> None:
    assert len(LANGUAGES) == 100
    assert is_language("auto")
    assert is_language("yue")
    assert not is_language("RU")


@pytest.mark.parametrize(("seconds", "count"), [(0, 0), (0.032, 1), (0.2, 6), (1.5, 47), (28, 875)])
def test_durations_become_frames(seconds: float, count: int) -> None:
    assert frames(seconds) == count


def test_the_cause_of_a_refused_setting_does_not_quote_it() -> None:
    with pytest.raises(InvalidRequestError) as refused:
        ServerSettings.model_validate({}).runtime().updated({"initial_prompt": "Patient Jane Roe " * 1000})
    assert "Jane" not in str(refused.value.__cause__)
