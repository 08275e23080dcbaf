"""The text of a recording: correct, and independent of chunks, formats and other streams."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping

import pytest
from grpc import StatusCode
from stt.v1 import stt_pb2 as pb

from benchmarks.harness.word_errors import count_errors, normalize
from benchmarks.recordings import Recording
from tests.support.audio.encoded_audio import encode_pcm, wav
from tests.support.clients.wire_client import (
    Request,
    StreamResult,
    Stub,
    assert_event_order,
    audio,
    chunks,
    config,
    send_recording,
    send_requests,
)

pytestmark = pytest.mark.model

WER = 25.0  # percent, for a single short recording; the average of a language is about ten
TOGETHER = (
    "en/austen-0930", "en/brooklyn-bridge", "en/go-forward", "en/lj001-0020", "en/riva-question",
    "ru/pls-hold-while-try", "ru/queue-youarenext", "ru/tt-somethingwrong", "ru/vm-intro", "ru/vm-invalidpassword",
)  # fmt: skip
# Encoding, rate, channel layout, FFmpeg's container and codec.
FORMATS = {
    "8 kHz": (pb.AudioFormat.ENCODING_PCM_S16LE, 8_000, "mono", "s16le", "pcm_s16le"),
    "48 kHz, stereo": (pb.AudioFormat.ENCODING_PCM_S16LE, 48_000, "stereo", "s16le", "pcm_s16le"),
    "44.1 kHz, float": (pb.AudioFormat.ENCODING_PCM_F32LE, 44_100, "mono", "f32le", "pcm_f32le"),
    "8 kHz, µ-law": (pb.AudioFormat.ENCODING_MULAW, 8_000, "mono", "mulaw", "pcm_mulaw"),
    "8 kHz, A-law": (pb.AudioFormat.ENCODING_ALAW, 8_000, "mono", "alaw", "pcm_alaw"),
}


@pytest.fixture(scope="module")
def single_texts() -> dict[str, str]:
    """Cache the texts of recordings that were recognized alone."""
    return {}


async def single_text(stub: Stub, recording: Recording, single_texts: dict[str, str]) -> str:
    if recording.name not in single_texts:
        single_texts[recording.name] = (await send_recording(stub, recording)).text
    return single_texts[recording.name]


def word_error_rate(text: str, recording: Recording) -> float:
    """Return the word error rate in percent."""
    return count_errors(normalize(recording.text, recording.language), normalize(text, recording.language)).percent


@pytest.mark.parametrize("name", TOGETHER)
async def test_recordings_are_recognized_within_the_expected_error_rate(
    stub: Stub, recordings: Mapping[str, Recording], single_texts: dict[str, str], name: str
) -> None:
    result = await send_recording(stub, recordings[name])
    assert result.code is StatusCode.OK
    assert word_error_rate(result.text, recordings[name]) <= WER
    assert [final.language for final in result.finals] == [recordings[name].language] * len(result.finals)
    assert_event_order(result)
    assert result.responses[-1].committed_ms == len(recordings[name].pcm()) // 32
    single_texts[name] = result.text


@pytest.mark.parametrize("name", ["en/austen-0930", "ru/vm-invalidpassword"])
async def test_recognize_and_streaming_recognize_give_the_same_text(
    stub: Stub, recordings: Mapping[str, Recording], single_texts: dict[str, str], name: str
) -> None:
    recording = recordings[name]
    settings = pb.Settings(language=recording.language)
    streamed_text = await single_text(stub, recording, single_texts)
    for request in (
        pb.RecognizeRequest(audio=recording.path.read_bytes(), settings=settings),
        pb.RecognizeRequest(audio=recording.pcm(), format=pb.AudioFormat(), settings=settings),
        pb.RecognizeRequest(audio=wav(recording.pcm()), settings=settings),
    ):
        answer = await stub.Recognize(request)
        assert " ".join(final.text for final in answer.utterances) == streamed_text
        assert answer.audio_duration.ToMilliseconds() == len(recording.pcm()) // 32
        assert answer.model == "base"


@pytest.mark.parametrize("name", ["en/lj001-0020", "ru/vm-invalidpassword"])
async def test_text_does_not_depend_on_the_chunks(
    stub: Stub, recordings: Mapping[str, Recording], single_texts: dict[str, str], name: str
) -> None:
    pcm, dice = recordings[name].pcm(), random.Random(5)
    requests: list[Request] = []
    place = 0
    while place < len(pcm):
        size = dice.choice((1, 3, 319, 3_200, 9_999))
        requests.append(audio(pcm[place : place + size]))
        place += size
    at_once = await single_text(stub, recordings[name], single_texts)
    cut = await send_requests(stub, config(recordings[name].language), *requests)
    assert (cut.code, cut.text) == (StatusCode.OK, at_once)


@pytest.mark.parametrize("name", ["en/austen-0930", "ru/vm-invalidpassword"])
@pytest.mark.parametrize("sent", FORMATS.values(), ids=FORMATS.keys())
async def test_every_audio_format_is_recognized(
    stub: Stub,
    recordings: Mapping[str, Recording],
    name: str,
    sent: tuple[pb.AudioFormat.Encoding, int, str, str, str],
) -> None:
    encoding, rate_hz, layout, container, codec = sent
    recording = recordings[name]
    recording_pcm = pb.AudioFormat(encoding=encoding, sample_rate_hz=rate_hz, channels=2 if layout == "stereo" else 1)
    opening = pb.StreamingConfig(format=recording_pcm, settings=pb.Settings(language=recording.language))
    data = encode_pcm(recording.pcm(), container, codec, rate_hz, layout)
    result = await send_requests(stub, Request(config=opening), *chunks(data, 10_001))
    assert result.code is StatusCode.OK
    assert word_error_rate(result.text, recording) <= WER


async def test_mp3_and_opus_recordings_are_recognized(stub: Stub, recordings: Mapping[str, Recording]) -> None:
    recording = recordings["en/austen-0930"]
    for container, codec in (("mp3", "libmp3lame"), ("ogg", "libopus")):
        data = encode_pcm(recording.pcm(), container, codec, 48_000, "stereo")
        answer = await stub.Recognize(pb.RecognizeRequest(audio=data))
        text = " ".join(final.text for final in answer.utterances)
        assert word_error_rate(text, recording) <= WER


async def test_ten_concurrent_streams_give_the_same_texts_as_single_ones(
    stub: Stub, recordings: Mapping[str, Recording], single_texts: dict[str, str]
) -> None:
    expected = {name: await single_text(stub, recordings[name], single_texts) for name in TOGETHER}
    result: dict[str, StreamResult] = {}

    async def recognize(recording: Recording) -> None:
        result[recording.name] = await send_recording(stub, recording)

    async with asyncio.TaskGroup() as tasks:
        for name in TOGETHER:
            tasks.create_task(recognize(recordings[name]))
    assert {name: one.text for name, one in result.items()} == expected
    assert {final.latency.batch for one in result.values() for final in one.finals} == {1}  # separate decodes
    for one in result.values():
        assert one.code is StatusCode.OK
        assert_event_order(one)


async def test_utterance_ends_at_a_pause_and_words_have_times(stub: Stub, recordings: Mapping[str, Recording]) -> None:
    first, second = recordings["en/brooklyn-bridge"], recordings["en/go-forward"]
    opening = pb.StreamingConfig(settings=pb.Settings(language="en"), word_times=True)
    pcm = first.pcm() + bytes(2 * 32_000) + second.pcm()
    result = await send_requests(stub, Request(config=opening), *chunks(pcm, 32_000))
    assert [final.utterance for final in result.finals] == [0, 1]
    assert [final.endpoint for final in result.finals] == [pb.ENDPOINT_SILENCE, pb.ENDPOINT_END_OF_AUDIO]
    for final, recording in zip(result.finals, (first, second), strict=True):
        assert word_error_rate(final.text, recording) <= WER
        assert [word.text for word in final.words] == final.text.split()
        times = [at for word in final.words for at in (word.start_ms, word.end_ms)]
        assert times == sorted(times)
    assert result.finals[1].words[0].start_ms >= len(first.pcm()) // 32 + 1500
    assert_event_order(result)
