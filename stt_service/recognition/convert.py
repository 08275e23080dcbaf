"""Conversion between the messages of stt.proto and the service's own types."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta

from google.protobuf.duration_pb2 import Duration
from stt.v1 import stt_pb2 as pb

from stt_service.audio.pcm import AudioFormat, Encoding
from stt_service.errors import InvalidRequestError
from stt_service.session.events import Final, Notice, OutgoingEvent, Partial, SpeechEnded, SpeechStarted, Suppressed
from stt_service.session.stabilizer import Stability
from stt_service.settings.schema import LANGUAGES, MAX_HOTWORDS, MAX_PROMPT_CHARACTERS, RuntimeSettings
from stt_service.vad.types import Endpoint

MAX_CLIENT_ID_CHARS = 64
MAX_SILENCE_S = 3600.0
MAX_LEFT_CONTEXT_MS = 1000
ENCODINGS = {
    pb.AudioFormat.ENCODING_UNSPECIFIED: Encoding.PCM_S16LE,
    pb.AudioFormat.ENCODING_PCM_S16LE: Encoding.PCM_S16LE,
    pb.AudioFormat.ENCODING_PCM_F32LE: Encoding.PCM_F32LE,
    pb.AudioFormat.ENCODING_MULAW: Encoding.MULAW,
    pb.AudioFormat.ENCODING_ALAW: Encoding.ALAW,
}
ENDPOINTS = {
    Endpoint.SILENCE: pb.ENDPOINT_SILENCE,
    Endpoint.MAX_LENGTH: pb.ENDPOINT_MAX_LENGTH,
    Endpoint.FINALIZE: pb.ENDPOINT_FINALIZE,
    Endpoint.END_OF_AUDIO: pb.ENDPOINT_END_OF_AUDIO,
    Endpoint.DRAIN: pb.ENDPOINT_DRAIN,
    Endpoint.STALLED: pb.ENDPOINT_STALLED,
}
STABILITIES: dict[int, Stability] = {
    pb.STABILITY_UNSPECIFIED: Stability.DEFAULT,
    pb.STABILITY_VERY_LOW: Stability.VERY_LOW,
    pb.STABILITY_LOW: Stability.LOW,
    pb.STABILITY_MEDIUM: Stability.MEDIUM,
    pb.STABILITY_HIGH: Stability.HIGH,
    pb.STABILITY_VERY_HIGH: Stability.VERY_HIGH,
}
# Name in stt.proto to name in ServerSettings, for each setting that a stream can change.
SETTINGS = {
    "language": "language",
    "initial_prompt": "initial_prompt",
    "post_speech_silence": "post_speech_silence_duration",
    "min_utterance": "min_length_of_recording",
    "max_utterance": "max_length_of_recording",
    "silero_sensitivity": "silero_sensitivity",
    "webrtc_aggressiveness": "webrtc_sensitivity",
    "translate": "translate",
}


def audio_format(message: pb.AudioFormat) -> AudioFormat:
    """Return the audio format.

    Raises:
        InvalidRequestError: the encoding, sample rate or number of channels is not supported.
    """
    if message.encoding not in ENCODINGS:
        raise InvalidRequestError(f"Invalid encoding={message.encoding}: must be one of AudioFormat.Encoding.")
    return AudioFormat(
        ENCODINGS[message.encoding],
        message.sample_rate_hz or 16_000,
        1 if message.channels == 0 else message.channels,
    )


def stability(value: int) -> Stability:
    """Return the stability of partials.

    Raises:
        InvalidRequestError: the value is unknown.
    """
    if value not in STABILITIES:
        raise InvalidRequestError(f"Invalid stability={value}: must be one of Stability, 0 to {max(STABILITIES)}.")
    return STABILITIES[value]


def changes(message: pb.Settings) -> Mapping[str, object]:
    """Return the settings that are present in the message, by the names of ServerSettings.

    Raises:
        InvalidRequestError: too many hotwords.
    """
    found: dict[str, object] = {}
    for field, name in SETTINGS.items():
        if message.HasField(field):
            value = getattr(message, field)
            found[name] = seconds(value) if isinstance(value, Duration) else value
    if message.hotwords:
        found["hotwords"] = hotwords(message.hotwords, "hotwords")
    return found


def hotwords(words: Sequence[str], name: str) -> str:
    """Return the value of the setting.

    Args:
        words: The words.
        name: Name of the field in an error, as the client sent it.

    Raises:
        InvalidRequestError: there are too many, or they are too long together.
    """
    if len(words) > MAX_HOTWORDS:
        raise InvalidRequestError(f"Invalid {name}: {len(words)} entries, must be at most {MAX_HOTWORDS}.", name)
    joined = ", ".join(filter(None, words))
    if len(joined) > MAX_PROMPT_CHARACTERS:
        raise InvalidRequestError(
            f"Invalid {name}: {len(joined)} characters with separators, must be at most {MAX_PROMPT_CHARACTERS}.", name
        )
    return joined


def settings(live: RuntimeSettings) -> pb.Settings:
    """Return the current settings of a stream."""
    return pb.Settings(
        language=live.language,
        initial_prompt=live.initial_prompt,
        hotwords=[word.strip() for word in live.hotwords.split(",") if word.strip()],
        post_speech_silence=duration(live.post_speech_silence_duration),
        min_utterance=duration(live.min_length_of_recording),
        max_utterance=duration(live.max_length_of_recording),
        silero_sensitivity=live.silero_sensitivity,
        webrtc_aggressiveness=live.webrtc_sensitivity,
        translate=live.translate,
    )


def silence_s(message: pb.Silence) -> float:
    """Return the length of the silence in seconds.

    Raises:
        InvalidRequestError: the length is negative or over MAX_SILENCE_S.
    """
    length_s = seconds(message.duration)
    if not 0 <= length_s <= MAX_SILENCE_S:
        raise InvalidRequestError(f"Invalid silence.duration={length_s:g} s: must be 0 to {MAX_SILENCE_S:g} s.")
    return length_s


def client_id(text: str) -> str:
    """Return the client's label.

    Raises:
        InvalidRequestError: it is too long or not printable.
    """
    if len(text) > MAX_CLIENT_ID_CHARS or not text.isprintable():
        raise InvalidRequestError(
            f"Invalid client_id of {len(text)} characters: must be at most {MAX_CLIENT_ID_CHARS}, all printable."
        )
    return text


def resume(message: pb.Resume) -> tuple[int, int]:
    """Return the offset in milliseconds and the number of the next utterance.

    Raises:
        InvalidRequestError: a value is out of range, or the language is unknown.
    """
    for name, value, maximum in (
        ("audio_offset_ms", message.audio_offset_ms, 2**53 - 1),
        ("next_utterance", message.next_utterance, 2**53 - 1),
        ("left_context_ms", message.left_context_ms, min(MAX_LEFT_CONTEXT_MS, message.audio_offset_ms)),
    ):
        if not 0 <= value <= maximum:
            raise InvalidRequestError(f"Invalid resume.{name}={value}: must be 0 to {maximum}.")
    if message.previous_language not in LANGUAGES | {""}:
        raise InvalidRequestError(
            f"Invalid resume.previous_language={message.previous_language!r}: must be empty or a Whisper code."
        )
    return message.audio_offset_ms, message.next_utterance


def response(event: OutgoingEvent) -> pb.StreamingRecognizeResponse:
    """Return the event as a message."""
    message = pb.StreamingRecognizeResponse(received_ms=event.received_ms, committed_ms=event.committed_ms)
    match event.payload:
        case SpeechStarted(utterance, start_ms):
            message.speech_started.CopyFrom(pb.SpeechStarted(utterance=utterance, start_ms=start_ms))
        case SpeechEnded() as payload:
            message.speech_ended.CopyFrom(speech_ended(payload))
        case Partial() as payload:
            message.partial.CopyFrom(partial(payload))
        case Final() as payload:
            message.final.CopyFrom(final(payload))
        case Suppressed() as payload:
            message.suppressed.CopyFrom(suppressed(payload))
        case RuntimeSettings() as live:
            message.settings.CopyFrom(settings(live))
        case Notice() as payload:
            message.notice.CopyFrom(notice(payload))
        case None:
            pass
    return message


def speech_ended(event: SpeechEnded) -> pb.SpeechEnded:
    return pb.SpeechEnded(
        utterance=event.utterance,
        end_ms=event.end_ms,
        endpoint_ms=event.endpoint_ms,
        endpoint=ENDPOINTS[event.endpoint],
    )


def partial(event: Partial) -> pb.Partial:
    return pb.Partial(
        utterance=event.utterance,
        revision=event.revision,
        stable=event.stable,
        unstable=event.unstable,
        start_ms=event.start_ms,
        end_ms=event.end_ms,
    )


def final(event: Final) -> pb.Final:
    return pb.Final(
        utterance=event.utterance,
        text=event.text,
        start_ms=event.start_ms,
        end_ms=event.end_ms,
        language=event.language,
        language_probability=event.language_probability,
        confidence=event.confidence,
        words=[
            pb.Word(
                text=word.text,
                start_ms=round(word.start_s * 1000),
                end_ms=round(word.end_s * 1000),
                confidence=word.probability,
            )
            for word in event.words
        ],
        endpoint=ENDPOINTS[event.endpoint],
        latency=pb.Latency(
            endpoint=duration(event.endpoint_s),
            queue=duration(event.timing.queue_s),
            inference=duration(event.timing.inference_s),
            speculative=event.speculative,
            batch=event.timing.batch,
        ),
    )


def suppressed(event: Suppressed) -> pb.Suppressed:
    return pb.Suppressed(
        utterance=event.utterance,
        start_ms=event.start_ms,
        end_ms=event.end_ms,
        reason=event.reason.value,
        text=event.text,
        endpoint=ENDPOINTS[event.endpoint],
    )


def notice(event: Notice) -> pb.Notice:
    remaining = None if event.remaining_s is None else duration(event.remaining_s)
    return pb.Notice(reason=event.reason.name, message=event.reason.value, remaining=remaining)


def seconds(message: Duration) -> float:
    return message.seconds + message.nanos / 1e9


def duration(length_s: float) -> Duration:
    message = Duration()
    message.FromTimedelta(timedelta(seconds=length_s))
    return message
