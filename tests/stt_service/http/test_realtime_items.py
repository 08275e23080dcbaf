"""Realtime events: deltas grow, items are committed in order, and `completed` has the text of the final."""

from __future__ import annotations

from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st
from stt.v1 import stt_pb2 as pb

from stt_service.http.openai.formats import JsonObject
from stt_service.http.openai.realtime_items import ClientTurns, GrowingText, ItemChain, ServerTurns

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
    ended = pb.Final(utterance=number, text=final, start_ms=1000 * number, end_ms=1000 * number + 700)
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
    turns, events = ClientTurns(GrowingText("item_1")), list[JsonObject]()
    for number, (words, counts, final) in enumerate(utterances):
        for response in responses(number, words, counts, final):
            events += turns.events(response)
    events += turns.finish()
    (completed,) = of_type(events, ".completed")
    assert completed["transcript"] == " ".join(final for _, _, final in utterances)
    assert events[-1] is completed


def test_suppressed_utterance_is_an_item_with_an_empty_transcript() -> None:
    turns = ServerTurns(ItemChain(), 5000)
    list(turns.events(pb.StreamingRecognizeResponse(speech_started=pb.SpeechStarted(utterance=1, start_ms=100))))
    suppressed = pb.Suppressed(utterance=1, start_ms=100, end_ms=600, reason="NO_SPEECH", text="Thanks.")
    stopped, committed, completed = turns.events(pb.StreamingRecognizeResponse(suppressed=suppressed))
    assert stopped["audio_end_ms"] == 5600
    assert committed["type"] == "input_audio_buffer.committed"
    assert completed["transcript"] == ""


def test_speech_of_an_item_stops_before_the_next_starts_though_its_final_is_pending() -> None:
    turns, pending = ServerTurns(ItemChain(), 100), list[pb.StreamingRecognizeResponse]()
    for number in (1, 2):
        started, final = responses(number, ["one"], [], "One.")
        pending += [started, final]
    first_start, first_final, second_start, second_final = pending
    events = [
        event for response in (first_start, second_start, first_final, second_final) for event in turns.events(response)
    ]
    kinds = [str(event["type"]).rpartition(".")[2] for event in events]
    assert kinds == [
        *("speech_started", "speech_stopped", "committed", "speech_started"),
        *("delta", "completed", "speech_stopped", "committed", "delta", "completed"),
    ]
    assert events[1]["item_id"] == events[0]["item_id"]
    assert events[1]["audio_end_ms"] == 2100  # at most the start of the next
