"""What the decoder gets to hear of a stream, and how it shall listen."""

from __future__ import annotations

from dataclasses import replace

from stt_service.audio.buffer import AudioBuffer
from stt_service.settings.schema import AUTO, FRAME_S, RuntimeSettings, ServerSettings
from stt_service.whisper.types import DecodeOptions, EncoderContext, Kind, Window


class WindowBuilder:
    """Cuts windows out of a stream's sound. Frames are numbers of the stream's."""

    def __init__(self, sound: AudioBuffer, server: ServerSettings, *, word_times: bool) -> None:
        self._sound, self._server, self._word_times = sound, server, word_times

    def final(self, live: RuntimeSettings, kind: Kind, start: int, speech_end: int, end: int) -> Window:
        """Return the window of a final, decoded early or not."""
        options = replace(
            _options(live, kind),
            beam_size=self._server.beam_size,
            context=EncoderContext(self._server.encoder_context),
            word_timestamps=self._word_times,
        )
        return Window(self._sound.samples(start, end), options, (speech_end - start) * FRAME_S)

    def partial(
        self, live: RuntimeSettings, start: int, end: int, *, word_times: bool, previous_language: str | None = None
    ) -> Window:
        """Return the window of a partial."""
        options = replace(
            _options(live, Kind.PARTIAL),
            beam_size=self._server.realtime_beam_size,
            context=EncoderContext(self._server.realtime_encoder_context),
            word_timestamps=word_times,
            previous_language=previous_language,
        )
        return Window(self._sound.samples(start, end), options)


def _options(live: RuntimeSettings, kind: Kind) -> DecodeOptions:
    return DecodeOptions(
        language=None if live.language == AUTO else live.language,
        translate=live.translate,
        initial_prompt=live.initial_prompt,
        hotwords=live.hotwords,
        kind=kind,
    )
