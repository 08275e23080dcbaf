"""Partials: stable text never changes, and utterances and revisions are numbered."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from itertools import pairwise

import pytest

from benchmarks.recordings import Recording
from tests.support.encoded_audio import silence
from tests.support.wire_client import Call, Heard, Stub, assert_orderly, chunks, config

pytestmark = pytest.mark.model


CHUNK_BYTES = 8_000  # a quarter of a second
ANSWER_S = 0.6  # a partial takes about half of it on two cores, and some chunks have no partial


async def talked(stub: Stub, *sounds: bytes, partials: bool) -> Heard:
    """Send each chunk after the previous one was answered, so that partials appear on a busy machine too."""
    call = Call(stub)
    await call.send(config(partials=partials))
    reading = asyncio.create_task(call.rest())
    for sound in sounds:
        for chunk in chunks(sound, CHUNK_BYTES if any(sound) else len(sound)):
            call.arrived.clear()
            await call.send(chunk)
            with suppress(TimeoutError):
                async with asyncio.timeout(ANSWER_S if partials else 0):
                    await call.arrived.wait()
    await call.end_audio()
    return await reading


async def test_stable_prefix_is_never_retracted(stub: Stub, recordings: Mapping[str, Recording]) -> None:
    first, second = recordings["en/austen-0870"], recordings["en/austen-0930"]
    heard = await talked(stub, first.pcm(), silence(2), second.pcm(), partials=True)
    assert_orderly(heard)
    assert [final.utterance for final in heard.finals] == [0, 1]
    assert {partial.utterance for partial in heard.partials} == {0, 1}
    for final in heard.finals:
        said = [partial for partial in heard.partials if partial.utterance == final.utterance]
        assert [partial.revision for partial in said] == list(range(1, len(said) + 1))
        assert len(said) > 1
        for before, after in pairwise(said):
            assert after.stable.startswith(before.stable)
            assert before.end_ms < after.end_ms
            assert before.start_ms == after.start_ms
    assert any(partial.stable for partial in heard.partials if partial.utterance == 0)  # long enough


async def test_partials_arrive_between_start_and_end_of_their_utterance(
    stub: Stub, recordings: Mapping[str, Recording]
) -> None:
    heard = await talked(stub, recordings["en/austen-0930"].pcm(), partials=True)
    assert heard.kinds[:2] == ["started", "speech_started"]
    assert heard.kinds[-1] == "final"
    assert set(heard.kinds[2:-1]) == {"partial"}
    assert heard.responses[0].started.partial_model == "base"
    last = heard.partials[-1]
    assert (last.stable + last.unstable).split()[0] == heard.finals[0].text.split()[0]


async def test_partials_are_sent_only_on_request(stub: Stub, recordings: Mapping[str, Recording]) -> None:
    heard = await talked(stub, recordings["en/austen-0930"].pcm(), partials=False)
    assert heard.kinds == ["started", "speech_started", "final"]
    assert heard.responses[0].started.partial_model == ""


async def test_streams_never_receive_partials_of_other_streams(stub: Stub, recordings: Mapping[str, Recording]) -> None:
    """One stream requests partials, the other does not, and both send speech concurrently."""
    with_partials, without = await asyncio.gather(
        talked(stub, recordings["en/austen-0930"].pcm(), partials=True),
        talked(stub, recordings["en/riva-question"].pcm(), partials=False),
    )
    assert without.partials == []
    assert {partial.utterance for partial in with_partials.partials} == {0}
    assert "amiable" in with_partials.text
    assert "language processing" in without.text
    assert all("language" not in partial.stable for partial in with_partials.partials)
