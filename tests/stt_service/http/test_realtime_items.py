"""Realtime events: deltas grow, items are committed in order, and `completed` has the text of the final."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stt.v1 import stt_pb2 as pb

from stt_service.http.openai.json_input import JsonObject
from stt_service.http.openai.realtime_items import ClientTurns, Item, ItemChain, ServerTurns

WORDS = st.lists(st.sampled_from(["да", "нет", "one", "two", "three,", "four."]), min_size=1, max_size=8)


def responses(
    number: int, words: list[str], stable_counts: list[int], final: str
) -> Iterator[pb.StreamingRecognizeResponse]:
    """Yield the responses of an utterance: its partials, whose stable text grows, and its final."""
    yield pb.StreamingRecognizeResponse(speech_started=pb.SpeechStarted(utterance=number, start_ms=1000 * number))
    for count in sorted(stable_counts):
        stable = " ".join(words[:count])
        yield pb.StreamingRecognizeResponse(
            partial=pb.Partial(utterance=number, stable=stable, unstable=" ".join(words[count:]))
        )
    end_ms = 1000 * number + 700
    yield pb.StreamingRecognizeResponse(
        speech_ended=pb.SpeechEnded(utterance=number, end_ms=end_ms, endpoint_ms=end_ms + 200)
    )
    ended = pb.Final(utterance=number, text=final, start_ms=1000 * number, end_ms=end_ms)
    yield pb.StreamingRecognizeResponse(received_ms=1000 * number + 900, final=ended)


UTTERANCES = st.lists(
    st.builds(
        lambda words, counts, changed: (words, counts, "something else" if changed else " ".join(words)),
        WORDS,
        st.lists(st.integers(0, 8), max_size=5),
        st.booleans(),
    ),
    min_size=1,
    max_size=4,
)


def of_type(events: list[JsonObject], suffix: str) -> list[JsonObject]:
    return [event for event in events if str(event["type"]).endswith(suffix)]


@given(UTTERANCES)
def test_deltas_of_an_item_are_a_prefix_of_its_transcript_or_of_its_stable_text(
    utterances: list[tuple[list[str], list[int], str]],
) -> None:
    turns, events = ServerTurns(ItemChain(), 0), list[JsonObject]()
    for number, (words, counts, final) in enumerate(utterances):
        for response in responses(number, words, counts, final):
            events += turns.events(response)
    completed = of_type(events, ".completed")
    assert [event["transcript"] for event in completed] == [final for _, _, final in utterances]
    for event, (words, _, final) in zip(completed, utterances, strict=True):
        deltas = [each for each in of_type(events, ".delta") if each["item_id"] == event["item_id"]]
        assert all(each["delta"] for each in deltas)
        sent = "".join(str(each["delta"]) for each in deltas)
        assert final.startswith(sent) or " ".join(words).startswith(sent)
        if final == " ".join(words):
            assert sent == final


@given(UTTERANCES)
def test_items_are_committed_once_each_after_the_one_before(
    utterances: list[tuple[list[str], list[int], str]],
) -> None:
    turns, events = ServerTurns(ItemChain(), 0), list[JsonObject]()
    for number, (words, counts, final) in enumerate(utterances):
        for response in responses(number, words, counts, final):
            events += turns.events(response)
    commits = of_type(events, ".committed")
    started = [event["item_id"] for event in of_type(events, ".speech_started")]
    assert [event["item_id"] for event in commits] == started
    assert [event["previous_item_id"] for event in commits] == [None, *started[:-1]]


@given(UTTERANCES)
def test_client_turn_has_all_finals_of_its_audio(utterances: list[tuple[list[str], list[int], str]]) -> None:
    turns, events = ClientTurns(Item("item_1"), is_last=True), list[JsonObject]()
    for number, (words, counts, final) in enumerate(utterances):
        for response in responses(number, words, counts, final):
            events += turns.events(response)
    events += turns.finish()
    (completed,) = of_type(events, ".completed")
    assert completed["transcript"] == " ".join(final for _, _, final in utterances)
    assert events[-1] is completed


def test_suppressed_utterance_is_an_item_with_an_empty_transcript() -> None:
    turns = ServerTurns(ItemChain(), 5000)
    started, ended, _ = responses(1, [], [], "")
    suppressed = pb.Suppressed(utterance=1, start_ms=100, end_ms=600, reason="NO_SPEECH", text="Thanks.")
    *_, committed = (event for response in (started, ended) for event in turns.events(response))
    (completed,) = turns.events(pb.StreamingRecognizeResponse(suppressed=suppressed))
    assert committed["type"] == "input_audio_buffer.committed"
    assert (completed["item_id"], completed["transcript"]) == (committed["item_id"], "")
    assert completed["usage"] == {"type": "duration", "seconds": 1}


def test_speech_stops_and_is_committed_at_the_endpoint_before_the_final() -> None:
    turns = ServerTurns(ItemChain(), 100)
    (first, first_end, first_final), (second, second_end, second_final) = (
        tuple(responses(number, ["one"], [], "One.")) for number in (1, 2)
    )
    events = [
        event
        for response in (first, first_end, second, first_final, second_end, second_final)
        for event in turns.events(response)
    ]
    assert [str(event["type"]).rpartition(".")[2] for event in events] == [
        *("speech_started", "speech_stopped", "committed", "speech_started"),
        *("delta", "segment", "completed", "speech_stopped", "committed", "delta", "segment", "completed"),
    ]
    assert (events[0]["audio_start_ms"], events[1]["audio_end_ms"]) == (1100, 2000)
    ids = {"first": events[0]["item_id"], "second": events[3]["item_id"]}
    owners = [next(name for name, item in ids.items() if item == event["item_id"]) for event in events]
    assert owners == [*["first"] * 3, "second", *["first"] * 3, *["second"] * 5]


def test_segments_have_the_text_and_the_times_of_finals_in_the_session() -> None:
    turns, events = ClientTurns(Item("item_1"), offset_ms=60_000), list[JsonObject]()
    for number, text in ((1, "One."), (2, " Two. ")):
        for response in responses(number, [], [], text):
            events += turns.events(response)
    segments = of_type(events, ".segment")
    assert [(each["item_id"], each["text"], each["start"], each["end"]) for each in segments] == [
        ("item_1", "One.", 61.0, 61.7),
        ("item_1", "Two.", 62.0, 62.7),
    ]
    assert len({each["id"] for each in segments}) == 2
    assert {each["speaker"] for each in segments} == {""}


@pytest.mark.parametrize("with_logprobs", [False, True])
def test_tokens_of_logprobs_are_the_transcript_if_requested(with_logprobs: bool) -> None:
    turns = ClientTurns(Item("item_1", with_logprobs=with_logprobs), is_last=True)
    for text in ("One two.", "Three!"):
        words = [pb.Word(text=f" {word}", confidence=0.5) for word in text.split()]
        list(turns.events(pb.StreamingRecognizeResponse(final=pb.Final(text=text, words=words))))
    (completed,) = turns.finish()
    assert completed["transcript"] == "One two. Three!"
    assert ("logprobs" in completed) is with_logprobs
    if with_logprobs:
        entries = completed["logprobs"]
        assert isinstance(entries, list)
        assert [entry["token"] for entry in entries] == ["One", " two.", " Three!"]
        assert entries[0] == {"token": "One", "bytes": [79, 110, 101], "logprob": pytest.approx(-0.693, abs=0.001)}
