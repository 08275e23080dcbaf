"""The transcript of Wyoming: chunks only grow, and together they are the transcript."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from stt.v1 import stt_pb2 as pb
from wyoming.asr import Transcript, TranscriptChunk, TranscriptStart, TranscriptStop
from wyoming.event import Event

from stt_service.wyoming.transcript import GrowingTranscript

Response = pb.StreamingRecognizeResponse
TEXTS = st.text(alphabet="abя .,\n", max_size=12)
RESPONSES = st.lists(
    st.one_of(
        TEXTS.map(lambda text: Response(final=pb.Final(text=text, language="en"))),
        TEXTS.map(lambda text: Response(partial=pb.Partial(stable=text, unstable=text))),
        TEXTS.map(lambda text: Response(suppressed=pb.Suppressed(text=text))),
        st.just(Response(speech_started=pb.SpeechStarted())),
        st.just(Response(received_ms=5000)),
    ),
    max_size=12,
)


def started(language: str) -> Response:
    return Response(started=pb.Started(settings=pb.Settings(language=language)))


def final(text: str, language: str = "en") -> Response:
    return Response(final=pb.Final(text=text, language=language))


def events(*responses: Response) -> list[Event]:
    transcript = GrowingTranscript()
    return [*(event for each in responses for event in transcript.events(each)), *transcript.finish()]


@given(RESPONSES)
def test_chunks_together_are_the_transcript_and_the_text_of_the_finals(responses: list[Response]) -> None:
    first, *chunks, last, stop = events(started("en"), *responses)
    assert TranscriptStart.is_type(first.type)
    assert all(TranscriptChunk.is_type(event.type) and event.data["text"] for event in chunks)
    assert TranscriptStop.is_type(stop.type)
    finals = [each.final.text.strip() for each in responses if each.WhichOneof("event") == "final"]
    text = Transcript.from_event(last).text
    assert "".join(event.data["text"] for event in chunks) == text == " ".join(filter(None, finals))


def test_language_is_that_of_the_stream_and_of_its_finals() -> None:
    first, _, last, _ = events(started("ru"), final("Да.", "ru"))
    assert TranscriptStart.from_event(first).language == Transcript.from_event(last).language == "ru"


def test_detected_language_is_in_the_transcript_only() -> None:
    first, _, last, _ = events(started("auto"), final("Да.", "ru"))
    assert TranscriptStart.from_event(first).language is None
    assert Transcript.from_event(last).language == "ru"


def test_transcript_of_two_languages_or_without_speech_names_none() -> None:
    assert Transcript.from_event(events(started("auto"), final("Да.", "ru"), final("Yes.", "en"))[-2]).language is None
    *_, last, _ = events(started("en"))
    assert Transcript.from_event(last) == Transcript("")
