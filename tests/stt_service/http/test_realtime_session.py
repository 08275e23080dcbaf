"""Updates of a Realtime session: merged, checked, and translated to the settings of a stream."""

from __future__ import annotations

import pytest
from stt.v1 import stt_pb2 as pb

from stt_service.errors import InvalidRequestError
from stt_service.http.openai.realtime_session import initial, updated


def with_input(**fields: object) -> dict[str, object]:
    return {"type": "transcription", "audio": {"input": fields}}


def test_new_session_has_24_khz_pcm_and_a_server_vad() -> None:
    config = initial()
    assert (config.audio_format.sample_rate_hz, config.server_turns) == (24_000, True)
    assert config.settings.post_speech_silence.ToMilliseconds() == 500


@pytest.mark.parametrize(
    ("audio_format", "encoding", "rate_hz"),
    [
        ({"type": "audio/pcm", "rate": 16_000}, pb.AudioFormat.ENCODING_PCM_S16LE, 16_000),
        ({"type": "audio/pcm"}, pb.AudioFormat.ENCODING_PCM_S16LE, 24_000),
        ({"type": "audio/pcmu"}, pb.AudioFormat.ENCODING_MULAW, 8_000),
        ({"type": "audio/pcma"}, pb.AudioFormat.ENCODING_ALAW, 8_000),
    ],
)
def test_formats_are_those_of_the_api(audio_format: dict[str, object], encoding: int, rate_hz: int) -> None:
    config = updated(initial(), with_input(format=audio_format))
    assert (config.audio_format.encoding, config.audio_format.sample_rate_hz) == (encoding, rate_hz)


def test_missing_field_keeps_its_value_and_null_resets_it() -> None:
    transcription = {"model": "whisper-1", "language": "ru", "prompt": "Привет.", "keywords": ["Анна"]}
    config = updated(initial(), with_input(transcription=transcription))
    kept = updated(config, with_input(turn_detection=None))
    assert (kept.settings.language, list(kept.settings.hotwords), kept.server_turns) == ("ru", ["Анна"], False)
    reset = updated(kept, with_input(transcription=None))
    assert not reset.settings.HasField("language")  # the server's
    assert (reset.settings.initial_prompt, reset.server_turns) == ("", False)


def test_missing_field_of_a_transcription_keeps_its_value_and_null_resets_it() -> None:
    config = updated(
        initial(),
        with_input(transcription={"language": "ru", "prompt": "Привет.", "keywords": ["Анна"], "delay": "low"}),
    )
    kept = updated(config, with_input(transcription={"prompt": None, "model": "whisper-1"}))
    assert (kept.settings.language, kept.settings.initial_prompt, list(kept.settings.hotwords), kept.stability) == (
        "ru",
        "",
        ["Анна"],
        pb.STABILITY_LOW,
    )
    assert updated(kept, with_input(transcription={})) == kept
    former = updated(kept, {"input_audio_transcription": {"keywords": None}})
    assert (former.settings.language, list(former.settings.hotwords)) == ("ru", [])


def test_languages_of_an_update_replace_the_language_and_the_reverse() -> None:
    config = updated(initial(), with_input(transcription={"language": "ru"}))
    several = updated(config, with_input(transcription={"languages": ["en"]}))
    assert several.settings.language == "en"
    assert updated(several, with_input(transcription={"language": "de"})).settings.language == "de"


@pytest.mark.parametrize(
    ("delay", "stability"),
    [
        (None, pb.STABILITY_UNSPECIFIED),
        ("minimal", pb.STABILITY_VERY_LOW),
        ("low", pb.STABILITY_LOW),
        ("medium", pb.STABILITY_MEDIUM),
        ("high", pb.STABILITY_HIGH),
        ("xhigh", pb.STABILITY_VERY_HIGH),
    ],
)
def test_delay_is_a_stability_of_partials(delay: str | None, stability: pb.Stability) -> None:
    config = updated(initial(), with_input(transcription={"model": "whisper-1", "delay": delay}))
    assert config.stability == stability
    assert updated(config, with_input(turn_detection=None)).stability == stability


def test_logprobs_are_included_on_request_until_null() -> None:
    included = updated(initial(), {"include": ["item.input_audio_transcription.logprobs"]})
    assert (initial().logprobs, included.logprobs) == (False, True)
    assert updated(included, with_input(turn_detection=None)).logprobs
    assert not updated(included, {"include": None}).logprobs


def test_noise_reduction_and_padding_are_accepted_and_have_no_effect() -> None:
    vad = {"type": "server_vad", "threshold": 0.5, "prefix_padding_ms": 900, "silence_duration_ms": 500}
    config = updated(initial(), with_input(noise_reduction={"type": "near_field"}, turn_detection=vad))
    assert (config.settings, config.audio_format) == (initial().settings, initial().audio_format)
    described = config.description["audio"]
    assert isinstance(described, dict)
    assert described["input"]["noise_reduction"] == {"type": "near_field"}
    assert described["input"]["turn_detection"] == vad


def test_former_flat_session_is_accepted() -> None:
    config = updated(
        initial(),
        {
            "input_audio_format": "g711_ulaw",
            "input_audio_transcription": {"model": "whisper-1", "language": "en"},
            "turn_detection": {"type": "server_vad", "threshold": 0.4, "silence_duration_ms": 800},
        },
    )
    assert config.audio_format.encoding == pb.AudioFormat.ENCODING_MULAW
    assert config.settings.language == "en"
    assert config.settings.silero_sensitivity == pytest.approx(0.6)
    assert config.settings.post_speech_silence.ToMilliseconds() == 800


@pytest.mark.parametrize(
    ("session", "message"),
    [
        (None, "Invalid session: must be an object"),
        ({"type": "realtime"}, "must be transcription"),
        (with_input(format={"type": "audio/mp3"}), "format.type='audio/mp3'"),
        (with_input(format={"type": "audio/pcm", "rate": 44_100}), "format.rate=44100: must be 24000, 16000, 8000"),
        (with_input(format="pcm16"), "must be an object"),
        (with_input(turn_detection={"type": "guess"}), "must be server_vad or semantic_vad"),
        (with_input(turn_detection={"type": "server_vad", "threshold": "high"}), "threshold='high'"),
        (with_input(transcription={"language": "klingon"}), "language='klingon'"),
        (
            with_input(transcription={"delay": "none"}),
            "delay='none': must be minimal, low",
        ),
        ({"include": ["everything"]}, "include='everything': must be item.input_audio_transcription.logprobs"),
        ({"include": "logprobs"}, "Invalid session.include: must be a list of strings"),
        (with_input(transcription={"keywords": "Anna"}), "must be a list of strings"),
        (with_input(transcription={"prompt": 1}), "prompt: must be a string"),
        ({"input_audio_format": "mp3"}, "must be one of pcm16, g711_ulaw, g711_alaw"),
    ],
)
def test_invalid_update_is_rejected_and_changes_nothing(session: object, message: str) -> None:
    config = initial()
    before = str(config)
    with pytest.raises(InvalidRequestError, match=message):
        updated(config, session)
    assert str(config) == before


@pytest.mark.parametrize(
    ("session", "field", "message"),
    [
        ({"transcription": {"prompt": "x" * 2001}}, "transcription.prompt", "at most 2000 characters, not 2001"),
        ({"transcription": {"keywords": ["x"] * 101}}, "transcription.keywords", "101 entries, must be at most 100"),
        ({"transcription": {"keywords": ["x" * 2001]}}, "transcription.keywords", "must be at most 2000"),
        ({"transcription": {"language": "klingon"}}, "transcription.language", "language='klingon'"),
        ({"transcription": {"languages": ["en", "klingon"]}}, "transcription.languages", "languages='klingon'"),
        ({"transcription": {"language": ["en"]}}, "transcription.language", "must be a string"),
        ({"transcription": {"delay": 1}}, "transcription.delay", "delay=1"),
        ({"format": {"type": "audio/mp3"}}, "format.type", "type='audio/mp3'"),
        ({"turn_detection": {"type": "server_vad", "threshold": 2}}, "turn_detection.threshold", "threshold=2"),
    ],
)
def test_error_names_the_field_of_the_client(session: dict[str, object], field: str, message: str) -> None:
    """So that an invalid value fails at the update, not when audio arrives."""
    with pytest.raises(InvalidRequestError, match=message) as raised:
        updated(initial(), with_input(**session))
    assert raised.value.field == f"session.audio.input.{field}"
    assert f"Invalid {raised.value.field}" in str(raised.value)


def test_unknown_fields_are_dropped_so_that_updates_do_not_accumulate() -> None:
    config = initial()
    for number in range(3):
        config = updated(config, with_input(**{f"unknown_{number}": "x"}))
    assert config == initial()


def test_unknown_fields_of_a_transcription_do_not_accumulate() -> None:
    config = updated(initial(), with_input(transcription={"model": "whisper-1"}))
    for number in range(3):
        config = updated(config, with_input(transcription={f"unknown_{number}": "x"}))
    assert config == updated(initial(), with_input(transcription={"model": "whisper-1"}))


@pytest.mark.parametrize(
    "session",
    [
        {"audio": {"input": {"format": {"type": []}}}},
        {"audio": {"input": {"format": {"type": {"a": 1}}}}},
        {"input_audio_format": ["pcm16"]},
        {"audio": {"input": {"turn_detection": {"type": {}}}}},
        {"audio": {"input": {"transcription": {"language": {"a": 1}}}}},
        {"audio": {"input": {"transcription": {"delay": []}}}},
    ],
)
def test_value_of_another_type_is_rejected(session: object) -> None:
    with pytest.raises(InvalidRequestError, match=r"Invalid [\w.]+"):
        updated(initial(), session)
