"""Conversion between protobuf messages of stt.proto and the client's values.

A server may be newer than this client, or broken: unknown values become `unknown`, and numbers out of range the nearest
number in range.
"""

from __future__ import annotations

from datetime import timedelta

from stt.v1 import stt_pb2

from stt_client.errors import ClientError, ServiceError
from stt_client.events import (
    Encoding,
    Event,
    Final,
    Finalize,
    Input,
    Latency,
    Notice,
    Partial,
    Progress,
    Settings,
    SettingsUpdated,
    SpeechStarted,
    Stability,
    Started,
    StreamOptions,
    Suppressed,
    Word,
)
from stt_client.recovery.resume import Resume
from stt_client.transport.message_values import count, name_of, probability, seconds

MAX_S = 1e9  # far above every limit of the server; a Duration can hold more
ENCODINGS = {
    Encoding.S16LE: stt_pb2.AudioFormat.ENCODING_PCM_S16LE,
    Encoding.F32LE: stt_pb2.AudioFormat.ENCODING_PCM_F32LE,
    Encoding.MULAW: stt_pb2.AudioFormat.ENCODING_MULAW,
    Encoding.ALAW: stt_pb2.AudioFormat.ENCODING_ALAW,
}
STABILITIES = {
    Stability.DEFAULT: stt_pb2.STABILITY_UNSPECIFIED,
    Stability.VERY_LOW: stt_pb2.STABILITY_VERY_LOW,
    Stability.LOW: stt_pb2.STABILITY_LOW,
    Stability.MEDIUM: stt_pb2.STABILITY_MEDIUM,
    Stability.HIGH: stt_pb2.STABILITY_HIGH,
    Stability.VERY_HIGH: stt_pb2.STABILITY_VERY_HIGH,
}


def config_request(options: StreamOptions, resume: Resume | None = None) -> stt_pb2.StreamingRecognizeRequest:
    """Return the first message of a stream; with `resume`, of one that continues an earlier stream."""
    audio_format = stt_pb2.AudioFormat(
        encoding=ENCODINGS[options.format.encoding],
        sample_rate_hz=options.format.sample_rate_hz,
        channels=options.format.channels,
    )
    config = stt_pb2.StreamingConfig(
        format=audio_format,
        settings=_settings_message(options.settings),
        partials=options.partials,
        word_times=options.word_times,
        stability=STABILITIES[options.stability],
        client_id=options.client_id,
        resumable=True,  # client.py buffers uncommitted audio
    )
    if resume is not None:
        config.resume.audio_offset_ms = resume.audio_offset_ms
        config.resume.next_utterance = resume.next_utterance
        config.resume.continues_utterance = resume.continues_utterance
        config.resume.left_context_ms = resume.left_context_ms
        config.resume.previous_language = resume.previous_language
    return stt_pb2.StreamingRecognizeRequest(config=config)


def request(item: Input) -> stt_pb2.StreamingRecognizeRequest:
    """Return a message after the first one."""
    match item:
        case Settings():
            return stt_pb2.StreamingRecognizeRequest(update=_settings_message(item))
        case Finalize():
            return stt_pb2.StreamingRecognizeRequest(finalize=stt_pb2.Finalize())
    return stt_pb2.StreamingRecognizeRequest(audio=item)


def event_of(response: stt_pb2.StreamingRecognizeResponse) -> Event:
    """Return the event of the message; Progress if this client does not know its kind.

    Raises:
        ServiceError: The message is a `failure`.
    """
    received_ms, committed_ms = count(response.received_ms), count(response.committed_ms)
    match response.WhichOneof("event"):
        case "started":
            return _started(response.started, received_ms, committed_ms)
        case "speech_started":
            started = response.speech_started
            return SpeechStarted(
                count(started.utterance), count(started.start_ms), received_ms=received_ms, committed_ms=committed_ms
            )
        case "partial":
            return _partial(response.partial, received_ms, committed_ms)
        case "final":
            return _final(response.final, received_ms, committed_ms)
        case "suppressed":
            return _suppressed(response.suppressed, received_ms, committed_ms)
        case "settings":
            return SettingsUpdated(_settings(response.settings), received_ms=received_ms, committed_ms=committed_ms)
        case "notice":
            return _notice(response.notice, received_ms, committed_ms)
        case "failure":
            raise _error_of(response.failure)
    return Progress(received_ms=received_ms, committed_ms=committed_ms)


def _error_of(failure: stt_pb2.Failure) -> ServiceError:
    retry_after_s = max(0.0, seconds(failure.retry_after)) if failure.HasField("retry_after") else None
    return ServiceError(failure.message, failure.reason, retry_after_s)


def _settings_message(settings: Settings) -> stt_pb2.Settings:
    return stt_pb2.Settings(
        language=settings.language,
        initial_prompt=settings.prompt,
        hotwords=settings.hotwords,
        translate=settings.translate,
        post_speech_silence=_duration("silence_s", settings.silence_s),
        min_utterance=_duration("min_utterance_s", settings.min_utterance_s),
        max_utterance=_duration("max_utterance_s", settings.max_utterance_s),
        silero_sensitivity=settings.sensitivity,
    )


def _duration(name: str, seconds: float | None) -> timedelta | None:
    """Return the duration. The server checks its range, but NaN, infinity and negative values cannot be sent."""
    if seconds is None:
        return None
    if not 0 <= seconds <= MAX_S:
        raise ClientError(f"{name}={seconds} is invalid: must be a number of seconds, at most 28.")
    return timedelta(seconds=seconds)


def _settings(message: stt_pb2.Settings) -> Settings:
    return Settings(
        message.language,
        message.initial_prompt,
        tuple(message.hotwords),
        message.translate,
        silence_s=_seconds(message, "post_speech_silence"),
        min_utterance_s=_seconds(message, "min_utterance"),
        max_utterance_s=_seconds(message, "max_utterance"),
        sensitivity=message.silero_sensitivity if message.HasField("silero_sensitivity") else None,
    )


def _seconds(message: stt_pb2.Settings, field: str) -> float | None:
    if not message.HasField(field):
        return None
    return seconds(getattr(message, field))


def _started(message: stt_pb2.Started, received_ms: int, committed_ms: int) -> Started:
    return Started(
        message.stream_id,
        message.model,
        message.partial_model,
        _settings(message.settings),
        received_ms=received_ms,
        committed_ms=committed_ms,
    )


def _partial(message: stt_pb2.Partial, received_ms: int, committed_ms: int) -> Partial:
    return Partial(
        count(message.utterance),
        count(message.revision),
        message.stable,
        message.unstable,
        *_span(message.start_ms, message.end_ms),
        received_ms=received_ms,
        committed_ms=committed_ms,
    )


def _final(message: stt_pb2.Final, received_ms: int, committed_ms: int) -> Final:
    latency = message.latency
    return Final(
        count(message.utterance),
        message.text,
        *_span(message.start_ms, message.end_ms),
        message.language,
        probability(message.language_probability),
        probability(message.confidence),
        _endpoint(message.endpoint),
        Latency(
            max(0.0, seconds(latency.endpoint)),
            max(0.0, seconds(latency.queue)),
            max(0.0, seconds(latency.inference)),
            latency.speculative,
            count(latency.batch),
        ),
        tuple(map(_word, message.words)),
        received_ms=received_ms,
        committed_ms=committed_ms,
    )


def _endpoint(endpoint: stt_pb2.Endpoint) -> str:
    return name_of(stt_pb2.Endpoint, endpoint, "ENDPOINT_")


def _word(message: stt_pb2.Word) -> Word:
    return Word(message.text, *_span(message.start_ms, message.end_ms), probability(message.confidence))


def _span(start_ms: int, end_ms: int) -> tuple[int, int]:
    """Return the positions, the end not before the start."""
    start_ms = count(start_ms)
    return start_ms, max(start_ms, count(end_ms))


def _suppressed(message: stt_pb2.Suppressed, received_ms: int, committed_ms: int) -> Suppressed:
    return Suppressed(
        count(message.utterance),
        *_span(message.start_ms, message.end_ms),
        message.reason,
        message.text,
        _endpoint(message.endpoint),
        received_ms=received_ms,
        committed_ms=committed_ms,
    )


def _notice(message: stt_pb2.Notice, received_ms: int, committed_ms: int) -> Notice:
    remaining_ms = max(0, int(seconds(message.remaining) * 1000))
    return Notice(message.reason, message.message, remaining_ms, received_ms=received_ms, committed_ms=committed_ms)
