"""Partials: stable text never changes, and utterances and revisions are numbered."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from itertools import pairwise

import pytest

from benchmarks.recordings import Recording
from tests.support.audio.encoded_audio import silence
from tests.support.clients.wire_client import Call, StreamResult, Stub, assert_event_order, chunks, config

pytestmark = pytest.mark.model


CHUNK_BYTES = 8_000  # a quarter of a second
ANSWER_S = 0.6  # a partial takes about half of it on two cores, and some chunks have no partial


async def send_paced(stub: Stub, *recordings_pcm: bytes, partials: bool) -> StreamResult:
    """Send each chunk after the previous one was answered, so that partials appear on a busy machine too."""
    call = Call(stub)
    await call.send(config(partials=partials))
    reading = asyncio.create_task(call.read_to_end())
    for recording_pcm in recordings_pcm:
        for chunk in chunks(recording_pcm, CHUNK_BYTES if any(recording_pcm) else len(recording_pcm)):
            call.arrived.clear()
            await call.send(chunk)
            with suppress(TimeoutError):
                async with asyncio.timeout(ANSWER_S if partials else 0):
                    await call.arrived.wait()
    await call.end_audio()
    return await reading


async def test_stable_prefix_is_never_retracted(stub: Stub, recordings: Mapping[str, Recording]) -> None:
    first, second = recordings["en/austen-0870"], recordings["en/austen-0930"]
    result = await send_paced(stub, first.pcm(), silence(2), second.pcm(), partials=True)
    assert_event_order(result)
    assert [final.utterance for final in result.finals] == [0, 1]
    assert {partial.utterance for partial in result.partials} == {0, 1}
    for final in result.finals:
        shown = [partial for partial in result.partials if partial.utterance == final.utterance]
        assert [partial.revision for partial in shown] == list(range(1, len(shown) + 1))
        assert len(shown) > 1
        for before, after in pairwise(shown):
            assert after.stable.startswith(before.stable)
            assert before.end_ms < after.end_ms
            assert before.start_ms == after.start_ms
    assert any(partial.stable for partial in result.partials if partial.utterance == 0)  # long enough


async def test_partials_arrive_between_start_and_end_of_their_utterance(
    stub: Stub, recordings: Mapping[str, Recording]
) -> None:
    result = await send_paced(stub, recordings["en/austen-0930"].pcm(), partials=True)
    assert result.kinds[:2] == ["started", "speech_started"]
    assert result.kinds[-1] == "final"
    assert set(result.kinds[2:-1]) == {"partial"}
    assert result.responses[0].started.partial_model == "base"
    last = result.partials[-1]
    assert (last.stable + last.unstable).split()[0] == result.finals[0].text.split()[0]


async def test_partials_are_sent_only_on_request(stub: Stub, recordings: Mapping[str, Recording]) -> None:
    result = await send_paced(stub, recordings["en/austen-0930"].pcm(), partials=False)
    assert result.kinds == ["started", "speech_started", "final"]
    assert result.responses[0].started.partial_model == ""


async def test_streams_never_receive_partials_of_other_streams(stub: Stub, recordings: Mapping[str, Recording]) -> None:
    """One stream requests partials, the other does not, and both send speech concurrently."""
    with_partials, without = await asyncio.gather(
        send_paced(stub, recordings["en/austen-0930"].pcm(), partials=True),
        send_paced(stub, recordings["en/riva-question"].pcm(), partials=False),
    )
    assert without.partials == []
    assert {partial.utterance for partial in with_partials.partials} == {0}
    assert "amiable" in with_partials.text
    assert "language processing" in without.text
    assert all("language" not in partial.stable for partial in with_partials.partials)
