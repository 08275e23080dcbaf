"""Options of a Riva call → settings of a stream. Pure. Errors name the fields as Riva does."""

from __future__ import annotations

from stt.riva.v1 import riva_pb2 as riva
from stt.v1 import stt_pb2 as pb

from stt_service.audio.pcm import AudioFormat
from stt_service.errors import InvalidRequestError, NotFoundError
from stt_service.recognition import convert
from stt_service.settings.schema import AUTO, LANGUAGES, language_of_tag

CLIENT_ID = "riva"  # label of the streams in logs and session lists
MULTILINGUAL = "multi"  # Riva's language of models that detect it
SILENCE_MS = range(100, 10_001)
MAX_ID_CHARACTERS = 256  # it is returned with every response
PB_ENCODINGS = {encoding: number for number, encoding in convert.ENCODINGS.items()}


def settings(options: riva.Options) -> pb.Settings:
    """Return the settings that the options change.

    Raises:
        InvalidRequestError: a value is invalid, or requests what this server does not do.
    """
    _check_supported(options)
    terms = _terms(options)
    convert.hotwords(terms, "speech_contexts")
    changed = pb.Settings(hotwords=terms)
    if options.language:
        changed.language = language(options.language)
    if options.endpointing.HasField("silence_ms"):
        silence_ms = options.endpointing.silence_ms
        if silence_ms not in SILENCE_MS:
            raise InvalidRequestError(
                f"Invalid endpointing_config.stop_history={silence_ms}: must be {SILENCE_MS[0]} to {SILENCE_MS[-1]} ms."
            )
        changed.post_speech_silence.FromMilliseconds(silence_ms)
        changed.min_utterance.FromMilliseconds(0)  # silence ends an utterance of any length
    return changed


def stream_config(options: riva.Options, audio_format: AudioFormat, *, partials: bool) -> pb.StreamingConfig:
    """Return the first message of a stream.

    Raises:
        InvalidRequestError: a value is invalid.
    """
    return pb.StreamingConfig(
        format=pb_format(audio_format),
        settings=settings(options),
        partials=partials,
        word_times=options.word_times,
        client_id=CLIENT_ID,
    )


def pb_format(audio_format: AudioFormat) -> pb.AudioFormat:
    """Return the format as a message."""
    return pb.AudioFormat(
        encoding=PB_ENCODINGS[audio_format.encoding],
        sample_rate_hz=audio_format.sample_rate_hz,
        channels=audio_format.channels,
    )


def language(tag: str) -> str:
    """Return Whisper's code of a language tag such as `en-US`; `multi` and `auto` detect the language.

    Raises:
        InvalidRequestError: Whisper does not know the language.
    """
    code = language_of_tag(tag)
    if code in (AUTO, MULTILINGUAL):
        return AUTO
    if code not in LANGUAGES:
        raise InvalidRequestError(
            f"Invalid language_code={tag[:60]!r}: must be a tag such as en-US or ru, multi, or empty for the server's "
            "language."
        )
    return code


def check_model(options: riva.Options, served: str) -> None:
    """Check the requested model.

    Raises:
        NotFoundError: it is not the one that this server uses.
    """
    if options.model not in ("", served):
        raise NotFoundError(f"Invalid model={options.model[:60]!r}: this server has {served!r}; or leave it empty.")


def check_id(call_id: riva.CallId) -> None:
    """Check the id of a call.

    Raises:
        InvalidRequestError: it is too long.
    """
    if len(call_id.text) > MAX_ID_CHARACTERS:
        raise InvalidRequestError(f"Invalid id of {len(call_id.text)} characters: must be at most {MAX_ID_CHARACTERS}.")


def _check_supported(options: riva.Options) -> None:
    if options.speakers.enabled:
        raise InvalidRequestError("Invalid diarization_config: speakers are not distinguished; omit it.")
    if options.masks_profanity:
        raise InvalidRequestError("Invalid profanity_filter=true: the text is not filtered; omit the field.")
    if options.separates_channels and options.channels > 1:
        raise InvalidRequestError(
            "Invalid enable_separate_recognition_per_channel=true: channels are mixed; send each in a call of its own."
        )


def _terms(options: riva.Options) -> list[str]:
    """Return the terms to favor; terms with a negative weight are to be avoided, which has no equivalent."""
    return [term for vocabulary in options.vocabularies if vocabulary.weight >= 0 for term in vocabulary.terms if term]
