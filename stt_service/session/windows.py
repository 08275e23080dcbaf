"""The windows of audio that one stream sends to the decoder, with their decode options."""

from __future__ import annotations

from dataclasses import replace

from stt_service.audio.buffer import AudioBuffer
from stt_service.session.config import SessionConfig
from stt_service.settings.schema import AUTO, FRAME_S, RuntimeSettings
from stt_service.whisper.types import DecodeOptions, EncoderContext, Kind, Window


class WindowBuilder:
    """Builds windows from a stream's audio. Frames are numbered from the beginning of the stream."""

    def __init__(self, audio: AudioBuffer, config: SessionConfig) -> None:
        self._audio, self._settings, self._word_timestamps = audio, config.settings, config.word_timestamps

    def final(self, runtime: RuntimeSettings, kind: Kind, start: int, speech_end: int, end: int) -> Window:
        """Return the window of a final or of a speculative decode."""
        options = replace(
            _options(runtime, kind),
            beam_size=self._settings.beam_size,
            context=EncoderContext(self._settings.encoder_context),
            word_timestamps=self._word_timestamps,
        )
        return Window(self._audio.samples(start, end), options, (speech_end - start) * FRAME_S)

    def partial(
        self,
        runtime: RuntimeSettings,
        start: int,
        end: int,
        *,
        word_timestamps: bool,
        previous_language: str | None = None,
    ) -> Window:
        """Return the window of a partial."""
        options = replace(
            _options(runtime, Kind.PARTIAL),
            beam_size=self._settings.realtime_beam_size,
            context=EncoderContext(self._settings.realtime_encoder_context),
            word_timestamps=word_timestamps,
            previous_language=previous_language,
        )
        return Window(self._audio.samples(start, end), options)


def _options(runtime: RuntimeSettings, kind: Kind) -> DecodeOptions:
    return DecodeOptions(
        language=None if runtime.language == AUTO else runtime.language,
        translate=runtime.translate,
        initial_prompt=runtime.initial_prompt,
        hotwords=runtime.hotwords,
        kind=kind,
    )
