"""Streams utterances to a server of this project, at full speed and one after the other."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import grpc.aio
from stt.v1 import stt_pb2 as pb
from stt.v1 import stt_pb2_grpc

from benchmarks.harness.replay import BYTES_PER_SECOND
from lab.short_utterances.variants import HOTWORDS, PROMPTS, Variant

CHUNK_BYTES = 3200  # 100 ms
STREAM_TIMEOUT_S = 60.0

Request = pb.StreamingRecognizeRequest
stub_on: Callable[[grpc.aio.Channel], stt_pb2_grpc.SpeechToTextStub] = stt_pb2_grpc.SpeechToTextStub


@dataclass(slots=True)
class Recognized:
    """Responses for an utterance."""

    texts: list[str] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)  # of suppressions
    suppressed_texts: list[str] = field(default_factory=list)
    languages: list[str] = field(default_factory=list)
    inference_s: float = 0.0  # of its finals together

    @property
    def text(self) -> str:
        return " ".join(text.strip() for text in self.texts)


async def stream(channel: grpc.aio.Channel, lead: bytes, pcm: bytes, language: str, variant: Variant) -> Recognized:
    """Stream the lead and the utterance; return the responses for the utterance.

    Raises:
        grpc.aio.AioRpcError: the server rejected or ended the stream, or did not end it within STREAM_TIMEOUT_S.
    """

    async def requests() -> AsyncIterator[Request]:
        yield Request(config=pb.StreamingConfig(settings=_settings(language, variant)))
        audio = lead + pcm
        for start in range(0, len(audio), CHUNK_BYTES):
            yield Request(audio=audio[start : start + CHUNK_BYTES])

    recognized, left_context_ms = Recognized(), int(1000 * len(lead) / BYTES_PER_SECOND)
    async for response in stub_on(channel).StreamingRecognize(requests(), timeout=STREAM_TIMEOUT_S):
        match response.WhichOneof("event"):
            case "final" if response.final.end_ms > left_context_ms:
                recognized.texts.append(response.final.text)
                recognized.languages.append(response.final.language)
                recognized.inference_s += response.final.latency.inference.ToTimedelta().total_seconds()
            case "suppressed" if response.suppressed.end_ms > left_context_ms:
                recognized.reasons.append(response.suppressed.reason)
                recognized.suppressed_texts.append(response.suppressed.text)
    return recognized


def _settings(language: str, variant: Variant) -> pb.Settings:
    return pb.Settings(
        language="auto" if variant.auto else language,
        initial_prompt=PROMPTS[language] if variant.prompt else None,
        hotwords=HOTWORDS[language] if variant.hotwords else (),
    )
