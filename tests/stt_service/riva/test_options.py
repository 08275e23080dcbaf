"""Options of Riva calls as settings of streams, and the responses."""

from __future__ import annotations

import pytest
from google.protobuf.duration_pb2 import Duration
from stt.riva.v1 import riva_pb2 as riva
from stt.v1 import stt_pb2 as pb

from stt_service.audio.pcm import AudioFormat, Encoding
from stt_service.errors import InvalidRequestError, NotFoundError
from stt_service.riva.options import MAX_ID_CHARACTERS, check_id, check_model, language, settings, stream_config
from stt_service.riva.responses import models_response, recording_response, stream_response


def vocabulary(*terms: str, weight: float = 4.0) -> riva.Vocabulary:
    return riva.Vocabulary(terms=terms, weight=weight)


def test_options_without_values_change_no_setting() -> None:
    assert settings(riva.Options()) == pb.Settings()


@pytest.mark.parametrize(
    ("tag", "code"),
    [
        ("en-US", "en"),
        ("en", "en"),
        ("ru_RU", "ru"),
        ("zh-Hans-CN", "zh"),
        ("multi", "auto"),
        ("auto", "auto"),
        ("nb-NO", "no"),
    ],
)
def test_language_tag_becomes_a_code(tag: str, code: str) -> None:
    assert settings(riva.Options(language=tag)).language == language(tag) == code


@pytest.mark.parametrize("tag", ["xx-XX", "english", "-"])
def test_unknown_language_is_rejected(tag: str) -> None:
    with pytest.raises(InvalidRequestError, match="Invalid language_code="):
        language(tag)


def test_terms_of_all_vocabularies_become_hotwords_unless_they_are_to_be_avoided() -> None:
    options = riva.Options(vocabularies=[vocabulary("Riva", ""), vocabulary("um", weight=-2), vocabulary("gRPC")])
    assert list(settings(options).hotwords) == ["Riva", "gRPC"]


def test_stop_history_is_the_silence_that_ends_an_utterance_of_any_length() -> None:
    changed = settings(riva.Options(endpointing=riva.Endpointing(silence_ms=800)))
    assert changed.post_speech_silence == Duration(nanos=800_000_000)
    assert changed.HasField("min_utterance")
    assert changed.min_utterance == Duration()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (riva.Options(endpointing=riva.Endpointing(silence_ms=0)), "stop_history=0: must be 100 to 10000 ms"),
        (riva.Options(endpointing=riva.Endpointing(silence_ms=10_001)), "stop_history=10001"),
        (riva.Options(speakers=riva.Speakers(enabled=True)), "diarization_config"),
        (riva.Options(masks_profanity=True), "profanity_filter"),
        (
            riva.Options(vocabularies=[vocabulary("a")] * 101),
            "Invalid speech_contexts: 101 entries, must be at most 100",
        ),
        (riva.Options(vocabularies=[vocabulary("a" * 2001)]), "Invalid speech_contexts: 2001 characters"),
        (riva.Options(separates_channels=True, channels=2), "enable_separate_recognition_per_channel"),
    ],
)
def test_option_without_an_equivalent_is_rejected(options: riva.Options, message: str) -> None:
    with pytest.raises(InvalidRequestError, match=message):
        settings(options)


def test_stream_has_the_format_of_its_audio() -> None:
    config = stream_config(riva.Options(word_times=True), AudioFormat(Encoding.ALAW, 8_000, 2), partials=True)
    assert config.format == pb.AudioFormat(encoding=pb.AudioFormat.ENCODING_ALAW, sample_rate_hz=8_000, channels=2)
    assert (config.partials, config.word_times, config.resumable) == (True, True, False)


@pytest.mark.parametrize("name", ["", "base"])
def test_model_of_the_server_and_no_model_are_accepted(name: str) -> None:
    check_model(riva.Options(model=name), "base")


def test_unknown_model_is_not_found() -> None:
    with pytest.raises(NotFoundError, match="Invalid model='parakeet': this server has 'base'"):
        check_model(riva.Options(model="parakeet"), "base")


def test_id_is_bounded() -> None:
    check_id(riva.CallId(text="x" * MAX_ID_CHARACTERS))
    with pytest.raises(InvalidRequestError, match="Invalid id of 257 characters"):
        check_id(riva.CallId(text="x" * (MAX_ID_CHARACTERS + 1)))


def test_partial_is_one_interim_result_with_its_whole_text() -> None:
    partial = pb.Partial(utterance=1, stable=" one two", unstable=" three 45")
    response = stream_response(pb.StreamingRecognizeResponse(received_ms=1500, partial=partial), words=False)
    assert response is not None
    (result,) = response.results
    assert [hypothesis.text for hypothesis in result.hypotheses] == ["one two three 45 "]
    assert (result.final, result.received_s) == (False, 1.5)
    assert result.stability == pytest.approx(7 / 16)
    assert result.hypotheses[0].confidence == 0


def test_final_is_one_result_with_words_and_confidence() -> None:
    word = pb.Word(text=" one", start_ms=100, end_ms=300, confidence=0.5)
    final = pb.Final(text=" one", confidence=0.75, language="en", words=[word])
    response = stream_response(pb.StreamingRecognizeResponse(received_ms=2000, final=final), words=True)
    assert response is not None
    (result,) = response.results
    assert (result.final, result.stability, result.channel, result.received_s) == (True, 1, 1, 2)
    assert list(result.hypotheses) == [
        riva.Hypothesis(
            text="one ",
            confidence=0.75,
            languages=["en"],
            words=[riva.Word(start_ms=100, end_ms=300, text="one", confidence=0.5, language="en")],
        )
    ]


def test_words_are_sent_only_if_they_are_requested() -> None:
    final = pb.Final(text="One.", words=[pb.Word(text="One.")])
    streamed = stream_response(pb.StreamingRecognizeResponse(final=final), words=False)
    assert streamed is not None
    recorded = recording_response(pb.RecognizeResponse(utterances=[final]), words=False)
    assert not streamed.results[0].hypotheses[0].words
    assert not recorded.results[0].hypotheses[0].words
    recorded = recording_response(pb.RecognizeResponse(utterances=[final]), words=True)
    assert recorded.results[0].hypotheses[0].words[0].text == "One."


@pytest.mark.parametrize(
    "message",
    [
        pb.StreamingRecognizeResponse(started=pb.Started()),
        pb.StreamingRecognizeResponse(speech_started=pb.SpeechStarted()),
        pb.StreamingRecognizeResponse(suppressed=pb.Suppressed(text="Thanks for watching!")),
        pb.StreamingRecognizeResponse(notice=pb.Notice(reason="DRAIN")),
        pb.StreamingRecognizeResponse(received_ms=5000),
    ],
)
def test_other_events_are_not_sent(message: pb.StreamingRecognizeResponse) -> None:
    assert stream_response(message, words=True) is None


def test_recording_has_a_result_for_each_final() -> None:
    message = pb.RecognizeResponse(
        utterances=[pb.Final(text="One."), pb.Final(text="Two.")], audio_duration=Duration(seconds=3, nanos=500_000_000)
    )
    response = recording_response(message, words=False)
    assert "".join(result.hypotheses[0].text for result in response.results) == "One. Two. "
    assert [result.received_s for result in response.results] == [3.5, 3.5]


def test_model_is_listed_for_streams_and_recordings() -> None:
    listed = models_response("base", "multi").models
    assert [(model.name, dict(model.properties)) for model in listed] == [
        ("base", {"type": "online", "language_code": "multi"}),
        ("base", {"type": "offline", "language_code": "multi"}),
    ]
    assert not models_response("", "en").models
